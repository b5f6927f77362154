import os
from pathlib import Path

from celery import Celery

from worker.health import BeatingScheduler, heartbeat, install_heartbeat

LONG_AGO = 1_000_000_000


def age_the(file: Path) -> None:
    file.touch()
    os.utime(file, (LONG_AGO, LONG_AGO))


def test_a_loop_touches_its_file_at_each_round(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    age_the(file)
    heartbeat(file)()
    assert file.stat().st_mtime > LONG_AGO


def test_without_a_file_a_round_does_nothing() -> None:
    heartbeat(None)()


def test_the_beat_touches_its_file_whenever_it_looks_what_is_due(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    age_the(file)
    app = Celery("test", broker="memory://", set_as_current=False)
    install_heartbeat(app, file)
    BeatingScheduler(app=app, lazy=True).tick()
    assert file.stat().st_mtime > LONG_AGO
