from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Timer

import pytest
from rows import an_event, receive
from sqlalchemy import Engine, create_engine, make_url
from structlog.testing import capture_logs

from tasks import outage
from tasks.clock import utc_now
from tasks.database import make_engine
from tasks.outage import DATABASE_AWAY, Outage, patiently


@contextmanager
def closed(url: str) -> Iterator[Callable[[], None]]:
    """Throw everybody out of a PostgreSQL database and let nobody in; gives what opens it again."""
    parsed = make_url(url).set(drivername="postgresql+psycopg")
    admin = create_engine(parsed.set(database="postgres"), isolation_level="AUTOCOMMIT")

    def execute(statement: str) -> None:
        with admin.connect() as connection:
            connection.exec_driver_sql(statement)

    database = parsed.database
    execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
    reopen = partial(execute, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    try:
        yield reopen
    finally:
        reopen()
        admin.dispose()


@pytest.fixture(autouse=True)
def fresh_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "database", Outage("database"))


def fill(engine: Engine, rows: int) -> None:
    receive(engine, utc_now(), *(an_event(f"ad{n}-1") for n in range(rows)))


def connects(engine: Engine) -> bool:
    with engine.connect():
        return True


def test_a_step_goes_on_when_the_database_is_back(postgres_url: str) -> None:
    engine = make_engine(postgres_url)
    fill(engine, 1)
    with closed(postgres_url) as reopen, capture_logs() as lines:
        timer = Timer(1, reopen)
        timer.start()
        result = patiently(lambda: receive(engine, utc_now(), an_event("ad9-1")), patience=60, retry=0.1)
        timer.join()
    engine.dispose()
    assert result
    assert [line["event"] for line in lines] == ["database.away", "database.back"]


def test_patience_ends_and_a_hundred_failures_are_one_line(postgres_url: str) -> None:
    engine = make_engine(postgres_url)
    with closed(postgres_url), capture_logs() as lines:
        for _ in range(100):
            assert patiently(lambda: receive(engine, utc_now(), an_event("ad1-1")), patience=0.0, retry=0.1) is None
    engine.dispose()
    assert [line["event"] for line in lines] == ["database.away"]


def test_a_server_without_a_free_connection_is_away(postgres_url: str) -> None:
    parsed = make_url(postgres_url).set(drivername="postgresql+psycopg")
    role = f"few_{parsed.database}"
    admin = create_engine(parsed, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1")
        first = create_engine(parsed.set(username=role))
        second = make_engine(parsed.set(username=role).render_as_string(hide_password=False))
        with first.connect(), pytest.raises(DATABASE_AWAY, match="too many connections"):
            second.connect()
        first.dispose()
        assert patiently(lambda: connects(second), patience=30, retry=0.1)
        second.dispose()
        connection.exec_driver_sql(f"DROP ROLE {role}")
    admin.dispose()


def test_a_full_disk_is_away_and_loses_nothing(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    full = make_engine(sqlite_url)
    with full.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(DATABASE_AWAY, match="full"):
        fill(full, 1000)
    full.dispose()
    fill(engine, 1000)  # the disk has room again
    engine.dispose()
    assert Path(make_url(sqlite_url).database or "").stat().st_size > pages


def test_a_database_that_turned_read_only_is_away(postgres_url: str) -> None:
    engine = make_engine(f"{postgres_url}&options=-c%20default_transaction_read_only%3Don")
    with pytest.raises(DATABASE_AWAY, match="read-only"):
        fill(engine, 1)
    engine.dispose()
