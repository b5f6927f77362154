import json
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from typer.testing import CliRunner, Result

from tasks.events import parse_event
from worker.backfill.run import Pace
from worker.cli import app

HEADER = "ad_id,image_id,seller_id,image_url,replaces\n"
Backfill = Callable[..., Result]


@pytest.fixture
def backfill(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Backfill:
    monkeypatch.setenv("RETAKE_STREAM_URL", valkey_url)
    monkeypatch.setenv("RETAKE_BROKER_URL", valkey_url)

    def run(*arguments: object, stdin: str = "") -> Result:
        return CliRunner().invoke(app, ["backfill", *map(str, arguments)], input=stdin)

    return run


def row(number: int, url: str = "https://img.example.com/1.jpg", replaces: str = "") -> str:
    return f"ad{number},ad{number}-1,s1,{url},{replaces}\n"


def catalogue(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


def published(url: str) -> list[str]:
    with Redis.from_url(url) as redis:
        entries = redis.xrange("ad-images")
    return [parse_event(fields[b"event"]).data.image_id for _, fields in entries]


def test_every_row_becomes_an_event(backfill: Backfill, valkey_url: str, tmp_path: Path) -> None:
    result = backfill(catalogue(tmp_path / "c.csv", row(1), row(2, replaces="old-1")))

    assert (result.exit_code, result.stdout) == (0, "2 events published, 0 rows refused\n")
    with Redis.from_url(valkey_url) as redis:
        events = [parse_event(fields[b"event"]) for _, fields in redis.xrange("ad-images")]
    assert [event.data.replaces for event in events] == [None, "old-1"]
    assert {event.source for event in events} == {"/backfill"}


def test_a_second_run_publishes_what_was_added(backfill: Backfill, valkey_url: str, tmp_path: Path) -> None:
    path = catalogue(tmp_path / "c.csv", row(1), row(2))
    backfill(path)
    assert backfill(path).stdout == "0 events published, 0 rows refused\n"
    with path.open("a") as file:
        file.write(row(3))
    assert backfill(path).stdout == "1 events published, 0 rows refused\n"
    assert published(valkey_url) == ["ad1-1", "ad2-1", "ad3-1"]


def test_the_same_row_is_the_same_event(backfill: Backfill, valkey_url: str, tmp_path: Path) -> None:
    path = catalogue(tmp_path / "c.csv", row(1), row(2))
    backfill(path)
    backfill(path, "--restart")
    with Redis.from_url(valkey_url) as redis:
        ids = [parse_event(fields[b"event"]).id for _, fields in redis.xrange("ad-images")]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


def test_a_changed_file_is_not_taken_for_the_old_one(backfill: Backfill, tmp_path: Path) -> None:
    path = catalogue(tmp_path / "c.csv", row(1))
    backfill(path)
    for changed in ((row(2),), ()):
        result = backfill(catalogue(path, *changed))
        assert result.exit_code == 1
        assert "--restart" in result.stderr


BAD = {
    "too few columns": "ad9,ad9-1\n",
    "too many columns": "ad9,ad9-1,s1,https://x.example/,,,\n",
    "no address": "ad9,ad9-1,s1,,\n",
    "odd address": "ad9,ad9-1,s1,ftp://x.example/1.jpg,\n",
    "no ad": ",ad9-1,s1,https://x.example/1.jpg,\n",
    "open quote": 'ad9,"ad9-1,s1,https://x.example/1.jpg,\n',
    "a long name": f"{'a' * 300},ad9-1,s1,https://x.example/1.jpg,\n",
    "a line without end": f"{'a' * 200_000},ad9-1,s1,https://x.example/1.jpg,\n",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_row_is_named_by_its_line_and_the_others_go_on(
    backfill: Backfill, valkey_url: str, tmp_path: Path, kind: str
) -> None:
    result = backfill(catalogue(tmp_path / "c.csv", row(1), BAD[kind], row(2)), "--json")

    assert result.exit_code == 1
    assert "line 3: " in result.stderr
    assert result.stderr.count("\n") == 1
    assert json.loads(result.stdout) == {"published": 2, "refused": 1}
    assert published(valkey_url) == ["ad1-1", "ad2-1"]


def test_bytes_that_are_no_text_are_a_bad_row(backfill: Backfill, valkey_url: str, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(HEADER.encode() + b"\xff\xfe\n\n" + row(1).encode())
    result = backfill(path)
    assert result.exit_code == 1
    assert "line 2: is not CSV in UTF-8" in result.stderr
    assert published(valkey_url) == ["ad1-1"]


@pytest.mark.parametrize("header", ["", "ad_id,image_id\n", "ad_id,image_id,seller_id,image_url,colour\n", "\x00\n"])
def test_a_file_that_is_no_catalogue_is_one_line(backfill: Backfill, tmp_path: Path, header: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(header + row(1))
    result = backfill(path)
    assert result.exit_code == 1
    assert "line 1: " in result.stderr
    assert result.stderr.count("\n") == 1


def test_standard_input_with_a_mark_and_in_another_order(backfill: Backfill, valkey_url: str) -> None:
    text = "\ufeffimage_url,seller_id,image_id,ad_id\r\nhttps://x.example/1.jpg,s1,ad1-1,ad1\r\n"
    assert backfill("-", stdin=text).exit_code == 0
    assert published(valkey_url) == ["ad1-1"]


def test_a_broker_that_is_away_loses_nothing(
    backfill: Backfill, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = catalogue(tmp_path / "c.csv", row(1))
    monkeypatch.setenv("RETAKE_STREAM_URL", "redis://127.0.0.1:1/0")
    away = backfill(path)
    assert away.exit_code == 1
    assert away.stderr.startswith("retake: the stream or the broker does not answer")
    monkeypatch.setenv("RETAKE_STREAM_URL", valkey_url)
    assert backfill(path).stdout == "1 events published, 0 rows refused\n"


def test_a_missing_file_is_misuse(backfill: Backfill, tmp_path: Path) -> None:
    assert backfill(tmp_path / "nothing.csv").exit_code == 2


class Time:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_the_rate_is_kept() -> None:
    time = Time()
    pace = Pace(50.0, 10, lambda: 0, sleep=time.sleep, now=lambda: time.now)
    for _ in range(5):
        pace.wait(pace.batch)
    assert pace.batch == 50
    assert time.now - 100 == pytest.approx(4)


def test_nothing_is_published_while_too_many_wait() -> None:
    time, depths = Time(), iter([30, 20, 10])
    held: list[int] = []
    Pace(None, 10, lambda: next(depths), sleep=time.sleep, now=lambda: time.now, on_hold=held.append).wait(100)
    assert held == [30, 20]
    assert time.slept == [0.5, 0.5]
