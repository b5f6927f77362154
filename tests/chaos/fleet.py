"""The processes of a deployment, each started again when it ends, as a container runtime does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

RESTART_SECONDS = 0.5  # between two starts of the same process
STOP_SECONDS = 30


class Service:
    """One process, its log, and everybody it has ever started."""

    def __init__(self, name: str, environment: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self._command = [sys.executable, "-m", "worker", name.split("-", maxsplit=1)[0]]
        self._environment = environment
        self._log = logs / f"{name}.log"
        self.groups: list[int] = []
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started = time.monotonic()
        self.groups.append(self.process.pid)

    def tend(self) -> None:
        if self.process.poll() is not None and time.monotonic() > self.started + RESTART_SECONDS:
            self.start()

    def children(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return sorted(psutil.Process(self.process.pid).children(), key=lambda child: child.pid)
        return []


class Fleet:
    """Workers, ingests and beats."""

    def __init__(self, environment: Mapping[str, str], logs: Path, workers: int) -> None:
        names = [f"worker-{n}" for n in range(workers)] + [f"{role}-{n}" for role in ("ingest", "beat") for n in (0, 1)]
        self.services = [Service(name, environment, logs) for name in names]

    def of(self, role: str) -> list[Service]:
        return [service for service in self.services if service.name.startswith(role)]

    def tend(self) -> None:
        """Start again what has ended."""
        for service in self.services:
            service.tend()

    def stop(self) -> list[str]:
        """Stop all by SIGTERM; return the names of those that had to be killed."""
        for service in self.services:
            service.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        late = [service.name for service in self.services if not _ends(service.process, deadline)]
        self.kill()
        return late

    def kill(self) -> None:
        """Kill whatever this fleet has started and that still lives, orphans too."""
        for service in self.services:
            for group in service.groups:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
            service.process.wait()

    def orphans(self) -> int:
        """How many processes live on without the main process that had started them."""
        ended = {group for service in self.services for group in service.groups if group != service.process.pid}
        return sum(_group(process) in ended for process in psutil.process_iter())


def _group(process: psutil.Process) -> int | None:
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        return os.getpgid(process.pid) if process.status() != psutil.STATUS_ZOMBIE else None
    return None


def _ends(process: "subprocess.Popen[bytes]", deadline: float) -> bool:
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True
