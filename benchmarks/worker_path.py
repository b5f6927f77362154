"""The whole worker path against a bare loop: what the queue and the database cost, and what a slow image host costs."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from uuid import uuid4

import psutil
from rich.progress import Progress
from sqlalchemy import Engine, func, select

from benchmarks.servers import database, image_host, retake, valkey
from models.judge import Judge
from tasks import images, schema
from tasks.celery_tasks import qualify
from tasks.clock import utc_now
from tasks.database import autocommit, make_engine
from tasks.decode import decode
from tasks.events import new_event
from tasks.fetch import Fetcher, FetchPolicy
from tasks.tables import Image
from worker.celery_app import make_app
from worker.settings import Settings

CORES = 2
WARM_UP = 100
POLL_SECONDS = 0.2
HOST_WAIT_SECONDS = 0.1
WAITING_CHILDREN = 24
MEBIBYTE = 2**20
SECRET = "whsec_YmVuY2htYXJrLWJlbmNobWFyay1iZW5jaG1hcms="  # noqa: S105 - for loopback only


@dataclass(frozen=True, slots=True)
class Run:
    """One drain of a filled queue: the kind of database, the image host, and how many there are of what."""

    kind: str
    host: str
    photos: int
    children: int = CORES

    def __str__(self) -> str:
        return f"worker on {self.kind}, {self.children} pool processes"


def measure(photos: int, progress: Progress) -> dict[str, float]:
    """Photos a second of the bare loop and of the worker on both databases, the bare loop before and after each."""
    figures: dict[str, float] = {}
    with image_host() as host:
        figures["bare loop, photos/s"] = bare_loop(host, photos)
        for kind in ("sqlite", "postgres"):
            rate = drain(Run(kind, host, photos), progress)
            again = bare_loop(host, photos)
            bare = (figures["bare loop, photos/s"] + again) / 2
            figures[f"worker on {kind}, photos/s"] = rate
            figures[f"worker on {kind} / bare loop"] = rate / bare
            figures["bare loop, photos/s"] = again
    return figures


def measure_waiting(photos: int, progress: Progress) -> dict[str, float]:
    """The worker with an image host that takes its time and more pool processes, against the same without the wait."""
    pss: list[float] = []
    with image_host() as prompt, image_host(HOST_WAIT_SECONDS) as slow:
        without = drain(Run("postgres", prompt, photos), progress)
        waiting = drain(
            Run("postgres", slow, photos, WAITING_CHILDREN), progress, lambda parent: pss.append(_pss(parent))
        )
    return {
        "prompt host, photos/s": without,
        f"host waiting {HOST_WAIT_SECONDS:g} s, {WAITING_CHILDREN} children, photos/s": waiting,
        "waiting / prompt": waiting / without,
        f"memory of {WAITING_CHILDREN} children and their parent, PSS, MiB": pss[-1],
    }


def bare_loop(host: str, photos: int) -> float:
    """Fetch, decode and score in one process for each core, with no queue and no database; photos a second."""
    context = multiprocessing.get_context("spawn")
    ready, start = context.Barrier(CORES + 1), context.Barrier(CORES + 1)
    processes = [
        context.Process(target=_bare_process, args=(host, n * photos, photos // CORES, ready, start))
        for n in range(CORES)
    ]
    for process in processes:
        process.start()
    ready.wait()
    started = time.perf_counter()
    start.wait()
    for process in processes:
        process.join()
    return photos / (time.perf_counter() - started)


def drain(run: Run, progress: Progress, look: Callable[[psutil.Process], None] | None = None) -> float:
    """Drain a filled queue with one Celery worker and an empty database; photos a second.

    `look` sees the worker at every poll.
    """
    with database(run.kind) as url:
        return drain_into(url, run, progress, look)


def drain_into(url: str, run: Run, progress: Progress, look: Callable[[psutil.Process], None] | None = None) -> float:
    """Do the same with a database that may hold rows, and keeps those of this run."""
    with valkey() as broker, _queued(broker, url, run) as (engine, first):
        environment = worker_environment(broker, url, run.host, RETAKE_CONCURRENCY=str(run.children))
        with retake("worker", environment) as pid:
            task = progress.add_task(str(run), total=run.photos)
            for done in wait_for(engine, run.photos, first):
                progress.update(task, completed=done)
                if look and WARM_UP < done < run.photos:
                    look(psutil.Process(pid))
        return rate(engine, first)


def worker_environment(broker: str, url: str, host: str, **more: str) -> dict[str, str]:
    """What every process of the pipeline is told."""
    return {
        "RETAKE_BROKER_URL": broker,
        "RETAKE_STREAM_URL": broker,
        "RETAKE_DATABASE_URL": url,
        "RETAKE_IMAGE_PRIVATE_HOSTS": host,
        "RETAKE_NOTIFY_URL": "http://127.0.0.1:9/",
        "RETAKE_NOTIFY_SECRET": SECRET,
        **more,
    }


def wait_for(engine: Engine, photos: int, first: int = 0) -> Iterator[int]:
    """Give, now and then, how many photos from the key `first` on are finished, until all are."""
    finished = 0
    while finished < photos:
        time.sleep(POLL_SECONDS)
        with autocommit(engine) as connection:
            done = select(func.count()).where(Image.id >= first, Image.finished_at.is_not(None))
            finished = connection.scalar(done) or 0
        yield finished


def rate(engine: Engine, first: int = 0) -> float:
    """Photos a second between the end of the warm-up and the last photo, by the times that the rows hold."""
    with autocommit(engine) as connection:
        statement = select(Image.finished_at).where(Image.id >= first, Image.finished_at.is_not(None))
        times = list(connection.scalars(statement.order_by(Image.finished_at)))[WARM_UP:]
    assert times[0] is not None
    assert times[-1] is not None
    return (len(times) - 1) / (times[-1] - times[0]).total_seconds()


@contextmanager
def _queued(broker: str, url: str, run: Run) -> Iterator[tuple[Engine, int]]:
    """A database with received photos, and a broker with their tasks; gives the first photo's key."""
    engine = make_engine(url)
    schema.upgrade(engine)
    name = uuid4().hex  # no photo of an earlier run may lend its score
    events = [
        new_event(ad_id=f"{name}-{n}", image_id="1", seller_id="s", image_url=f"http://{run.host}/{name}/{n}")
        for n in range(run.photos)
    ]
    with engine.begin() as connection:
        keys = images.receive(connection, events, now=utc_now(), requeue_after=timedelta(hours=1))
    app = make_app(Settings(broker_url=broker))
    with app.producer_or_acquire() as producer:
        for key in keys:
            qualify.apply_async((key,), producer=producer)
    app.close()
    yield engine, keys[0]
    engine.dispose()


def _pss(parent: psutil.Process) -> float:
    return sum(one.memory_full_info().pss for one in (parent, *parent.children(recursive=True))) / MEBIBYTE


def _bare_process(host: str, first: int, photos: int, ready: Barrier, start: Barrier) -> None:
    fetcher = Fetcher(FetchPolicy(private_hosts=frozenset({host})))
    judge = Judge()
    judge.judge(decode(fetcher.fetch(f"http://{host}/{first}")).image)
    ready.wait()
    start.wait()
    for n in range(first, first + photos):
        judge.judge(decode(fetcher.fetch(f"http://{host}/{n}")).image)
