"""The processes of a deployment against real servers, with settings and a clean end for each."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from sqlalchemy import Engine, func, select

from tasks.database import autocommit, make_engine
from tasks.tables import Image, Notification
from worker.demo.webhook_sink import new_secret

NOWHERE = "http://127.0.0.1:9/"
PATIENCE = 240  # seconds, for what takes a few on an idle machine


class Deployment:
    """Starts processes; each writes a log of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], engine: Engine) -> None:
        self.folder, self.environment, self.engine = folder, environment, engine

    @contextmanager
    def running(self, *names: str) -> Iterator[list[psutil.Popen]]:
        """Run processes, each named after its command and a number that tells several apart: worker, worker-2."""
        processes = [self.start(name) for name in names]
        try:
            yield processes
        finally:
            for process in processes:
                end(process)

    def start(self, name: str, *command: str) -> psutil.Popen:
        with (self.folder / f"{name}.log").open("ab") as log:
            return psutil.Popen(
                [sys.executable, *(command or ("-m", "worker", name.split("-", maxsplit=1)[0]))],
                env=os.environ | self.environment,
                stdin=-3,
                stdout=log,
                stderr=log,
            )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def photos(self) -> dict[str, Image]:
        """A snapshot of every photo's row by its image_id."""
        with autocommit(self.engine) as connection:
            return {row.image_id: row for row in connection.execute(select(Image.__table__))}  # type: ignore[misc]

    def open_requests(self) -> int:
        """How many retake requests are still on their way."""
        with autocommit(self.engine) as connection:
            return connection.scalar(select(func.count()).where(Notification.due_at.is_not(None))) or 0

    def states(self) -> dict[str, str]:
        return {image_id: row.state for image_id, row in self.photos().items()}


@contextmanager
def deployed(folder: Path, database_url: str, valkey_url: str, **settings: str) -> Iterator[Deployment]:
    """A deployment on these servers; settings are named without RETAKE_, and requests go nowhere if not told where."""
    environment = {
        "DATABASE_URL": database_url,
        "BROKER_URL": valkey_url,
        "STREAM_URL": valkey_url,
        "NOTIFY_URL": NOWHERE,
        "NOTIFY_SECRET": new_secret(),
        **settings,
    }
    engine = make_engine(database_url)
    yield Deployment(folder, {f"RETAKE_{name}": value for name, value in environment.items()}, engine)
    engine.dispose()


def end(process: psutil.Popen) -> None:
    """Kill a process and its children, whichever of them still live."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = [process]
    for one in family:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


def eventually(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
