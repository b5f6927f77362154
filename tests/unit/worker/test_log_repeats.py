import logging

import pytest

from worker.log_repeats import DropRepeats


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def drop_repeats(clock: Clock) -> DropRepeats:
    return DropRepeats(clock)


def a_line(
    message: str = "cannot connect: %s", level: int = logging.ERROR, name: str = "celery.worker.consumer.consumer"
) -> logging.LogRecord:
    return logging.LogRecord(name, level, "consumer.py", 654, message, ("in 2 s",), None)


def test_a_thousand_retries_are_one_line_a_minute(drop_repeats: DropRepeats, clock: Clock) -> None:
    told = 0
    for clock.now in range(0, 1000, 2):
        told += drop_repeats.filter(a_line())
    assert told == 17


def test_another_message_is_told_at_once(drop_repeats: DropRepeats) -> None:
    assert drop_repeats.filter(a_line())
    assert drop_repeats.filter(a_line("connection lost"))


@pytest.mark.parametrize("name", ["celery.app.trace", "retake", "tasks.celery_tasks"])
def test_no_other_logger_is_quieted(drop_repeats: DropRepeats, name: str) -> None:
    assert all(drop_repeats.filter(a_line(name=name)) for _ in range(5))


def test_what_is_no_warning_passes(drop_repeats: DropRepeats) -> None:
    assert all(drop_repeats.filter(a_line(level=logging.INFO)) for _ in range(5))
