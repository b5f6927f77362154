import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from worker.demo.processes import ChildEndedError, Children, Guard, StopSignals, log_tails

# Says its own and its child's process id, then sleeps; both ignore SIGTERM if told so.
PARENT = """
import os, signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
KILLED_DEMO = """
import os, signal, sys, time
from pathlib import Path
from worker.demo.processes import Children, Guard
folder = Path(sys.argv[1])
children = Children(os.environ, folder, Guard(folder))
children.start("parent", [sys.executable, "-c", sys.argv[2], "stubborn"])
while not (ids := (folder / "parent.log").read_text()).endswith("\\n"):
    time.sleep(0.01)
print(ids, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
PATIENCE = 20  # seconds, for what takes well under one


def ids_in(log: Path) -> list[int]:
    deadline = time.monotonic() + PATIENCE
    while not log.read_text().endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [int(word) for word in log.read_text().split()]


def is_running(process_id: int) -> bool:
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(process_ids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(map(is_running, process_ids)):
        assert time.monotonic() < deadline, f"still running: {process_ids}"
        time.sleep(0.01)


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    guard = Guard(tmp_path)
    yield guard
    guard.release()


@pytest.mark.parametrize("manner", ["obedient", "stubborn"])
def test_child_and_grandchild_end_with_the_block(tmp_path: Path, guard: Guard, manner: str) -> None:
    with Children(os.environ, tmp_path, guard, stop_seconds=0.5) as children:
        children.start("parent", [sys.executable, "-c", PARENT, manner])
        process_ids = ids_in(tmp_path / "parent.log")

    assert len(process_ids) == 2
    wait_until_gone(process_ids)


def test_children_end_when_the_block_fails(tmp_path: Path, guard: Guard) -> None:
    def fail() -> None:
        with Children(os.environ, tmp_path, guard) as children:
            children.start("parent", [sys.executable, "-c", PARENT])
            ids_in(tmp_path / "parent.log")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    wait_until_gone(ids_in(tmp_path / "parent.log"))


def test_child_that_ended_is_named(tmp_path: Path, guard: Guard) -> None:
    with Children(os.environ, tmp_path, guard) as children:
        children.start("beat", [sys.executable, "-c", "import time; time.sleep(600)"])
        children.check()
        children.start("ingest", [sys.executable, "-c", "raise SystemExit(3)"])
        children._children["ingest"].wait(PATIENCE)
        with pytest.raises(ChildEndedError, match="ingest ended with status 3"):
            children.check()


def test_everything_ends_when_the_demo_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    demo = subprocess.run(
        [sys.executable, "-c", KILLED_DEMO, str(folder), PARENT], capture_output=True, text=True, check=False
    )

    assert demo.returncode == -signal.SIGKILL
    process_ids = [int(word) for word in demo.stdout.split()]
    assert len(process_ids) == 2
    wait_until_gone(process_ids)
    deadline = time.monotonic() + PATIENCE
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_released_guard_leaves_everything_alone(tmp_path: Path) -> None:
    guard = Guard(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as bystander:
        guard.watch(bystander.pid)
        guard.release()
        assert bystander.poll() is None
        bystander.kill()

    assert tmp_path.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_the_demo_at_its_next_check(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopSignals() as signals:
        signals.check()
        os.kill(os.getpid(), number)
        with pytest.raises(SystemExit) as ending:
            signals.check()

    assert ending.value.code == 128 + number
    assert signal.getsignal(number) == before


def test_log_tails_are_the_last_lines_without_colour_codes(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("".join(f"\x1b[32mline {number}\x1b[0m\n" for number in range(100)))
    (tmp_path / "b.log").touch()

    text = log_tails(sorted(tmp_path.glob("*.log"))).plain

    assert text.startswith("--- a.log\n")
    assert text.endswith("line 98\nline 99")
    assert "line 50\n" not in text
    assert "b.log" not in text
    assert "\x1b" not in text
