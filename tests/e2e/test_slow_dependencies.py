"""What the worker waits for is slow or broken: the receiver of the requests, or the names of the image hosts."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from threading import Event

import pytest
from deployment import PATIENCE, Deployment, deployed, end, eventually
from rows import an_event
from scripted_host import ScriptedHost, answer

from worker.demo.photos import SAMPLE
from worker.publish import Publisher

pytestmark = pytest.mark.timeout(600)

PROCESSES = 4
HANGING = PROCESSES // 2  # how many of them deliver at once, at most
PHOTOS = 5 * PROCESSES
CODES = {"failing": "dns_failed", "late": "timeout"}  # what is noted of a photo whose host has such a name
DNS_WORKER = str(Path(__file__).parent.parent / "support" / "scripted_dns_worker.py")


@pytest.fixture
def host() -> Iterator[ScriptedHost]:
    """Hands out one photo, and takes requests without ever answering one."""

    def silent(_: socket) -> None:
        silent_host.pause(2 * PATIENCE)

    with ScriptedHost({"/photo": answer(SAMPLE.read_bytes()), "/retake": silent}) as silent_host:
        yield silent_host


@pytest.fixture
def names(tmp_path: Path) -> Path:
    return tmp_path / "hosts"


@pytest.fixture
def deployment(
    tmp_path: Path, sqlite_url: str, valkey_url: str, host: ScriptedHost, names: Path
) -> Iterator[Deployment]:
    with deployed(
        tmp_path,
        sqlite_url,
        valkey_url,
        IMAGE_PRIVATE_HOSTS=f"{host.address} failing.test:{host.port} late.test:{host.port}",
        IMAGE_TOTAL_TIMEOUT="3",
        FETCH_SCHEDULE=" ".join(["0.5"] * PATIENCE),  # never unreachable while the test waits
        NOTIFY_URL=host.url("/retake"),
        NOTIFY_TIMEOUT=f"{2 * PATIENCE}",  # no delivery ends while the test waits
        TASK_SOFT_TIME_LIMIT=f"{2 * PATIENCE + 1}",
        TASK_TIME_LIMIT=f"{2 * PATIENCE + 2}",
        LEASE=f"{2 * PATIENCE + 3}",
        CONCURRENCY=f"{PROCESSES}",
        SWEEP_EVERY="0.5",
        REQUEUE_AFTER="1",
    ) as deployment:
        deployment.environment["TEST_HOSTS"] = str(names)
        yield deployment


def publish(valkey_url: str, urls: dict[str, str]) -> None:
    with Publisher(valkey_url) as publisher:
        for image_id, url in urls.items():
            publisher.publish(an_event(image_id, image_url=url))


def test_a_receiver_that_never_answers_does_not_hold_up_the_photos(
    deployment: Deployment, host: ScriptedHost, valkey_url: str
) -> None:
    deployment.environment["RETAKE_THRESHOLD"] = "5"  # every photo calls for a request
    publish(valkey_url, {f"first{number}-1": host.url("/photo") for number in range(HANGING)})
    with deployment.running("ingest", "beat", "worker"):
        eventually(lambda: posts(host) == HANGING)
        publish(valkey_url, {f"ad{number}-1": host.url("/photo") for number in range(PHOTOS)})
        eventually(lambda: Counter(deployment.states().values()) == {"scored": HANGING + PHOTOS})
    assert posts(host) == HANGING, "the rest was scored while the first requests were still waiting for an answer"
    assert deployment.open_requests() == HANGING + PHOTOS, "none is lost"


def test_requests_that_find_no_free_slot_follow_one_another_without_a_sweep(
    deployment: Deployment, host: ScriptedHost, valkey_url: str
) -> None:
    answers = Event()

    def slow(sock: socket) -> None:
        sock.recv(65536)
        answers.wait(PATIENCE)
        sock.sendall(answer())

    host.routes["/retake"] = slow
    deployment.environment["RETAKE_THRESHOLD"] = "5"  # every photo calls for a request
    publish(valkey_url, {f"ad{number}-1": host.url("/photo") for number in range(PHOTOS)})
    with deployment.running("ingest", "worker"):
        eventually(lambda: Counter(deployment.states().values()) == {"scored": PHOTOS} and posts(host) == HANGING)
        answers.set()
        eventually(lambda: deployment.open_requests() == 0)
    assert posts(host) == PHOTOS


def posts(host: ScriptedHost) -> int:
    return sum(head.startswith("POST") for head in host.requests)


def test_names_that_fail_or_are_answered_late_delay_their_own_photos_alone(
    deployment: Deployment, host: ScriptedHost, names: Path, valkey_url: str
) -> None:
    names.write_text("late.test late\n")
    slow = {f"{name}-1": f"http://{name}.test:{host.port}/photo" for name in CODES}
    good = {f"good{number}-1": host.url("/photo") for number in range(PHOTOS)}
    publish(valkey_url, slow | good)
    with deployment.running("ingest", "beat"), worker_with_names(deployment):
        eventually(lambda: Counter(deployment.states().values()) == {"scored": len(good), "received": len(slow)})
        eventually(lambda: {name: deployment.photos()[f"{name}-1"].error_code for name in CODES} == CODES)
        names.write_text("late.test 127.0.0.1\nfailing.test 127.0.0.1\n")
        eventually(lambda: Counter(deployment.states().values()) == {"scored": len(good) + len(slow)})
    photos = deployment.photos()
    assert {photos[image_id].attempts for image_id in good} == {1}
    assert all(photos[image_id].failures == photos[image_id].attempts - 1 > 0 for image_id in slow)


@contextmanager
def worker_with_names(deployment: Deployment) -> Iterator[None]:
    worker = deployment.start("worker", DNS_WORKER)
    try:
        yield
    finally:
        end(worker)
