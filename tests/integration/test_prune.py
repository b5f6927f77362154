from datetime import timedelta

from real_servers import TurnedClock
from rows import an_event, receive, received_and_claimed, scored
from sqlalchemy import Engine, func, select, update

from tasks import dead_letters, outbox
from tasks.database import autocommit
from tasks.dead_letters import Letter
from tasks.prune import ROWS_AT_ONCE, Pruned, find_rows, prune
from tasks.tables import Cooldown, DeadLetter, Image, Notification, NotificationState, Score


def bad_photo(engine: Engine, clock: TurnedClock, image_id: str) -> int:
    image = received_and_claimed(engine, clock(), image_id)
    scored(engine, image, 1.0, clock())
    day = timedelta(1)
    with engine.begin() as connection:
        outbox.write(
            connection, image, f"msg_{image_id}", "{}", threshold=2.5, now=clock(), cooldown=day, deliver_by=clock()
        )
    return image.pk


def deliver_all(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(Notification).values(state=NotificationState.DELIVERED, due_at=None))


def refuse(engine: Engine, clock: TurnedClock, entry_id: str) -> None:
    with engine.begin() as connection:
        dead_letters.bury(connection, [Letter("ad-images", entry_id, b"?", "event_not_json", "?")], now=clock())


def prune_all(engine: Engine, clock: TurnedClock) -> Pruned:
    return sum(prune(engine, clock() - timedelta(days=90), clock()), Pruned())


def test_old_rows_go_and_new_ones_stay(engine: Engine, clock: TurnedClock) -> None:
    bad_photo(engine, clock, "ad1-1")
    deliver_all(engine)
    refuse(engine, clock, "1-1")
    clock.turn(days=91)
    bad_photo(engine, clock, "ad2-1")
    refuse(engine, clock, "2-1")

    assert find_rows(engine, clock() - timedelta(days=90)) == Pruned(photos=1, letters=1)
    assert prune_all(engine, clock) == Pruned(photos=1, letters=1, cooldowns=1)
    with autocommit(engine) as connection:
        assert connection.scalars(select(Image.image_id)).all() == ["ad2-1"]
        assert connection.scalars(select(DeadLetter.entry_id)).all() == ["2-1"]
        assert connection.scalars(select(Cooldown.ad_id)).all() == ["ad2"]
        assert connection.scalar(select(func.count()).select_from(Score)) == 1
        assert connection.scalar(select(func.count()).select_from(Notification)) == 1
    assert prune_all(engine, clock) == Pruned()


def test_open_photos_and_open_requests_stay_however_old(engine: Engine, clock: TurnedClock) -> None:
    receive(engine, clock(), an_event("ad1-1"))
    pending = bad_photo(engine, clock, "ad2-1")
    clock.turn(days=365)
    prune_all(engine, clock)
    with autocommit(engine) as connection:
        assert connection.scalars(select(Image.id).order_by(Image.id)).all() == [1, pending]


def test_many_rows_go_in_several_transactions(engine: Engine, clock: TurnedClock) -> None:
    receive(engine, clock(), *(an_event(f"ad{n}-1") for n in range(ROWS_AT_ONCE + 1)))
    with engine.begin() as connection:
        connection.execute(update(Image).values(finished_at=clock(), due_at=None, state="scored"))
        connection.execute(Cooldown.__table__.insert(), [  # type: ignore[attr-defined]
            {"ad_id": f"ad{n:05}", "until": clock() + timedelta(days=n % 2)} for n in range(2 * ROWS_AT_ONCE)
        ])  # fmt: skip
    clock.turn(hours=1)
    steps = list(prune(engine, clock(), clock()))
    assert [step.photos for step in steps if step.photos] == [ROWS_AT_ONCE, 1]
    assert [step.cooldowns for step in steps if step.cooldowns] == [ROWS_AT_ONCE // 2, ROWS_AT_ONCE // 2]
