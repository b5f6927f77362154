"""Alembic's entry: runs the migrations on the connection that tasks.schema hands over."""

from alembic import context

from tasks.tables import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
