"""`retake rescore` with a live worker: uploads go first, and `retake compare` shows what the second model said."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from deployment import Deployment, deployed, eventually
from pydantic import SecretStr
from rows import an_event, content_score, receive, received_and_claimed
from scripted_host import ScriptedHost, answer
from sqlalchemy import select

from models.judge import Judge
from models.location import DEFAULT_MODEL
from tasks import images, scores
from tasks.clock import utc_now
from tasks.database import autocommit
from tasks.rescore import ModelFile
from tasks.tables import Image, ImageState, Notification, Score
from worker.celery_app import make_app
from worker.demo.photos import SAMPLE
from worker.rescore.feed import feed
from worker.settings import Settings

pytestmark = pytest.mark.timeout(300)

STORED, UPLOADED = 20, 5


@pytest.fixture
def second_model(tmp_path: Path) -> Path:
    """A model of another name that says the same: what follows the last byte is not read."""
    file = tmp_path / "second.tflite"
    file.write_bytes(DEFAULT_MODEL.read_bytes() + b"\0")
    return file


@pytest.fixture
def host() -> Iterator[ScriptedHost]:
    photo = SAMPLE.read_bytes()
    names = [f"/stored-{n}" for n in range(STORED)] + [f"/uploaded-{n}" for n in range(UPLOADED)]
    with ScriptedHost({name: answer(photo + name.encode()) for name in names}) as host:
        yield host


@pytest.fixture
def deployment(tmp_path: Path, sqlite_url: str, valkey_url: str, host: ScriptedHost) -> Iterator[Deployment]:
    with deployed(
        tmp_path,
        sqlite_url,
        valkey_url,
        IMAGE_PRIVATE_HOSTS=host.address,
        CONCURRENCY="1",
    ) as deployment:
        yield deployment


@pytest.fixture
def app(valkey_url: str) -> Celery:
    return make_app(Settings(broker_url=SecretStr(valkey_url)))


def store_scored_photos(deployment: Deployment, host: ScriptedHost) -> None:
    model = Judge().model
    for n in range(STORED):
        name = f"stored-{n}"
        image = received_and_claimed(deployment.engine, utc_now(), name, image_url=host.url(f"/{name}"))
        with deployment.engine.begin() as connection:
            images.finish(connection, image, ImageState.SCORED, now=utc_now())
            scores.record(connection, image.pk, content_score(4.0, bytes([n] * 32), model), now=utc_now())


def command(deployment: Deployment, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "worker", *arguments, "--json"],
        env=os.environ | deployment.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def with_a_score_by(deployment: Deployment, model: str) -> set[str]:
    statement = select(Image.image_id).join(Score, Score.image_pk == Image.id).where(Score.model == model)
    with autocommit(deployment.engine) as connection:
        return set(connection.scalars(statement))


def test_photos_get_a_second_score_after_all_uploads_and_nobody_a_request(
    deployment: Deployment, app: Celery, host: ScriptedHost, second_model: Path
) -> None:
    second = Judge(second_model).model
    store_scored_photos(deployment, host)
    assert sum(feed(app, deployment.engine, ModelFile(str(second_model), second))) == STORED
    events = [an_event(f"uploaded-{n}", image_url=host.url(f"/uploaded-{n}")) for n in range(UPLOADED)]
    for pk in receive(deployment.engine, utc_now(), *events):
        app.send_task("retake.qualify", (pk,))

    with deployment.running("worker"):
        eventually(lambda: len(with_a_score_by(deployment, second)) == STORED)
        asked = [head.split()[1] for head in host.requests]
        assert asked[:UPLOADED] == [f"/uploaded-{n}" for n in range(UPLOADED)]
        assert sorted(asked[UPLOADED:]) == sorted(f"/stored-{n}" for n in range(STORED))

        done = command(deployment, "rescore", "--model", str(second_model), "--yes")
        assert done == {"model": second, "wanted": UPLOADED, "left": 0}
    found = command(deployment, "compare", str(DEFAULT_MODEL), str(second_model))
    assert (found["second"], found["photos"]) == (second, STORED + UPLOADED)
    with autocommit(deployment.engine) as connection:
        assert connection.scalar(select(Notification.id)) is None
