import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SUPPORT = str(Path(__file__).parent / "support")
sys.path.insert(0, SUPPORT)

import loopback_guard  # noqa: E402 - found through the line above


def pytest_configure() -> None:
    # An inherited log is the parent run's (a pytest-xdist worker): each process tree keeps its own.
    descriptor, os.environ[loopback_guard.LOG] = tempfile.mkstemp(prefix="retake-refused-")
    os.close(descriptor)
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join([SUPPORT, *filter(None, inherited)])
    loopback_guard.install()


def pytest_unconfigure() -> None:
    Path(os.environ[loopback_guard.LOG]).unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def _nothing_leaves_the_machine() -> Iterator[None]:
    yield
    refused = loopback_guard.refusals()
    loopback_guard.forget(refused)  # told once, by the test during which it was seen
    assert refused == []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a process refused something after its test had ended."""
    if refused := loopback_guard.refusals():
        sys.stderr.write(f"\nleft the machine: {refused}\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
