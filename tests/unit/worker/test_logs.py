import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from celery import Celery

from worker import logs


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.TALKATIVE}
    yield
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in captured.readouterr().err.splitlines()]


def test_task_event_and_ad_are_on_every_line_of_a_task_and_on_none_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    app = Celery("test", broker="memory://", set_as_current=False)
    log = structlog.get_logger()

    @app.task(name="a.task")
    def qualify() -> None:
        structlog.contextvars.bind_contextvars(event_id="e1", ad_id="ad1")
        log.info("image.scored", score=4.2)
        logging.getLogger("urllib3").warning("a library has something to say")

    result = qualify.apply()
    log.info("later")
    scored, library, later = lines(capsys)
    for line in (scored, library):
        assert {key: line[key] for key in ("event_id", "ad_id", "task", "task_id")} == {
            "event_id": "e1",
            "ad_id": "ad1",
            "task": "a.task",
            "task_id": result.id,
        }
    assert scored["event"] == "image.scored"
    assert scored["score"] == 4.2
    assert not {"event_id", "ad_id", "task_id"} & set(later)


def test_a_crash_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    try:
        int("not\na number")
    except ValueError:
        structlog.get_logger().exception("crashed", nothing=None)
    [line] = lines(capsys)
    assert "ValueError: invalid literal" in str(line["exception"])
    assert "nothing" not in line


def test_a_terminal_gets_words_instead_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "info")
    structlog.get_logger().info("image.scored", score=4.2)
    written = capsys.readouterr().err
    assert "image.scored" in written
    assert not written.startswith("{")


def test_the_broker_library_stays_quiet_about_every_single_task(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    logging.getLogger("celery.worker.strategy").info("Task received")
    logging.getLogger("celery.app.trace").error("Task failed")
    assert [line["event"] for line in lines(capsys)] == ["Task failed"]
