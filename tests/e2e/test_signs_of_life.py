"""Real processes: their heartbeats, their metrics, and what a stop does to the work in hand."""

import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from deployment import Deployment, deployed, eventually
from pydantic import SecretStr
from real_servers import free_port
from rows import an_event, receive
from scripted_host import ScriptedHost, answer

from tasks.clock import utc_now
from worker.celery_app import make_app
from worker.demo.photos import SAMPLE
from worker.publish import Publisher
from worker.settings import Settings

pytestmark = pytest.mark.timeout(300)

PHOTO = answer(SAMPLE.read_bytes())
# One series of each process that has metrics, and its value once one photo is scored.
COUNTED = {
    "ingest": 'retake_events_total{code="",result="new"} 1.0',
    "worker": 'retake_image_attempts_total{code="",state="scored"} 1.0',
    "exporter": "retake_stream_entries 0.0",
}

Deploy = Callable[[str], Deployment]


class Held:
    """A photo that its host hands out only when it is let go."""

    def __init__(self) -> None:
        self.asked, self.let_go = threading.Event(), threading.Event()

    def __call__(self, sock: socket.socket) -> None:
        self.asked.set()
        self.let_go.wait()
        sock.sendall(PHOTO)


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.let_go.set()


@pytest.fixture
def host(held: Held) -> Iterator[ScriptedHost]:
    with ScriptedHost({"/fast.jpg": PHOTO, "/held.jpg": held}) as host:
        yield host


@pytest.fixture
def deploy(tmp_path: Path, sqlite_url: str, valkey_url: str, host: ScriptedHost) -> Iterator[Deploy]:
    """A deployment for each process, for each has its own heartbeat and port."""
    with ExitStack() as stack:

        def deploy(name: str) -> Deployment:
            return stack.enter_context(
                deployed(
                    tmp_path,
                    sqlite_url,
                    valkey_url,
                    IMAGE_PRIVATE_HOSTS=host.address,
                    CONCURRENCY="1",
                    HEARTBEAT_FILE=str(tmp_path / f"{name}.heartbeat"),
                    METRICS_PORT=str(free_port()),
                )
            )

        yield deploy


def shows(deployment: Deployment, series: str) -> bool:
    url = f"http://127.0.0.1:{deployment.environment['RETAKE_METRICS_PORT']}/metrics"
    with urllib.request.urlopen(url) as response:
        return series in response.read().decode().splitlines()


def heartbeat(deployment: Deployment) -> Path:
    return Path(deployment.environment["RETAKE_HEARTBEAT_FILE"])


def test_every_process_beats_counts_and_ends_when_it_is_told_to(
    deploy: Deploy, host: ScriptedHost, valkey_url: str
) -> None:
    deployments = {name: deploy(name) for name in (*COUNTED, "beat")}
    with ExitStack() as stack:
        processes = {name: stack.enter_context(one.running(name))[0] for name, one in deployments.items()}
        with Publisher(valkey_url) as publisher:
            publisher.publish(an_event(image_url=host.url("/fast.jpg")))
        eventually(lambda: deployments["worker"].states() == {"ad1-1": "scored"})
        for file in (files := [heartbeat(one) for one in deployments.values()]):
            eventually(file.exists)
            os.utime(file, (0, 0))
        for name, series in COUNTED.items():
            eventually(partial(shows, deployments[name], series))
        assert shows(deployments["worker"], 'retake_stage_duration_seconds_count{stage="fetch"} 1.0')
        eventually(lambda: all(file.stat().st_mtime > 0 for file in files))
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        assert {name: process.wait(60) for name, process in processes.items()} == dict.fromkeys(processes, 0)


def test_a_worker_that_is_told_to_stop_finishes_what_it_has_begun_and_begins_nothing(
    deploy: Deploy, host: ScriptedHost, held: Held, valkey_url: str
) -> None:
    deployment, app = deploy("worker"), make_app(Settings(broker_url=SecretStr(valkey_url)))
    events = [an_event("ad1-1", image_url=host.url("/held.jpg")), an_event("ad2-1", image_url=host.url("/fast.jpg"))]
    begun, late = receive(deployment.engine, utc_now(), *events)
    with deployment.running("worker") as [worker]:
        app.send_task("retake.qualify", (begun,))
        eventually(held.asked.is_set)
        worker.send_signal(signal.SIGTERM)
        worker.send_signal(signal.SIGTERM)
        eventually(lambda: "Warm shutdown" in deployment.log("worker"))
        app.send_task("retake.qualify", (late,))
        held.let_go.set()
        assert worker.wait(60) == 0
    assert deployment.states() == {"ad1-1": "scored", "ad2-1": "received"}
    assert [photo.attempts for photo in deployment.photos().values()] == [1, 0]
