"""The version of the database's tables: bring it up to date, or refuse to work on another one."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from models.errors import RetakeError
from tasks.database import reading

MIGRATIONS = Path(__file__).with_name("migrations")
# Any number that no other program on the same PostgreSQL server uses: "RTKE" in ASCII.
MIGRATION_LOCK = 0x52544B45


class SchemaOutdatedError(RetakeError):
    """The database is not at the version that this program needs: run `retake migrate`."""

    code = "schema_outdated"


def upgrade(engine: Engine) -> str:
    """Bring the tables to the newest version, one process at a time, and return that version."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        command.upgrade(_config(connection), "head")
    return _newest()


def check(engine: Engine) -> None:
    """Make sure that the tables are at the newest version.

    Raises:
        SchemaOutdatedError: they are not; the message names both versions.
    """
    with reading(engine) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current != _newest():
        raise SchemaOutdatedError(f"the database is at version {current}, not {_newest()}: run `retake migrate`")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _newest() -> str:
    return str(ScriptDirectory.from_config(_config()).get_current_head())
