"""`retake migrate`, `ingest`, `worker`, `beat`, `exporter`: what a deployment runs."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

import typer


def migrate() -> None:
    """Bring the database's tables to the newest version."""
    from tasks import schema
    from tasks.database import make_engine
    from worker.settings import load_settings

    engine = make_engine(load_settings().database_url.get_secret_value())
    typer.echo(f"database at version {schema.upgrade(engine)}")


def ingest() -> None:
    """Read the event stream: write a row and queue a task for each event."""
    from worker import logs
    from worker.processes import run_ingest
    from worker.settings import load_settings

    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level)
    run_ingest(settings)


def worker() -> None:
    """Run a worker: download, score, store, notify."""
    from worker import logs
    from worker.processes import run_worker
    from worker.settings import load_settings

    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level)
    run_worker(settings)


def beat() -> None:
    """Run the clock that starts the sweeps."""
    from worker import logs
    from worker.processes import run_beat
    from worker.settings import load_settings

    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level)
    run_beat(settings)


def exporter() -> None:
    """Tell Prometheus how the work stands."""
    from worker import logs
    from worker.processes import run_exporter
    from worker.settings import load_settings

    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level)
    run_exporter(settings)
