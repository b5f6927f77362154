"""Photos that take their process down, hang it or fill its memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from deployment import Deployment, deployed, end, eventually
from rows import an_event
from scripted_host import ScriptedHost, answer

from worker.demo.photos import SAMPLE
from worker.publish import Publisher

POISONS = {"abort": "worker_lost", "hang": "time_limit", "slow": "time_limit", "memory": "out_of_memory"}
ATTEMPTS = 2
POISONED_WORKER = str(Path(__file__).parent.parent / "support" / "poisoned_worker.py")


def marked(mark: str) -> bytes:
    """The sample photo with a comment."""
    photo, comment = SAMPLE.read_bytes(), mark.encode()
    return photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]


@pytest.fixture
def host() -> Iterator[ScriptedHost]:
    names = [*POISONS, *(f"good{number}" for number in range(12))]
    with ScriptedHost({f"/{name}": answer(marked(f"poison:{name}")) for name in names}) as host:
        yield host


@pytest.fixture
def deployment(tmp_path: Path, postgres_url: str, valkey_url: str, host: ScriptedHost) -> Iterator[Deployment]:
    with deployed(
        tmp_path,
        postgres_url,
        valkey_url,
        IMAGE_PRIVATE_HOSTS=host.address,
        CONCURRENCY="3",
        SWEEP_EVERY="0.5",
        REQUEUE_AFTER="2",
        IMAGE_TOTAL_TIMEOUT="3",
        NOTIFY_TIMEOUT="3",
        TASK_SOFT_TIME_LIMIT="4",
        TASK_TIME_LIMIT="6",
        LEASE="20",
        CRASH_LIMIT=str(ATTEMPTS),
        LOG_FORMAT="json",
    ) as deployment:
        yield deployment


@pytest.mark.timeout(500)
def test_poison_fails_with_its_reason_and_holds_up_nobody(
    deployment: Deployment, host: ScriptedHost, valkey_url: str
) -> None:
    names = [*POISONS, *(f"good{number}" for number in range(12))]
    with Publisher(valkey_url) as publisher:
        for name in names:
            publisher.publish(an_event(f"{name}-1", image_url=host.url(f"/{name}")))
    worker = deployment.start("worker", POISONED_WORKER)
    try:
        with deployment.running("ingest", "beat"):
            eventually(lambda: len(deployment.states()) == len(names), patience=200)
            eventually(lambda: "received" not in deployment.states().values(), patience=200)
    finally:
        end(worker)
    photos = deployment.photos()
    ends = {name: (photos[f"{name}-1"].state, photos[f"{name}-1"].error_code) for name in names}
    assert ends == {name: ("failed", POISONS[name]) if name in POISONS else ("scored", None) for name in names}
    assert {photos[f"{name}-1"].attempts for name in POISONS} == {ATTEMPTS + 1}, "the last one finds that it is enough"
    by_end = sorted(photos.values(), key=lambda row: str(row.finished_at))
    assert {row.image_id for row in by_end[:12]} == {f"good{number}-1" for number in range(12)}, (
        "none waited for poison"
    )
