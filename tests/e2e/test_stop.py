"""Workers that are stopped and replaced while they work."""

import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import socket

import psutil
import pytest
from deployment import PATIENCE, Deployment, deployed, end, eventually
from rows import an_event
from scripted_host import ScriptedHost, answer

from worker.demo.photos import SAMPLE
from worker.demo.webhook_sink import WebhookSink
from worker.publish import Publisher

pytestmark = pytest.mark.timeout(600)

PHOTO = answer(SAMPLE.read_bytes())
WORKERS = ("worker-0", "worker-1", "worker-2")  # in the order in which one follows the other
SHORT_LEASE = {
    "RETAKE_IMAGE_TOTAL_TIMEOUT": "7",
    "RETAKE_NOTIFY_TIMEOUT": "7",
    "RETAKE_TASK_SOFT_TIME_LIMIT": "8",
    "RETAKE_TASK_TIME_LIMIT": "9",
    "RETAKE_LEASE": "10",
    "RETAKE_SOFT_SHUTDOWN_TIMEOUT": "0.5",
}
WAITING = 8  # photos: as many as one worker takes in advance


class Held:
    """A photo that whoever asks first waits for in vain."""

    def __init__(self, host: ScriptedHost) -> None:
        self.host, self.asked = host, threading.Event()

    def __call__(self, sock: socket) -> None:
        if not self.asked.is_set():
            self.asked.set()
            self.host.pause(PATIENCE)
        sock.sendall(PHOTO)


@pytest.fixture
def host() -> Iterator[ScriptedHost]:
    """Takes a second for each photo, so that every worker has some in hand."""

    def slowly(sock: socket) -> None:
        slow_host.pause(1)
        sock.sendall(PHOTO)

    with ScriptedHost({"/slow": slowly}) as slow_host:
        yield slow_host


@pytest.fixture
def deployment(
    tmp_path: Path, postgres_url: str, valkey_url: str, host: ScriptedHost, sink: WebhookSink
) -> Iterator[Deployment]:
    with deployed(
        tmp_path,
        postgres_url,
        valkey_url,
        IMAGE_PRIVATE_HOSTS=host.address,
        NOTIFY_URL=sink.url,
        NOTIFY_SECRET=sink.secret,
        THRESHOLD="5",  # every photo calls for a request
        CONCURRENCY="2",
        SWEEP_EVERY="0.5",
        REQUEUE_AFTER="2",
        LOG_FORMAT="json",
    ) as deployment:
        yield deployment


@contextmanager
def uploads(valkey_url: str, host: ScriptedHost) -> Iterator[list[str]]:
    """Publish photos inside the block, so that some always wait; gives their ids."""
    published: list[str] = []
    stop = threading.Event()

    def publish() -> None:
        with Publisher(valkey_url) as publisher:
            while not stop.wait(0.05):
                if len(published) < len(host.requests) + WAITING:
                    published.append(f"ad{len(published)}-1")
                    publisher.publish(an_event(published[-1], image_url=host.url("/slow")))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield published
    finally:
        stop.set()
        thread.join()


def times_scored(deployment: Deployment, *names: str) -> Counter[str]:
    lines = [line for name in names for line in deployment.log(name).splitlines() if '"image.scored"' in line]
    return Counter(json.loads(line)["image_id"] for line in lines)


def test_a_rolling_restart_under_load_loses_nothing_and_repeats_nothing(
    deployment: Deployment, host: ScriptedHost, sink: WebhookSink, valkey_url: str
) -> None:
    with deployment.running("ingest", "beat"), ExitStack() as workers:
        with uploads(valkey_url, host) as published:
            old = None
            for name in WORKERS:
                [new] = workers.enter_context(deployment.running(name))
                eventually(lambda name=name: "image.scored" in deployment.log(name))  # type: ignore[misc]
                if old is not None:
                    old.send_signal(signal.SIGTERM)
                    assert old.wait(PATIENCE) == 0
                old = new
        eventually(lambda: Counter(deployment.states().values()) == {"scored": len(published)})
        eventually(lambda: deployment.open_requests() == 0)
    once = dict.fromkeys(published, 1)
    assert {image_id: photo.attempts for image_id, photo in deployment.photos().items()} == once
    assert times_scored(deployment, *WORKERS) == once
    assert Counter(event["data"]["image_id"] for event in sink.requests.values()) == once


def test_workers_that_are_not_left_the_time_to_stop_lose_nothing(
    deployment: Deployment, host: ScriptedHost, sink: WebhookSink, valkey_url: str
) -> None:
    deployment.environment |= SHORT_LEASE
    with deployment.running("ingest", "beat"), Publisher(valkey_url) as publisher:
        for number, second in enumerate((signal.SIGQUIT, signal.SIGKILL)):
            host.routes[f"/{number}"] = held = Held(host)
            with deployment.running(name := WORKERS[number]) as [worker]:
                publisher.publish(an_event(f"ad{number}-1", image_url=host.url(f"/{number}")))
                eventually(held.asked.is_set)
                worker.send_signal(signal.SIGTERM)
                eventually(lambda name=name: "Warm shutdown" in deployment.log(name))  # type: ignore[misc]
                stop_at_once(worker, second)
        with deployment.running(WORKERS[-1]):
            eventually(lambda: set(deployment.states().values()) == {"scored"} and deployment.open_requests() == 0)
    assert all(it.attempts > 1 and not it.failures for it in deployment.photos().values()), "each was cut short"
    assert times_scored(deployment, *WORKERS) == {"ad0-1": 1, "ad1-1": 1}
    assert Counter(event["data"]["image_id"] for event in sink.requests.values()) == {"ad0-1": 1, "ad1-1": 1}


def stop_at_once(worker: psutil.Popen, number: signal.Signals) -> None:
    if number is signal.SIGKILL:
        end(worker)  # and its pool processes, as a container's end does
    else:
        worker.send_signal(number)
        worker.wait(PATIENCE)
