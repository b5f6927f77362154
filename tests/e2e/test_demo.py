import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from worker.demo.photos import SAMPLE

PATIENCE = 120  # seconds, for what takes a few on an idle machine
pytestmark = pytest.mark.timeout(300)
COMMAND = [sys.executable, "-m", "worker", "demo"]


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """TMPDIR gives the demo its place, and marks every process that it starts."""
    return os.environ | {"TMPDIR": str(folder), "COLUMNS": "160"} | settings


def run_demo(folder: Path, *photos: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *photos], env=environment(folder, **settings), capture_output=True, text=True, check=False
    )


def processes_of(folder: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if marked(process, folder)]


def marked(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.environ().get("TMPDIR") == str(folder) and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def wait_for(condition: Iterator[bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not next(condition):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def nothing_left(folder: Path) -> Iterator[bool]:
    while True:
        yield not processes_of(folder) and not list(folder.iterdir())


def worker_runs(demo: subprocess.Popen[bytes], folder: Path) -> Iterator[bool]:
    while True:
        assert demo.poll() is None
        yield any(log.stat().st_size for log in folder.glob("retake-demo-*/worker.log"))


@contextmanager
def running_demo(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A demo whose worker has begun to speak."""
    with subprocess.Popen(COMMAND, env=environment(folder), stdout=subprocess.DEVNULL) as demo:
        wait_for(worker_runs(demo, folder))
        yield demo


def test_every_sample_photo_comes_out_as_expected(tmp_path: Path) -> None:
    result = run_demo(tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("✓ retake asked") == 4
    assert "✓ 7 photos came out as expected; retake requests received, each with a good signature: 4" in result.stdout
    assert next(nothing_left(tmp_path))


def test_own_photos_need_only_reach_their_end(tmp_path: Path) -> None:
    photo, table = tmp_path / "cup.jpg", tmp_path / "prices.csv"
    photo.write_bytes(SAMPLE.read_bytes())
    table.write_text("a,b\n")
    folder = tmp_path / "tmp"
    folder.mkdir()

    result = run_demo(folder, photo, table)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "cup.jpg" in result.stdout
    assert "rejected" in result.stdout
    assert "✓ 2 photos reached their end" in result.stdout
    assert next(nothing_left(folder))


def test_unmet_expectation_is_told_and_the_logs_are_kept(tmp_path: Path) -> None:
    result = run_demo(tmp_path, RETAKE_THRESHOLD="0")

    assert result.returncode == 1
    assert "✗ dark: scores" in result.stdout
    assert result.stderr.startswith("retake: ")
    [kept] = tmp_path.iterdir()
    assert str(kept) in result.stdout
    assert {"ingest.log", "worker.log", "beat.log"} <= {path.name for path in kept.iterdir()}
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_demo_and_all_that_it_started(tmp_path: Path, number: signal.Signals) -> None:
    with running_demo(tmp_path) as demo:
        demo.send_signal(number)
        demo.wait(PATIENCE)

    assert demo.returncode == 128 + number
    assert next(nothing_left(tmp_path))


def test_killed_demo_takes_everything_with_it(tmp_path: Path) -> None:
    with running_demo(tmp_path) as demo:
        assert len(processes_of(tmp_path)) >= 5  # demo, Valkey, ingest, worker, beat
        demo.kill()

    wait_for(nothing_left(tmp_path))


def test_missing_photo_is_misuse(tmp_path: Path) -> None:
    result = run_demo(tmp_path, tmp_path / "gone.jpg")

    assert result.returncode == 2
    assert "gone.jpg" in result.stderr
    assert next(nothing_left(tmp_path))
