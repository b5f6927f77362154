"""The long-running processes: worker, beat and ingest, each from start to clean stop."""

import signal
import threading
from types import FrameType

from celery import Celery, signals

from tasks import schema
from tasks.celery_tasks import install
from tasks.database import make_engine
from worker.celery_app import make_app
from worker.composition import make_ingest, make_sender, make_steps
from worker.settings import Settings

# No chatter between workers: nothing here needs it, and it costs a message a second and worker.
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


def run_worker(settings: Settings) -> None:
    """Run a Celery worker with its pool processes until it is told to stop.

    Raises:
        SettingsError: there is nowhere to send retake requests, or no secret to sign them.
        SchemaOutdatedError: the database has not been migrated.
    """
    make_sender(settings)
    _check_schema(settings)
    app = make_app(settings)
    _prepare_pool_processes(app, settings)
    app.worker_main(["worker", "--hostname=retake@%h", f"--loglevel={settings.log_level}", *QUIET])


def run_beat(settings: Settings) -> None:
    """Run the clock that starts the sweeps; two at once do no harm."""
    app = make_app(settings)
    # The schedule is one entry that may well start anew: it needs no file.
    app.Beat(scheduler_cls="celery.beat:Scheduler", loglevel=settings.log_level, quiet=True).run()


def run_ingest(settings: Settings) -> None:
    """Run a reader of the event stream until SIGTERM or SIGINT, and finish the batch in hand.

    Raises:
        SchemaOutdatedError: the database has not been migrated.
    """
    _check_schema(settings)
    stop = threading.Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, request_stop)
    signal.signal(signal.SIGINT, request_stop)
    ingest = make_ingest(settings, make_app(settings))
    ingest.run(stop)
    ingest.leave()


def _check_schema(settings: Settings) -> None:
    engine = make_engine(settings.database_url.get_secret_value())
    schema.check(engine)
    engine.dispose()


def _prepare_pool_processes(app: Celery, settings: Settings) -> None:
    """Build the parts in every pool process: an interpreter or a database connection must not cross a fork."""

    def prepare(**_: object) -> None:
        install(app, make_steps(settings))

    signals.worker_process_init.connect(prepare, weak=False)
