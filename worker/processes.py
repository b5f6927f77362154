"""The long-running processes: worker, beat, ingest and exporter, each from start to clean stop."""

import ctypes
import gc
import resource
import signal
import threading
from types import FrameType
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import Celery, Task, signals
from prometheus_client import CollectorRegistry

from models.judge import Judge
from tasks.celery_tasks import install, note_lost, qualify
from worker.celery_app import make_app
from worker.composition import make_exporter, make_ingest, make_sender, make_steps
from worker.database import migrated_database
from worker.health import BEAT_SECONDS, heartbeat, install_heartbeat
from worker.metrics.pool import make_pool_metrics, share_pool_metrics
from worker.metrics.serve import serve
from worker.settings import Settings, SettingsError
from worker.slots import Slots

# No chatter between workers: nothing here needs it, and it costs a message a second and worker.
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


def run_worker(settings: Settings) -> None:
    """Run a Celery worker with its pool processes until it is told to stop.

    Raises:
        SettingsError: there is nowhere to send retake requests, or no secret to sign them.
        SchemaOutdatedError: the database has not been migrated.
        ModelError: a model file is missing or is not a quality model.
    """
    make_sender(settings)
    _check_schema(settings)
    _check_models(settings)
    app = make_app(settings)
    install_heartbeat(app, settings.heartbeat_file)
    if settings.metrics_port is not None:
        serve(share_pool_metrics(), settings.metrics_port)
    _prepare_pool_processes(app, settings)
    _watch_pool_processes(settings)
    signals.worker_init.connect(_give_memory_back, weak=False)
    app.worker_main(["worker", "--hostname=retake@%h", f"--loglevel={settings.log_level}", *QUIET])


def run_beat(settings: Settings) -> None:
    """Run the clock that starts the sweeps; two at once do no harm."""
    app = make_app(settings)
    install_heartbeat(app, settings.heartbeat_file)
    app.Beat(scheduler_cls="worker.health:BeatingScheduler", loglevel=settings.log_level, quiet=True).run()


def run_ingest(settings: Settings) -> None:
    """Run a reader of the event stream until SIGTERM or SIGINT, and finish the batch in hand.

    Raises:
        SchemaOutdatedError: the database has not been migrated.
    """
    _check_schema(settings)
    registry = CollectorRegistry()
    ingest = make_ingest(settings, make_app(settings), registry)
    if settings.metrics_port is not None:
        serve(registry, settings.metrics_port)
    ingest.run(_stop_on_signals(), heartbeat(settings.heartbeat_file))
    ingest.leave()


def run_exporter(settings: Settings) -> None:
    """Tell Prometheus how the work stands in the database, the broker and the event stream, until SIGTERM or SIGINT.

    Raises:
        SettingsError: RETAKE_METRICS_PORT is not set, or the port cannot be had.
    """
    if settings.metrics_port is None:
        raise SettingsError("RETAKE_METRICS_PORT: needed by the exporter")
    registry = CollectorRegistry()
    registry.register(make_exporter(settings, make_app(settings)))
    alive = heartbeat(settings.heartbeat_file)
    stop = _stop_on_signals()
    serve(registry, settings.metrics_port)
    while not stop.wait(BEAT_SECONDS):
        alive()


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, request_stop)
    signal.signal(signal.SIGINT, request_stop)
    return stop


def _check_schema(settings: Settings) -> None:
    with migrated_database(settings):
        pass


def _check_models(settings: Settings) -> None:
    # Loaded but never invoked here: an interpreter that has worked must not cross a fork.
    for path in filter(None, (settings.model, settings.shadow_model)):
        Judge(path)


def _give_memory_back(**_: object) -> None:
    """Return what loading the modules has freed to the system, lest every pool process inherits it: 14 MB each."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # glibc's alone
        trim(0)


def _prepare_pool_processes(app: Celery, settings: Settings) -> None:
    """Build the parts in every pool process: an interpreter or a database connection must not cross a fork."""
    slots = Slots(max(1, settings.concurrency // 2))

    def prepare(**_: object) -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (settings.memory_limit, settings.memory_limit))
        metrics = make_pool_metrics() if settings.metrics_port is not None else None
        install(app, make_steps(settings, slots, metrics))
        if metrics is not None:
            signals.task_failure.connect(metrics.crashed, weak=False)

    signals.worker_process_init.connect(prepare, weak=False)


def _watch_pool_processes(settings: Settings) -> None:
    """Note in the main process how a pool process ended: it cannot tell any more.

    The note is of use while the lost process's lease still runs: a later one could end somebody else's.
    """
    margin = settings.lease - settings.task_time_limit
    codes = {TimeLimitExceeded: "time_limit", WorkerLostError: "worker_lost"}

    def note(sender: Task[Any, Any], exception: Exception, args: tuple[Any, ...], **_: object) -> None:
        code = codes.get(type(exception))
        if code is not None and sender.name == qualify.name:
            note_lost.apply_async((*args, code, str(exception)), expires=margin)

    signals.task_failure.connect(note, weak=False)
