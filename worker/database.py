"""The database as a command meets it: migrated, or one line that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from tasks import schema
from tasks.database import make_engine
from worker.settings import Settings


@contextmanager
def migrated_database(settings: Settings) -> Iterator[Engine]:
    """Open the database of the settings for one command.

    Raises:
        DatabaseUrlError: the URL names no database that Retake can use.
        SchemaOutdatedError: it has not been migrated.
        OperationalError: it is away.
    """
    engine = make_engine(settings.database_url.get_secret_value())
    try:
        schema.check(engine)
        yield engine
    finally:
        engine.dispose()
