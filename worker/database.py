"""The database as a command meets it: migrated, or one line that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from tasks import schema
from tasks.database import make_engine
from worker.settings import Settings


@contextmanager
def open_database(settings: Settings) -> Iterator[Engine]:
    """Open the database of the settings, whatever its version, and close its connections at the end.

    Raises:
        DatabaseUrlError: the URL names no database that Retake can use.
    """
    engine = make_engine(settings.database_url.get_secret_value())
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def migrated_database(settings: Settings) -> Iterator[Engine]:
    """Open the database of the settings for one command.

    Raises:
        DatabaseUrlError: the URL names no database that Retake can use.
        SchemaOutdatedError: it has not been migrated.
        OperationalError: it is away.
    """
    with open_database(settings) as engine:
        schema.check(engine)
        yield engine
