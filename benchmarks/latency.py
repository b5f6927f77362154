"""From the upload event to the signed webhook: with every process and server of the pipeline on one machine."""

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import quantiles

from rich.progress import Progress
from sqlalchemy import Engine

from benchmarks.servers import database, image_host, retake, valkey
from benchmarks.worker_path import CORES, SECRET, WARM_UP, rate, wait_for, worker_environment
from tasks import schema
from tasks.database import make_engine
from tasks.events import new_event
from worker.demo.webhook_sink import WebhookSink
from worker.publish import Publisher

SECONDS_MORE = 60
"""How long the next webhook is waited for."""


class TimedSink(WebhookSink):
    """Notes when the request for each photo arrives."""

    def __init__(self, secret: str) -> None:
        super().__init__(secret)
        self.arrived: dict[str, float] = {}

    def take(self, headers: dict[str, str], body: bytes) -> bool:
        """Verify a request, and note the time."""
        now = time.perf_counter()
        taken = super().take(headers, body)
        if taken:
            self.arrived.setdefault(json.loads(body)["data"]["image_id"], now)
        return taken


def measure_throughput(photos: int, progress: Progress) -> dict[str, float]:
    """Photos a second from a filled stream to stored scores, ingest and all."""
    with _pipeline(RETAKE_THRESHOLD="0") as pipeline:
        pipeline.publish(range(photos))
        with pipeline.processes():
            task = progress.add_task("from the stream to the score", total=photos)
            for done in wait_for(pipeline.engine, photos):
                progress.update(task, completed=done)
        return {"end to end, photos/s": rate(pipeline.engine)}


def measure_requests(photos: int, progress: Progress) -> dict[str, float]:
    """Webhooks a second from a filled stream on, ingest and all; every photo gets a request."""
    with _pipeline(RETAKE_THRESHOLD="5") as pipeline:
        pipeline.publish(range(photos))
        with pipeline.processes():
            task = progress.add_task("from the stream to the webhook", total=photos)
            for done in pipeline.wait(photos):
                progress.update(task, completed=done)
        times = sorted(pipeline.sink.arrived.values())
    return {"requests received / photos": len(times) / photos, "webhooks/s": (len(times) - 1) / (times[-1] - times[0])}


def measure_latency(photos: int, per_second: float, progress: Progress) -> dict[str, float]:
    """Seconds from publishing an event to receiving its webhook, at a steady load; every photo gets a request."""
    with _pipeline(RETAKE_THRESHOLD="5") as pipeline, pipeline.processes():
        pipeline.publish(range(-WARM_UP, 0))
        deque(pipeline.wait(WARM_UP), maxlen=0)
        task = progress.add_task(f"a photo every {1000 / per_second:.0f} ms", total=photos)
        start = time.perf_counter()
        published: dict[str, float] = {}
        for number in range(photos):
            time.sleep(max(0.0, start + number / per_second - time.perf_counter()))
            published[f"ad{number}-1"] = time.perf_counter()
            pipeline.publish([number])
            progress.update(task, completed=number)
        deque(pipeline.wait(WARM_UP + photos), maxlen=0)
        waits = [pipeline.sink.arrived[name] - at for name, at in published.items() if name in pipeline.sink.arrived]
    cuts = quantiles(waits, n=100)
    return {
        "load, photos/s": per_second,
        "requests received / photos": len(waits) / photos,
        "event to webhook, median, s": cuts[49],
        "event to webhook, p95, s": cuts[94],
        "event to webhook, p99, s": cuts[98],
    }


class _Pipeline:
    """Valkey, PostgreSQL, an image host, a sink, and the environment of the processes between them."""

    def __init__(self, engine: Engine, sink: TimedSink, publisher: Publisher, environment: dict[str, str]) -> None:
        self.engine, self.sink, self._publisher, self._environment = engine, sink, publisher, environment
        self._host = environment["RETAKE_IMAGE_PRIVATE_HOSTS"]

    def publish(self, numbers: Iterable[int]) -> None:
        for n in numbers:
            url = f"http://{self._host}/{abs(n)}"
            event = new_event(ad_id=f"ad{n}", image_id=f"ad{n}-1", seller_id="s", image_url=url)
            self._publisher.publish(event)

    @contextmanager
    def processes(self) -> Iterator[None]:
        with ExitStack() as stack:
            for command in ("ingest", "worker", "beat"):
                stack.enter_context(retake(command, self._environment))
            yield

    def wait(self, requests: int) -> Iterator[int]:
        """Give the number of webhooks received until there are so many, or none more comes."""
        received, deadline = -1, time.perf_counter() + SECONDS_MORE
        while received < requests and time.perf_counter() < deadline:
            if len(self.sink.arrived) > received:
                received, deadline = len(self.sink.arrived), time.perf_counter() + SECONDS_MORE
            yield received
            time.sleep(0.05)


@contextmanager
def _pipeline(**settings: str) -> Iterator[_Pipeline]:
    with (
        valkey() as broker,
        database("postgres") as url,
        image_host() as host,
        TimedSink(SECRET) as sink,
        Publisher(broker) as publisher,
    ):
        engine = make_engine(url)
        schema.upgrade(engine)
        environment = worker_environment(
            broker, url, host, **{"RETAKE_NOTIFY_URL": sink.url, "RETAKE_CONCURRENCY": str(CORES), **settings}
        )
        yield _Pipeline(engine, sink, publisher, environment)
        engine.dispose()
