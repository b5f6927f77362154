"""A database that has been in use for long: millions of finished photos with their scores."""

from typing import cast

from sqlalchemy import Connection, Engine, Table, TextClause, text

from tasks.database import autocommit
from tasks.tables import Image, Score

_NUMBERS = {
    "sqlite": "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT :rows) SELECT i FROM n)",
    "postgresql": "(SELECT generate_series(1, :rows) AS i)",
}
_DIGEST = {"sqlite": "randomblob(32)", "postgresql": "sha256(i::text::bytea)"}
_IMAGES = """
    INSERT INTO images (id, event_source, event_id, ad_id, image_id, seller_id, image_url, state, attempts, failures,
                        received_at, available_at, finished_at)
    SELECT i, '/uploads', 'stored-' || i, 'old' || (i / 3), 'old' || i, 'seller' || (i % 100000),
           'https://img.example.com/' || i || '.jpg', 'scored', 1, 0, {day}, {day}, {day}
    FROM {numbers} AS numbers
"""
_SCORES = """
    INSERT INTO scores (image_pk, model, content_sha256, score, stars, reasons, attributes, width, height, scored_at)
    SELECT i, 'quality@0123456789ab', {digest}, i % 500 / 100.0, i % 500 / 100, '["too_dark"]',
           '{{"brightness": 0.41, "contrast": 0.2, "sharpness": 0.08}}', 1200, 900, {day}
    FROM {numbers} AS numbers
"""
_DAY = {
    "sqlite": "datetime('2026-01-01', '+' || (i % 7776000) || ' seconds')",
    "postgresql": "timestamptz '2026-01-01' + (i % 7776000) * interval '1 second'",
}

_AFTERWARDS = {"sqlite": ("ANALYZE",), "postgresql": ("VACUUM (ANALYZE)", "CHECKPOINT")}
"""What a database in use has long done: PostgreSQL would do it while the photos are counted."""


def store(engine: Engine, rows: int) -> None:
    """Fill an empty database with so many scored photos; indexes are built afterwards, which takes half the time."""
    indexes = [index for entity in (Image, Score) for index in cast("Table", entity.__table__).indexes]
    with engine.begin() as connection:
        for index in indexes:
            index.drop(connection)
        for statement in (_IMAGES, _SCORES):
            connection.execute(_in(connection, statement), {"rows": rows})
        for index in indexes:
            index.create(connection)
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT setval(pg_get_serial_sequence('images', 'id'), :rows)"), {"rows": rows})
    with autocommit(engine) as connection:
        for statement in _AFTERWARDS[connection.dialect.name]:
            connection.exec_driver_sql(statement)


def _in(connection: Connection, statement: str) -> TextClause:
    name = connection.dialect.name
    return text(statement.format(numbers=_NUMBERS[name], digest=_DIGEST[name], day=_DAY[name]))
