"""The whole worker path against a bare loop: what the queue and the database cost, and what a slow image host costs."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

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


def measure(photos: int, progress: Progress) -> dict[str, float]:
    """Photos a second of the bare loop and of the worker on both databases, the bare loop before and after each."""
    figures: dict[str, float] = {}
    with image_host() as host:
        figures["bare loop, photos/s"] = bare_loop(host, photos)
        for kind in ("sqlite", "postgres"):
            rate, _ = worker(kind, host, photos, CORES, progress)
            again = bare_loop(host, photos)
            bare = (figures["bare loop, photos/s"] + again) / 2
            figures[f"worker on {kind}, photos/s"] = rate
            figures[f"worker on {kind} / bare loop"] = rate / bare
            figures["bare loop, photos/s"] = again
    return figures


def measure_waiting(photos: int, progress: Progress) -> dict[str, float]:
    """The worker with an image host that takes its time and more pool processes, against the same without the wait."""
    with image_host() as prompt, image_host(HOST_WAIT_SECONDS) as slow:
        without, _ = worker("postgres", prompt, photos, CORES, progress)
        waiting, pss = worker("postgres", slow, photos, WAITING_CHILDREN, progress)
    return {
        "prompt host, photos/s": without,
        f"host waiting {HOST_WAIT_SECONDS:g} s, {WAITING_CHILDREN} children, photos/s": waiting,
        "waiting / prompt": waiting / without,
        f"memory of {WAITING_CHILDREN} children and their parent, PSS, MiB": pss,
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


def worker(kind: str, host: str, photos: int, children: int, progress: Progress) -> tuple[float, float]:
    """Drain a filled queue with one Celery worker; photos a second, and its memory (PSS, MiB) near the end."""
    with valkey() as broker, database(kind) as url, _filled(broker, url, host, photos) as engine:
        environment = {
            "RETAKE_BROKER_URL": broker,
            "RETAKE_DATABASE_URL": url,
            "RETAKE_IMAGE_PRIVATE_HOSTS": host,
            "RETAKE_NOTIFY_URL": "http://127.0.0.1:9/",
            "RETAKE_NOTIFY_SECRET": SECRET,
            "RETAKE_CONCURRENCY": str(children),
        }
        with retake("worker", environment) as pid:
            pss = _follow(engine, photos, pid, progress, f"worker on {kind}, {children} children")
        return _rate(engine), pss


@contextmanager
def _filled(broker: str, url: str, host: str, photos: int) -> Iterator[Engine]:
    """A database with received photos, and a broker with their tasks."""
    engine = make_engine(url)
    schema.upgrade(engine)
    events = [
        new_event(ad_id=f"ad{n}", image_id=f"ad{n}-1", seller_id="s", image_url=f"http://{host}/{n}")
        for n in range(photos)
    ]
    with engine.begin() as connection:
        keys = images.receive(connection, events, now=utc_now(), requeue_after=timedelta(hours=1))
    app = make_app(Settings(broker_url=broker))  # type: ignore[arg-type]
    with app.producer_or_acquire() as producer:
        for key in keys:
            qualify.apply_async((key,), producer=producer)
    app.close()
    yield engine
    engine.dispose()


def _follow(engine: Engine, photos: int, pid: int, progress: Progress, title: str) -> float:
    task = progress.add_task(title, total=photos)
    finished, pss = 0, 0.0
    while finished < photos:
        time.sleep(POLL_SECONDS)
        with autocommit(engine) as connection:
            finished = connection.scalar(select(func.count()).where(Image.finished_at.is_not(None))) or 0
        if finished < photos:
            pss = _pss(pid)
        progress.update(task, completed=finished)
    return pss


def _rate(engine: Engine) -> float:
    """Photos a second between the end of the warm-up and the last photo, by the times that the rows hold."""
    with autocommit(engine) as connection:
        times = list(connection.scalars(select(Image.finished_at).order_by(Image.finished_at)))[WARM_UP:]
    assert times[0] is not None
    assert times[-1] is not None
    return (len(times) - 1) / (times[-1] - times[0]).total_seconds()


def _pss(pid: int) -> float:
    parent = psutil.Process(pid)
    total = 0
    for process in (parent, *parent.children(recursive=True)):
        total += process.memory_full_info().pss
    return total / MEBIBYTE


def _bare_process(host: str, first: int, photos: int, ready: object, start: object) -> None:
    fetcher = Fetcher(FetchPolicy(private_hosts=frozenset({host})))
    judge = Judge()
    judge.judge(decode(fetcher.fetch(f"http://{host}/warm-up-{first}")).image)
    ready.wait()  # type: ignore[attr-defined]
    start.wait()  # type: ignore[attr-defined]
    for n in range(first, first + photos):
        judge.judge(decode(fetcher.fetch(f"http://{host}/{n}")).image)
