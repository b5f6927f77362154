"""No step may walk through a table: its statements are caught as they run, and explained on a filled database."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from real_servers import TurnedClock
from rows import an_event, claim, content_score, receive, scored
from sqlalchemy import Connection, Engine, event, text

from tasks import dead_letters, images, outbox, scores
from tasks.database import autocommit
from tasks.dead_letters import Letter
from tasks.forget import forget
from tasks.prune import prune

ROWS = 20_000
FILL = {
    "images": """
        INSERT INTO images (id, event_source, event_id, ad_id, image_id, seller_id, image_url, replaces, state,
                            error_code, attempts, failures, received_at, available_at, due_at, finished_at)
        SELECT n, '/upload', 'old-' || n, 'ad' || (n / 3), 'ad' || (n / 3) || '-' || n, 's' || (n / 9), 'http://x/',
               CASE WHEN n % 50 = 0 THEN 'ad' || (n / 3) || '-' || (n - 1) END,
               CASE WHEN n % 10 = 0 THEN 'rejected' WHEN n % 100 = 1 THEN 'received' ELSE 'scored' END,
               CASE WHEN n % 10 = 0 THEN 'truncated' END, 1, 0, :now, :now,
               CASE WHEN n % 100 = 1 THEN :now END, CASE WHEN n % 100 <> 1 THEN :now END FROM numbers""",
    "scores": """
        INSERT INTO scores (image_pk, model, content_sha256, score, stars, reasons, attributes, width, height,
                            scored_at)
        SELECT n, 'quality@0123456789ab', {sha}, 3.5, 4, '[]', '{{}}', 640, 480, :now FROM numbers""",
    "notifications": """
        INSERT INTO notifications (id, image_pk, webhook_id, ad_id, state, body, attempts, created_at,
                                   available_at, due_at)
        SELECT n, n, 'old-' || n, 'ad' || (n / 3), CASE WHEN n % 100 = 1 THEN 'pending' ELSE 'delivered' END,
               '{{}}', 1, :now, :now, CASE WHEN n % 100 = 1 THEN :now END FROM numbers""",
    "cooldowns": "INSERT INTO cooldowns (ad_id, until) SELECT 'old' || n, :now FROM numbers",
    "dead_letters": """
        INSERT INTO dead_letters (stream, entry_id, body, code, reason, created_at)
        SELECT 'ad-images', 'old-' || n, {sha}, 'event_not_json', '?', :now FROM numbers""",
}
NUMBERS = {
    "sqlite": f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS}) ",
    "postgresql": f"WITH numbers AS (SELECT generate_series(1, {ROWS}) AS n) ",
}
SHA = {"sqlite": "CAST(printf('%032d', n) AS BLOB)", "postgresql": "lpad(n::text, 32, '0')::bytea"}
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}
# SQLite says SCAN table, PostgreSQL says Seq Scan on table; SQLite's SCAN of an index is as long a walk.
WALK = {
    "sqlite": re.compile(r"SCAN (?!CONSTANT|\d+[ -](?:CONSTANT|ROW))(\w+)"),
    "postgresql": re.compile(r"Seq Scan on (\w+)"),
}


@contextmanager
def caught(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    statements: list[tuple[str, Any]] = []

    def catch(_connection: Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", catch)
    yield statements
    event.remove(engine, "before_cursor_execute", catch)


@pytest.fixture
def filled(engine: Engine, clock: TurnedClock) -> Engine:
    name = engine.dialect.name
    with engine.begin() as connection:
        for insert in FILL.values():
            insert_one = insert.format(sha=SHA[name])
            statement = insert_one.replace("SELECT", NUMBERS[name] + "SELECT", 1)
            now = clock() if name == "postgresql" else clock().strftime("%Y-%m-%d %H:%M:%S.%f")
            connection.execute(text(statement), {"now": now})
        if name == "postgresql":
            connection.exec_driver_sql(
                f"SELECT setval('images_id_seq', {ROWS}), setval('notifications_id_seq', {ROWS})"
            )
    with autocommit(engine) as connection:
        connection.exec_driver_sql("ANALYZE")
    return engine


def the_way_of_a_bad_photo_and_its_retake(engine: Engine, clock: TurnedClock) -> None:
    soon = clock() + timedelta(seconds=60)
    pks = receive(engine, clock(), an_event("new-1"), an_event("new-2", replaces="new-1"))
    bad, good = (claim(engine, pk, clock()) for pk in pks)
    assert bad is not None
    assert good is not None
    with engine.begin() as connection:
        assert scores.find_by_content(connection, b"\1" * 32, "quality@0123456789ab") is None
    scored(engine, bad, 1.0, clock())
    with engine.begin() as connection:
        pk = outbox.write(
            connection, bad, "msg_1", "{}", threshold=2.5, now=clock(), cooldown=timedelta(1), deliver_by=soon
        )
        assert pk is not None
    with engine.begin() as connection:
        taken = outbox.claim(connection, pk, now=clock(), lease=timedelta(seconds=60))
        assert taken is not None
        outbox.delivered(connection, taken, 200, now=clock())
    with engine.begin() as connection:
        scores.record(connection, good.pk, content_score(5, b"\2" * 32), now=clock())
        outbox.answer(connection, good, now=clock())
        dead_letters.bury(connection, [Letter("ad-images", "1-1", b"?", "event_not_json", "?")], now=clock())


def two_sweeps(engine: Engine, clock: TurnedClock) -> None:
    with engine.begin() as connection:
        for take_due in (images.take_due, outbox.take_due):
            assert len(take_due(connection, now=clock(), again_at=clock() + timedelta(minutes=1), limit=10)) == 10


def assert_looked_up(engine: Engine, statements: list[tuple[str, Any]]) -> int:
    name = engine.dialect.name
    explained = 0
    with autocommit(engine) as connection:
        for statement, parameters in statements:
            if statement.startswith(("BEGIN", "SELECT setval")):
                continue
            plan = "\n".join(
                " ".join(map(str, row)) for row in connection.exec_driver_sql(EXPLAIN[name] + statement, parameters)
            )
            assert not WALK[name].search(plan), f"{statement}\n{plan}"
            explained += 1
    return explained


def test_every_statement_of_an_event_and_of_a_sweep_looks_up_an_index(filled: Engine, clock: TurnedClock) -> None:
    with caught(filled) as statements:
        the_way_of_a_bad_photo_and_its_retake(filled, clock)
        two_sweeps(filled, clock)
    assert assert_looked_up(filled, statements) >= 15


def test_forgetting_and_pruning_look_up_an_index(filled: Engine, clock: TurnedClock) -> None:
    with caught(filled) as statements:
        next(forget(filled, "s7"))
        next(prune(filled, clock() + timedelta(seconds=1), clock()))
    assert assert_looked_up(filled, statements) >= 6


def test_the_check_sees_a_walk_through_a_table(filled: Engine) -> None:
    name = filled.dialect.name
    with autocommit(filled) as connection:
        rows = connection.exec_driver_sql(EXPLAIN[name] + "SELECT * FROM images WHERE image_url = 'x'")
        assert WALK[name].search("\n".join(" ".join(map(str, row)) for row in rows))
