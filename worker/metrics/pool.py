"""Metrics of a prefork worker: pool processes write them to mapped files, their parent reads and exposes them.

This is the multiprocess mode of prometheus_client, with one set of files for each place in the pool instead of each
process: places are few, processes that come and go are many, and a new process counts on where the last one stopped.
"""

import atexit
import os
import shutil
import tempfile

from billiard.process import current_process
from prometheus_client import CollectorRegistry, values
from prometheus_client.multiprocess import MultiProcessCollector

from worker.metrics.work import WorkMetrics

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # the name that prometheus_client gives it


def share_pool_metrics() -> CollectorRegistry:
    """Prepare, in the parent and before it forks, a folder of files; give the registry that reads them."""
    folder = os.environ[FOLDER] = tempfile.mkdtemp(prefix="retake-metrics-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
    return registry


def make_pool_metrics() -> WorkMetrics:
    """Make the metrics of this pool process."""
    values.ValueClass = values.MultiProcessValue(_place_in_pool)  # type: ignore[no-untyped-call]
    return WorkMetrics(registry=None)


def _place_in_pool() -> int:
    """Which of the pool's places this process has; no two live processes have the same."""
    place: int = current_process().index  # type: ignore[attr-defined]
    return place
