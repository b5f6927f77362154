"""One engine for SQLite and PostgreSQL, each with the settings that a queue worker needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError

from models.errors import RetakeError
from tasks.tables import Base

SQLITE_BUSY_SECONDS = 30
POSTGRES_CONNECT_SECONDS = 5


class DatabaseUrlError(RetakeError):
    """The database URL is neither sqlite:///PATH nor postgresql://USER@HOST/NAME."""

    code = "database_url_invalid"


def make_engine(url: str) -> Engine:
    """Build an engine; connections open on first use, one for a process that works on one thing at a time.

    Raises:
        DatabaseUrlError: the URL does not parse or names another database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseUrlError from None
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=2,
            max_overflow=2,
            pool_pre_ping=True,
            connect_args={"connect_timeout": POSTGRES_CONNECT_SECONDS},
        )
    raise DatabaseUrlError


def insert_into(connection: Connection, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say ON CONFLICT, in the connection's dialect."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


@contextmanager
def autocommit(engine: Engine) -> Iterator[Connection]:
    """A connection without a transaction: each statement takes effect at once, and is one round trip."""
    with engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_SECONDS})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - DBAPI connections have no common type
    # The driver's own BEGIN is deferred, and a deferred transaction that turns to writing fails at once when busy.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
