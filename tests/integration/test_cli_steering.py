"""The steering commands as ops meet them: exit codes, one-line errors, and nothing done without a yes."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from rows import LEASE, an_event, received_and_claimed, scored
from sqlalchemy import Engine, func, select
from typer.testing import CliRunner, Result

from tasks import dead_letters, images, outbox
from tasks.database import autocommit, make_engine
from tasks.dead_letters import Letter
from tasks.images import Fault
from tasks.tables import DeadLetter, Image, ImageState, Notification, NotificationState
from worker.cli import app
from worker.cli.dead import GivenUp
from worker.cli.notifications import RequestState

Retake = Callable[..., Result]
ODD = b'{"specversion": "1.0", "\xff\x1b[31m'


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    engine = make_engine(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture
def retake(sqlite_url: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Retake:
    for name, value in (("DATABASE_URL", sqlite_url), ("STREAM_URL", valkey_url), ("BROKER_URL", valkey_url)):
        monkeypatch.setenv(f"RETAKE_{name}", value)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    return run


def bury(engine: Engine, *bodies: bytes) -> None:
    with engine.begin() as connection:
        batch = [Letter("ad-images", f"1-{n}", body, "event_not_json", "odd") for n, body in enumerate(bodies)]
        dead_letters.bury(connection, batch, now=datetime.now(UTC))


def give_up(engine: Engine, image_id: str = "ad1-1") -> int:
    now = datetime.now(UTC)
    image = received_and_claimed(engine, now, image_id)
    with engine.begin() as connection:
        images.finish(connection, image, ImageState.UNREACHABLE, now=now, fault=Fault("not_found", "404"))
    return image.pk


def dead_request(engine: Engine) -> int:
    now = datetime.now(UTC)
    image = received_and_claimed(engine, now)
    scored(engine, image, 1.0, now)
    with engine.begin() as connection:
        pk = outbox.write(
            connection, image, "msg_1", "{}", threshold=2.5, now=now, cooldown=timedelta(1), deliver_by=now
        )
        assert pk is not None
        taken = outbox.claim(connection, pk, now=now, lease=LEASE)
        assert taken is not None
        outbox.bury(connection, taken, 500, "http_error")
    return pk


def on_stream(url: str) -> list[bytes]:
    with Redis.from_url(url) as redis:
        return [fields[b"event"] for _, fields in redis.xrange("ad-images")]


def count(engine: Engine, column: object) -> int:
    with autocommit(engine) as connection:
        return int(connection.execute(select(func.count(column))).scalar_one())  # type: ignore[arg-type]


def test_refused_events_are_published_again_byte_for_byte(retake: Retake, engine: Engine, valkey_url: str) -> None:
    bury(engine, ODD, b"two")
    result = retake("dead", "replay", "--all", "--yes", "--json")
    assert json.loads(result.stdout) == {"found": 2, "dry_run": False, "published": 2}
    assert on_stream(valkey_url) == [ODD, b"two"]
    assert retake("dead", "list").stdout == "nothing found\n"
    assert json.loads(retake("dead", "replay", "--all", "--yes", "--json").stdout)["found"] == 0


def test_a_dry_run_and_a_missing_yes_do_nothing(retake: Retake, engine: Engine, valkey_url: str) -> None:
    bury(engine, b"one")
    assert retake("dead", "replay", "--code", "event_not_json", "--dry-run").stdout == "1 refused events to replay\n"
    refused = retake("dead", "replay", "1")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert on_stream(valkey_url) == []
    assert count(engine, DeadLetter.replayed_at) == 0


def test_a_corrected_event_takes_the_place_of_a_refused_one(
    retake: Retake, engine: Engine, valkey_url: str, tmp_path: Path
) -> None:
    bury(engine, b"one")
    path = tmp_path / "event.json"
    path.write_bytes(b"{}")
    assert retake("dead", "replay", "1", "--event", str(path), "--yes").exit_code == 1
    assert on_stream(valkey_url) == []
    path.write_bytes(an_event("ad7-1").to_json())
    assert retake("dead", "replay", "1", "--event", str(path), "--yes").exit_code == 0
    assert len(on_stream(valkey_url)) == count(engine, DeadLetter.replayed_at) == 1
    again = retake("dead", "replay", "1", "--event", str(path), "--yes")
    assert (again.exit_code, len(on_stream(valkey_url))) == (1, 1)


def test_an_id_that_is_not_there_is_named_and_the_others_go_on(retake: Retake, engine: Engine, valkey_url: str) -> None:
    bury(engine, b"one")
    result = retake("dead", "replay", "1", "77", "--yes")
    assert result.exit_code == 1
    assert result.stderr == "retake: not there, or not to be replayed: 77\n"
    assert on_stream(valkey_url) == [b"one"]


def test_a_broker_that_is_away_loses_nothing(retake: Retake, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    bury(engine, b"one")
    monkeypatch.setenv("RETAKE_STREAM_URL", "redis://127.0.0.1:1/0")
    result = retake("dead", "replay", "--all", "--yes")
    assert result.exit_code == 1
    assert result.stderr.startswith("retake: the stream or the broker does not answer")
    assert count(engine, DeadLetter.replayed_at) == 0


def test_a_refused_event_is_shown_harmlessly_or_raw(retake: Retake, engine: Engine) -> None:
    bury(engine, ODD)
    assert "\x1b" not in retake("dead", "show", "1").stdout
    assert retake("dead", "show", "1", "--raw").stdout_bytes == ODD
    assert json.loads(retake("dead", "show", "1", "--json").stdout)["body"] == ODD.decode(errors="backslashreplace")
    assert retake("dead", "show", "2").exit_code == 1


def test_photos_that_were_given_up_are_listed_and_received_again(retake: Retake, engine: Engine) -> None:
    pk = give_up(engine)
    [line] = retake("dead", "list", "--images", "--state", "unreachable", "--ad", "ad1", "--json").stdout.splitlines()
    assert json.loads(line)["error_code"] == "not_found"
    assert "not_found" in retake("dead", "list", "--images").stdout
    assert retake("dead", "show", str(pk), "--images").exit_code == 0
    assert retake("dead", "replay", "--images", "--since", "1h", "--yes").stdout == "photos: 1 received\n"
    with autocommit(engine) as connection:
        assert connection.scalar(select(Image.state)) == "received"


def test_dead_requests_are_listed_and_sent_again(retake: Retake, engine: Engine) -> None:
    pk = dead_request(engine)
    [line] = retake("notifications", "list", "--state", "dead", "--json").stdout.splitlines()
    assert json.loads(line)["webhook_id"] == "msg_1"
    result = retake("notifications", "replay", str(pk), "--yes")
    assert result.stdout == "dead requests: 1 pending\n"
    with autocommit(engine) as connection:
        assert connection.scalar(select(Notification.state)) == "pending"


def test_a_seller_is_forgotten_after_a_yes(retake: Retake, engine: Engine) -> None:
    give_up(engine)
    assert retake("forget", "--seller", "s1", "--dry-run").stdout.startswith("would be erased: 1 photos")
    assert retake("forget", "--seller", "s1").exit_code == 2
    assert count(engine, Image.id) == 1
    assert json.loads(retake("forget", "--seller", "s1", "--yes", "--json").stdout)["photos"] == 1
    assert count(engine, Image.id) == 0


def test_old_rows_are_pruned_after_a_yes(retake: Retake, engine: Engine) -> None:
    give_up(engine)
    assert retake("prune", "--older-than", "1d", "--yes").stdout.startswith("deleted: 0 photos")
    assert retake("prune", "--older-than", "0s", "--dry-run").stdout.startswith("would be deleted: 1 photos")
    assert retake("prune", "--older-than", "0s").exit_code == 2
    assert retake("prune", "--older-than", "0s", "--yes").stdout.startswith("deleted: 1 photos")


def test_the_status_tells_what_is_there_without_any_worker(retake: Retake, engine: Engine) -> None:
    bury(engine, b"one")
    result = retake("status", "--json")
    seen = json.loads(result.stdout)
    assert result.exit_code == 0
    assert seen["database"]["dead_letters"] == 1
    assert seen["stream"] == {"entries": 0, "readers": 0}
    assert seen["broker"]["workers"] == []
    assert set(seen["broker"]["queues"].values()) == {0}
    assert "1 event " in retake("status").stdout


def test_the_status_of_the_database_is_told_when_the_broker_is_away(
    retake: Retake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STREAM_URL", "BROKER_URL"):
        monkeypatch.setenv(f"RETAKE_{name}", "redis://127.0.0.1:1/0")
    result = retake("status")
    assert result.exit_code == 1
    assert "photos" in result.stdout
    assert result.stderr.count("\n") == 2


MISUSE = {
    "unknown command": ["dead", "bury"],
    "replay of nothing in particular": ["dead", "replay", "--yes"],
    "requests of nothing in particular": ["notifications", "replay", "--yes"],
    "a state of events": ["dead", "list", "--state", "failed"],
    "an ad of events": ["dead", "list", "--ad", "ad1"],
    "a state that is none": ["dead", "list", "--images", "--state", "scored"],
    "a request's state that is none": ["notifications", "list", "--state", "sent"],
    "an age that is none": ["prune", "--older-than", "3 months"],
    "an age beyond all calendars": ["prune", "--older-than", "999999w"],
    "a date that is none": ["notifications", "list", "--since", "2026-13-01"],
    "an id that is none": ["dead", "show", "x"],
    "no limit": ["dead", "list", "--limit", "0"],
    "an event for several": ["dead", "replay", "1", "2", "--event", "-"],
    "an event that is missing": ["dead", "replay", "1", "--event", "/nowhere.json"],
    "raw photos": ["dead", "show", "1", "--images", "--raw"],
    "nobody to forget": ["forget", "--yes"],
    "a model that never scored": ["compare", "quality@1", "quality@2"],
    "a model file that is missing": ["rescore", "--model", "/nowhere.tflite"],
    "nowhere to write": ["report"],
}


@pytest.mark.parametrize("kind", MISUSE)
def test_misuse_ends_with_status_2_and_no_traceback(retake: Retake, kind: str) -> None:
    result = retake(*MISUSE[kind])
    assert result.exit_code == 2
    assert result.stderr
    assert result.stdout == ""


COMMANDS = [
    ["status"],
    ["dead", "list"],
    ["dead", "replay", "--all"],
    ["notifications", "list"],
    ["notifications", "replay", "--all"],
    ["forget", "--seller", "s1"],
    ["prune", "--older-than", "1d"],
    ["compare", "a", "b"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_database_that_is_not_migrated_or_away_is_one_line(
    retake: Retake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]
) -> None:
    for url, said in (
        (f"sqlite:///{tmp_path}/new.db", "run `retake migrate`"),
        ("postgresql://u@127.0.0.1:1/db", "the database refuses"),
    ):
        monkeypatch.setenv("RETAKE_DATABASE_URL", url)
        result = retake(*command)
        assert result.exit_code == 1
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


def test_the_states_of_the_command_line_are_those_of_the_tables() -> None:
    assert {state.value for state in GivenUp} == {
        state.value for state in ImageState if state not in (ImageState.RECEIVED, ImageState.SCORED)
    }
    assert {state.value for state in RequestState} == {state.value for state in NotificationState}
