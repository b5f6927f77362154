"""The version of the database's tables: bring it up to date, or refuse to work on another one."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, select, table
from sqlalchemy.sql import column

from models.errors import RetakeError
from tasks.database import autocommit

if TYPE_CHECKING:
    from alembic.config import Config

NEWEST = "0004"  # the last file in migrations/versions, known without Alembic: it takes 8 MB, and a worker only looks
MIGRATIONS = Path(__file__).with_name("migrations")
# Any number that no other program on the same PostgreSQL server uses: "RTKE" in ASCII.
MIGRATION_LOCK = 0x52544B45


class SchemaOutdatedError(RetakeError):
    """The database is not at the version that this program needs: run `retake migrate`."""

    code = "schema_outdated"


def upgrade(engine: Engine) -> str:
    """Bring the tables to the newest version, one process at a time, and return that version."""
    from alembic import command  # noqa: PLC0415 - heavy, and only for those who migrate

    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        command.upgrade(configure(connection), "head")
    return NEWEST


def check(engine: Engine) -> None:
    """Make sure that the tables are at the newest version.

    Raises:
        SchemaOutdatedError: they are not; the message names both versions.
    """
    current = _current(engine)
    if current != NEWEST:
        raise SchemaOutdatedError(f"the database is at version {current}, not {NEWEST}: run `retake migrate`")


def configure(connection: Connection | None = None) -> "Config":
    """Tell Alembic where the migrations are, and on which connection to run them."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _current(engine: Engine) -> str | None:
    versions = table("alembic_version", column("version_num"))
    with autocommit(engine) as connection:
        if not inspect(connection).has_table(versions.name):
            return None
        return connection.scalar(select(versions.c.version_num))
