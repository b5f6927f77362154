"""`retake migrate`, `ingest`, `worker`, `beat`, `exporter`: what a deployment runs."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from worker.settings import Settings


def migrate() -> None:
    """Bring the database's tables to the newest version."""
    from tasks import schema
    from worker.database import open_database
    from worker.settings import load_settings

    with open_database(load_settings()) as engine:
        typer.echo(f"database at version {schema.upgrade(engine)}")


def ingest() -> None:
    """Read the event stream: write a row and queue a task for each event."""
    from worker.processes import run_ingest

    run_ingest(_settings_with_logs())


def worker() -> None:
    """Run a worker: download, score, store, notify."""
    from worker.processes import run_worker

    run_worker(_settings_with_logs())


def beat() -> None:
    """Run the clock that starts the sweeps."""
    from worker.processes import run_beat

    run_beat(_settings_with_logs())


def exporter() -> None:
    """Tell Prometheus how the work stands."""
    from worker.processes import run_exporter

    run_exporter(_settings_with_logs())


def _settings_with_logs() -> "Settings":
    from worker import logs
    from worker.settings import load_settings

    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level)
    return settings
