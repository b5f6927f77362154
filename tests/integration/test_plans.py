"""No step may walk through a table: its statements are caught as they run, and explained on a filled database."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from real_servers import NOON, TurnedClock
from rows import an_event, claim, content_score, receive, scored
from sqlalchemy import Connection, Engine, event, text

from tasks import dead_letters, outbox, scores
from tasks.database import autocommit
from tasks.dead_letters import Letter
from tasks.forget import forget
from tasks.prune import prune
from tasks.replay import letters, photos, requests
from tasks.replay.selection import Selection
from tasks.status import read_standing
from tasks.sweep import Sweep
from tasks.tables import ImageState, NotificationState
from worker.exporter.sources import DatabaseSource

ROWS = 20_000
# One row in a hundred is open, one went wrong; {at} is n seconds after the oldest.
FILL = {
    "images": """
        INSERT INTO images (id, event_source, event_id, ad_id, image_id, seller_id, image_url, replaces, state,
                            error_code, attempts, failures, received_at, available_at, due_at, finished_at)
        SELECT n, '/upload', 'old-' || n, 'ad' || (n / 3), 'ad' || (n / 3) || '-' || n, 's' || (n / 9), 'http://x/',
               CASE WHEN n % 50 = 0 THEN 'ad' || (n / 3) || '-' || (n - 1) END,
               CASE n % 100 WHEN 0 THEN 'rejected' WHEN 1 THEN 'received' WHEN 50 THEN 'failed' ELSE 'scored' END,
               CASE n % 100 WHEN 0 THEN 'truncated' WHEN 50 THEN 'worker_lost' END, 1, 0, {at}, {at},
               CASE WHEN n % 100 = 1 THEN {at} END, CASE WHEN n % 100 <> 1 THEN {at} END FROM numbers""",
    "scores": """
        INSERT INTO scores (image_pk, model, content_sha256, score, stars, reasons, attributes, width, height,
                            scored_at)
        SELECT n, 'quality@0123456789ab', {sha}, 3.5, 4, '[]', '{{}}', 640, 480, {at} FROM numbers""",
    "notifications": """
        INSERT INTO notifications (id, image_pk, webhook_id, ad_id, state, error_code, body, attempts, created_at,
                                   available_at, due_at)
        SELECT n, n, 'old-' || n, 'ad' || (n / 3),
               CASE n % 100 WHEN 1 THEN 'pending' WHEN 2 THEN 'dead' ELSE 'delivered' END,
               CASE n % 100 WHEN 2 THEN 'http_error' END,
               '{{}}', 1, {at}, {at}, CASE WHEN n % 100 = 1 THEN {at} END FROM numbers""",
    "cooldowns": "INSERT INTO cooldowns (ad_id, until) SELECT 'old' || n, {at} FROM numbers",
    "dead_letters": """
        INSERT INTO dead_letters (stream, entry_id, body, code, reason, created_at, replayed_at)
        SELECT 'ad-images', 'old-' || n, {sha}, 'event_not_json', '?', {at}, CASE WHEN n % 100 <> 1 THEN {at} END
        FROM numbers""",
}
NUMBERS = {
    "sqlite": f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS}) ",
    "postgresql": f"WITH numbers AS (SELECT generate_series(1, {ROWS}) AS n) ",
}
SHA = {"sqlite": "CAST(printf('%032d', n) AS BLOB)", "postgresql": "lpad(n::text, 32, '0')::bytea"}
AT = {
    "sqlite": f"strftime('%Y-%m-%d %H:%M:%f000', :now, (n - {ROWS}) || ' seconds')",
    "postgresql": f"CAST(:now AS timestamptz) + (n - {ROWS}) * interval '1 second'",
}
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}
# These hold open rows alone, or are followed from the newest row to a limit.
SHORT = r"(?:ix_dead_letters_open|ix_images_due_at|pk_dead_letters)\b"
# SQLite says SCAN table, PostgreSQL says Seq Scan on table; the walk through a whole index is as long.
WALK = {
    "sqlite": re.compile(rf"SCAN (?!CONSTANT|\d+[ -](?:CONSTANT|ROW))(\w+)\b(?! USING (?:COVERING )?INDEX {SHORT})"),
    "postgresql": re.compile(
        rf"(?:Seq Scan|Index (?:Only )?Scan(?: Backward)? using (?!{SHORT})\w+) on (\w+).*(?:$|\n(?!.*Index Cond))"
    ),
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
            insert_one = insert.format(sha=SHA[name], at=AT[name])
            statement = insert_one.replace("SELECT", NUMBERS[name] + "SELECT", 1)
            connection.execute(text(statement), {"now": clock().strftime("%Y-%m-%d %H:%M:%S+00:00")})
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


RECENTLY = NOON - timedelta(minutes=10)
SELECTIONS = [
    Selection(),
    Selection(since=RECENTLY),
    Selection(codes=["timeout", "worker_lost"]),
    Selection(codes=["timeout"], since=RECENTLY),
    Selection(ids=[7, 8, 9]),
]
OF_PHOTOS = [
    *SELECTIONS,
    Selection(ad_id="ad7"),
    Selection(states=[ImageState.REJECTED]),
    Selection(states=[ImageState.FAILED, ImageState.REJECTED], codes=["timeout"], since=RECENTLY),
]
OF_REQUESTS = [
    *SELECTIONS,
    Selection(ad_id="ad7"),
    Selection(states=[NotificationState.DELIVERED]),
    Selection(states=[NotificationState.DEAD, NotificationState.DELIVERED], codes=["timeout"], since=RECENTLY),
]


def a_sweep(engine: Engine, clock: TurnedClock) -> None:
    swept = Sweep(engine, timedelta(minutes=1), clock)(10, 10)
    assert (len(swept.images), len(swept.notifications)) == (10, 10)


def what_ops_see(engine: Engine, clock: TurnedClock) -> None:
    with autocommit(engine) as connection:
        assert read_standing(connection, clock()).photos.ready == ROWS // 100
    assert list(DatabaseSource(engine, clock)())


def what_ops_list(engine: Engine) -> None:
    with autocommit(engine) as connection:
        assert letters.find(connection, Selection(), 50)
        for selection in OF_PHOTOS:
            photos.find(connection, selection, 50)
        for selection in OF_REQUESTS:
            requests.find(connection, selection, 50)


def what_ops_replay(engine: Engine, clock: TurnedClock) -> None:
    with autocommit(engine) as connection:
        assert letters.keys(connection, Selection(codes=["event_not_json"]))
        given_up = [photos.keys(connection, selection) for selection in OF_PHOTOS]
        dead = [requests.dead_keys(connection, selection) for selection in OF_REQUESTS]
    with engine.begin() as connection:
        assert photos.replay(connection, given_up[0][:10], now=clock()) == 10
        replayed = requests.replay(connection, dead[0][:10], threshold=2.5, now=clock(), cooldown=timedelta(1))
        assert replayed.total() == 10


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
            assert not set(WALK[name].findall(plan)) & set(FILL), f"{statement}\n{plan}"
            explained += 1
    return explained


def test_every_statement_of_an_event_and_of_a_sweep_looks_up_an_index(filled: Engine, clock: TurnedClock) -> None:
    with caught(filled) as statements:
        the_way_of_a_bad_photo_and_its_retake(filled, clock)
        a_sweep(filled, clock)
    assert assert_looked_up(filled, statements) >= 15


def test_what_ops_see_list_and_replay_looks_up_an_index(filled: Engine, clock: TurnedClock) -> None:
    with caught(filled) as statements:
        what_ops_see(filled, clock)
        what_ops_list(filled)
        what_ops_replay(filled, clock)
    assert assert_looked_up(filled, statements) >= 50


def test_forgetting_and_pruning_look_up_an_index(filled: Engine, clock: TurnedClock) -> None:
    with caught(filled) as statements:
        next(forget(filled, "s7"))
        next(prune(filled, clock() + timedelta(seconds=1), clock()))
    assert assert_looked_up(filled, statements) >= 6


def test_the_check_sees_a_walk_through_a_table(filled: Engine) -> None:
    with pytest.raises(AssertionError, match="images"):
        assert_looked_up(filled, [("SELECT * FROM images WHERE image_url = 'x'", ())])


def test_the_check_sees_a_walk_through_an_index(filled: Engine) -> None:
    with pytest.raises(AssertionError, match="ix_images_seller_id"):
        assert_looked_up(filled, [("SELECT seller_id FROM images ORDER BY seller_id", ())])
