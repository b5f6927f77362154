"""Real processes on both databases: publish through the stream, receive the signed webhook; and kill some of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployment import PATIENCE, Deployment, deployed, eventually
from redis import Redis
from rows import an_event
from scripted_host import ScriptedHost, answer
from sqlalchemy import func, select

from tasks.database import autocommit
from tasks.tables import Image, Notification
from worker.demo.photos import SAMPLE, Photo, sample_photos
from worker.demo.webhook_sink import WebhookSink
from worker.publish import Publisher

BAD = next(photo for photo in sample_photos() if photo.name == "dark")


def bytes_of(photo: Photo) -> bytes:
    data = photo.read()
    assert data is not None
    return data


@pytest.fixture
def host() -> Iterator[ScriptedHost]:
    with ScriptedHost({"/good": answer(SAMPLE.read_bytes()), "/bad": answer(bytes_of(BAD))}) as host:
        yield host


@pytest.fixture
def deployment(
    tmp_path: Path, database_url: str, valkey_url: str, host: ScriptedHost, sink: WebhookSink
) -> Iterator[Deployment]:
    with deployed(
        tmp_path,
        database_url,
        valkey_url,
        IMAGE_PRIVATE_HOSTS=host.address,
        NOTIFY_URL=sink.url,
        NOTIFY_SECRET=sink.secret,
        CONCURRENCY="2",
        SWEEP_EVERY="0.5",
        REQUEUE_AFTER="2",
        IMAGE_TOTAL_TIMEOUT="2.9",
        NOTIFY_TIMEOUT="2",
        TASK_SOFT_TIME_LIMIT="3",
        TASK_TIME_LIMIT="4",
        LEASE="5",
    ) as deployment:
        yield deployment


@pytest.fixture
def publisher(valkey_url: str) -> Iterator[Publisher]:
    with Publisher(valkey_url) as publisher:
        yield publisher


def test_an_upload_becomes_a_signed_retake_request(
    deployment: Deployment, publisher: Publisher, host: ScriptedHost, sink: WebhookSink
) -> None:
    publisher.publish(an_event("ad1-1", image_url=host.url("/good")))
    publisher.publish(an_event("ad2-1", image_url=host.url("/bad")))
    publisher.publish(an_event("ad3-1", image_url=host.url("/missing")))
    publisher.publish(an_event("ad4-1", image_url="http://169.254.169.254/latest/meta-data"))
    with deployment.running("ingest", "worker", "beat"):
        eventually(lambda: len(sink.requests) == 1 and "received" not in deployment.states().values())
    assert deployment.states() == {"ad1-1": "scored", "ad2-1": "scored", "ad3-1": "unreachable", "ad4-1": "unreachable"}
    [event] = sink.requests.values()
    assert event["type"] == "ad.photo.retake_requested"
    assert event["data"]["image_id"] == "ad2-1"
    assert "too_dark" in {reason["code"] for reason in event["data"]["reasons"]}
    assert sink.refused == []


def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(
    deployment: Deployment, publisher: Publisher, host: ScriptedHost, sink: WebhookSink
) -> None:
    photo = answer(bytes_of(BAD))

    def slowly(sock: object) -> None:
        host.pause(2)
        sock.sendall(photo)  # type: ignore[attr-defined]

    host.routes["/slow"] = slowly
    for n in range(4):
        publisher.publish(an_event(f"ad{n}-1", image_url=host.url("/slow")))
    with deployment.running("ingest", "beat"):
        with deployment.running("worker") as [worker]:
            eventually(lambda: len(host.requests) >= 2)
            worker.send_signal(signal.SIGKILL)
        with deployment.running("worker"):
            eventually(lambda: len(sink.requests) == 4)
    assert set(deployment.states().values()) == {"scored"}
    with autocommit(deployment.engine) as connection:
        assert connection.scalar(select(func.count()).select_from(Notification)) == 4
        assert max(connection.scalars(select(Image.attempts))) >= 2, "the killed worker's photos were tried again"


def test_a_message_that_the_broker_lost_is_found(
    deployment: Deployment, publisher: Publisher, host: ScriptedHost, valkey_url: str
) -> None:
    publisher.publish(an_event(image_url=host.url("/good")))
    with deployment.running("ingest"):
        eventually(lambda: deployment.states() == {"ad1-1": "received"})
        eventually(lambda: Redis.from_url(valkey_url).delete("retake.images") == 1)
    with deployment.running("beat", "worker"):
        eventually(lambda: deployment.states() == {"ad1-1": "scored"})


def test_processes_that_cannot_work_say_why_and_end(deployment: Deployment) -> None:
    def ended(command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "worker", command],
            env=os.environ | deployment.environment | settings,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    for settings, said in (
        ({"RETAKE_THRESHOLD": "7"}, "RETAKE_THRESHOLD"),
        ({"RETAKE_NOTIFY_SECRET": "hunter2"}, "RETAKE_NOTIFY_SECRET"),
        ({"RETAKE_MODEL": __file__}, __file__),
        ({"RETAKE_DATABASE_URL": f"sqlite:///{deployment.folder}/empty.db"}, "retake migrate"),
    ):
        result = ended("worker", **settings)
        assert result.returncode in {1, 2}
        [line] = [line for line in result.stderr.splitlines() if line.startswith("retake: ")]
        assert said in line
        assert "Traceback" not in result.stderr
        assert "hunter2" not in result.stderr
