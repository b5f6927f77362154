import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from real_servers import NOON
from rows import receive
from sqlalchemy import Engine, inspect

from tasks import schema
from tasks.database import DatabaseUrlError, autocommit, make_engine
from tasks.schema import SchemaOutdatedError
from tasks.tables import Base


def test_the_migrations_make_what_the_mapping_says(engine: Engine) -> None:
    with autocommit(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_newest_version_is_the_last_migration() -> None:
    assert ScriptDirectory.from_config(schema.configure()).get_current_head() == schema.NEWEST


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    receive(engine, NOON)
    before = schema.upgrade(engine)
    assert schema.upgrade(engine) == before
    schema.check(engine)


def test_the_way_back_leaves_nothing_behind(engine: Engine) -> None:
    with engine.begin() as connection:
        command.downgrade(schema.configure(connection), "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    with pytest.raises(SchemaOutdatedError, match="retake migrate"):
        schema.check(engine)
    schema.upgrade(engine)
    schema.check(engine)


@pytest.mark.parametrize("url", ["", "mysql://host/db", "not a url", "postgresql", "://"])
def test_another_database_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUrlError):
        make_engine(url)
