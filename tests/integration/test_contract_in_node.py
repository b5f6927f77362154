"""The contract as others see it: npm's AsyncAPI parser, and the examples of ops/examples run for real."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from redis import Redis

from models.reasons import TIPS, ReasonCode
from tasks.events import parse_event
from tasks.webhook import Delivery, RetakeRequest, WebhookSender, new_webhook_id, to_body

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "ops/examples"
PROJECT = Path(__file__).parent / "node"
CACHE = REPOSITORY / "build/node"
SECRET = "whsec_" + base64.b64encode(b"0" * 32).decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"1" * 32).decode()


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up(f"{name} is not installed: the Node.js side of the contract was not tested")
    return path


@pytest.fixture(scope="session")
def node_project() -> Path:
    """The packages of the lock file, installed once for each state of it, without running their scripts."""
    CACHE.mkdir(parents=True, exist_ok=True)
    lock = (PROJECT / "package-lock.json").read_bytes()
    stamp = CACHE / "installed"
    with (CACHE / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != sha256(lock).hexdigest():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(str(PROJECT / name), CACHE)
            subprocess.run([program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=CACHE, check=True)
            stamp.write_text(sha256(lock).hexdigest())
    return CACHE


@pytest.fixture
def node(node_project: Path, tmp_path: Path) -> Callable[[Path], list[str]]:
    """Give the command that runs a script beside the installed packages, where Node.js looks for them."""
    (tmp_path / "node_modules").symlink_to(node_project / "node_modules")

    def command(script: Path) -> list[str]:
        return [program("node"), str(shutil.copy(script, tmp_path))]

    return command


@pytest.fixture(params=["receive.mjs", "receive.py"])
def receiver(request: pytest.FixtureRequest) -> list[str]:
    script = EXAMPLES / request.param
    if script.suffix == ".py":
        return [sys.executable, str(script)]
    return list(request.getfixturevalue("node")(script))


@contextmanager
def running(command: list[str]) -> Iterator[tuple[str, Callable[[], str]]]:
    """Start a receiver; give its URL and a function that waits for its next line of output."""
    environment = os.environ | {"PORT": "0", "RETAKE_NOTIFY_SECRET": SECRET}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = process.stdout.readline().removeprefix("listening on ").strip()
            yield f"http://127.0.0.1:{port}/", process.stdout.readline
        finally:
            process.terminate()


@contextmanager
def sending(url: str, *secrets: str) -> Iterator[WebhookSender]:
    sender = WebhookSender(url, secrets)
    yield sender
    sender.close()


def a_request(seller_id: str = "s-77") -> RetakeRequest:
    return RetakeRequest(
        webhook_id=new_webhook_id(),
        ad_id="981234",
        image_id="981234-1",
        seller_id=seller_id,
        image_url="https://img.example.com/фото.jpg",
        score=1.27,
        stars=1,
        threshold=2.5,
        reasons=(ReasonCode.TOO_DARK, ReasonCode.BLURRY),
        model="quality@0123456789ab",
        scored_at=datetime(2026, 11, 23, 10, 15, 2, tzinfo=UTC),
        traceparent=None,
    )


def test_the_asyncapi_document_is_valid(node: Callable[[Path], list[str]]) -> None:
    command = [*node(PROJECT / "validate.mjs"), str(REPOSITORY / "ops/asyncapi.yaml")]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert answer["channels"] == ["ad-images", "/"]
    assert answer["diagnostics"] == []


def test_a_broken_document_is_noticed(node: Callable[[Path], list[str]], tmp_path: Path) -> None:
    text = (REPOSITORY / "ops/asyncapi.yaml").read_text()
    broken = tmp_path / "broken.yaml"
    broken.write_text(text.replace("action: send", "action: tell"))
    assert broken.read_text() != text
    command = [*node(PROJECT / "validate.mjs"), str(broken)]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert ["operations", "sendRetakeRequested", "action"] in [each["path"] for each in answer["diagnostics"]]


@pytest.mark.parametrize("replaces", [None, "981234-0"])
def test_an_event_published_from_node_is_valid(
    node: Callable[[Path], list[str]], valkey_url: str, replaces: str | None
) -> None:
    arguments = ["981234", "981234-1", "s-77", "https://img.example.com/1.jpg", *filter(None, [replaces])]
    environment = os.environ | {"RETAKE_STREAM_URL": valkey_url, "RETAKE_STREAM": "uploads"}
    command = [*node(EXAMPLES / "publish.mjs"), *arguments]
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    with Redis.from_url(valkey_url) as stream:
        ((entry, fields),) = stream.xrange("uploads")
    event = parse_event(fields[b"event"])
    assert said.split() == [event.id, entry.decode()]
    assert (event.data.ad_id, event.data.image_id, event.data.seller_id) == ("981234", "981234-1", "s-77")
    assert (event.data.image_url, event.data.replaces) == ("https://img.example.com/1.jpg", replaces)


def test_the_receiver_takes_a_request_once(receiver: list[str]) -> None:
    request, next_one = a_request(), a_request("s-78")
    with running(receiver) as (url, next_line), sending(url, SECRET) as sender:
        for each in (request, request, next_one):
            assert sender.send(each.webhook_id, to_body(each)) == Delivery("delivered", 204)
        tips = f"{TIPS[ReasonCode.TOO_DARK]} {TIPS[ReasonCode.BLURRY]}"
        assert next_line() == f"s-77: please retake photo 981234-1. {tips}\n"
        assert next_line().startswith("s-78: ")


def test_the_receiver_refuses_who_does_not_know_the_secret(receiver: list[str]) -> None:
    request = a_request()
    with running(receiver) as (url, _), sending(url, OTHER_SECRET) as sender:
        assert sender.send(request.webhook_id, to_body(request)) == Delivery("retry", 401, "http_401")


def test_the_receiver_accepts_either_secret_while_they_rotate(receiver: list[str]) -> None:
    request = a_request()
    with running(receiver) as (url, _), sending(url, OTHER_SECRET, SECRET) as sender:
        assert sender.send(request.webhook_id, to_body(request)).outcome == "delivered"


def test_the_receiver_refuses_what_is_too_long(receiver: list[str]) -> None:
    with running(receiver) as (url, _), sending(url, SECRET) as sender:
        assert sender.send("msg_1", b" " * 20_001).status == 413
