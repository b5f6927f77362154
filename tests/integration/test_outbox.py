from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import pytest
from real_servers import TurnedClock
from rows import REQUEUE, claim, content_score, received_and_claimed, scored
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import IntegrityError

from tasks import images, outbox, scores
from tasks.database import autocommit
from tasks.errors import LeaseLostError
from tasks.images import ClaimedImage
from tasks.outbox import ClaimedNotification
from tasks.tables import Cooldown, ImageState, Notification, NotificationState

THRESHOLD = 2.5
COOLDOWN = timedelta(hours=24)
LEASE = timedelta(seconds=60)


def write(engine: Engine, image: ClaimedImage, clock: TurnedClock) -> int | None:
    with engine.begin() as connection:
        return write_in(connection, image, clock)


def write_in(connection: Connection, image: ClaimedImage, clock: TurnedClock) -> int | None:
    return outbox.write(
        connection,
        image,
        f"msg_{image.pk}",
        "{}",
        threshold=THRESHOLD,
        now=clock(),
        cooldown=COOLDOWN,
        deliver_by=clock() + REQUEUE,
    )


def wait_until_blocked(engine: Engine, work: Future[None]) -> None:
    """Until a transaction in another thread waits for a lock, or needed none; SQLite lets it not even begin."""
    while engine.dialect.name == "postgresql" and not work.done():
        with autocommit(engine) as connection:
            if connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                return


def bad_photo(engine: Engine, clock: TurnedClock, image_id: str = "ad1-1") -> int | None:
    image = received_and_claimed(engine, clock(), image_id)
    scored(engine, image, 1.0, clock())
    return write(engine, image, clock)


def good_retake(engine: Engine, clock: TurnedClock, image_id: str = "ad1-2", **fields: str) -> None:
    image = received_and_claimed(engine, clock(), image_id, **{"replaces": "ad1-1", **fields})
    scored(engine, image, 4.5, clock())
    with engine.begin() as connection:
        outbox.answer(connection, image, now=clock())


def take(engine: Engine, pk: int | None, clock: TurnedClock) -> ClaimedNotification | None:
    assert pk is not None
    with engine.begin() as connection:
        return outbox.claim(connection, pk, now=clock(), lease=LEASE)


def taken(engine: Engine, pk: int | None, clock: TurnedClock) -> ClaimedNotification:
    claimed = take(engine, pk, clock)
    assert claimed is not None
    return claimed


def deliver(engine: Engine, pk: int | None, clock: TurnedClock) -> None:
    claimed = taken(engine, pk, clock)
    with engine.begin() as connection:
        outbox.delivered(connection, claimed, 204, now=clock())


def states(engine: Engine) -> list[str]:
    with autocommit(engine) as connection:
        return list(connection.scalars(select(Notification.state).order_by(Notification.id)))


def test_a_bad_photo_gets_a_pending_request(engine: Engine, clock: TurnedClock) -> None:
    pk = bad_photo(engine, clock)
    assert states(engine) == ["pending"]
    claimed = taken(engine, pk, clock)
    assert (claimed.webhook_id, claimed.body, claimed.attempts) == ("msg_1", "{}", 1)


def test_a_further_bad_photo_of_the_ad_is_coalesced_within_the_cooldown(engine: Engine, clock: TurnedClock) -> None:
    assert bad_photo(engine, clock, "ad1-1") is not None
    clock.turn(hours=23)
    assert bad_photo(engine, clock, "ad1-2") is None
    assert bad_photo(engine, clock, "ad2-1") is not None, "another ad is none of its business"
    clock.turn(hours=1)
    assert bad_photo(engine, clock, "ad1-3") is not None
    assert states(engine) == ["pending", "coalesced", "pending", "pending"]


def test_of_many_bad_photos_at_once_one_is_requested(engine: Engine, clock: TurnedClock) -> None:
    photos = [received_and_claimed(engine, clock(), f"ad1-{n}") for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        pks = list(pool.map(lambda image: write(engine, image, clock), photos))
    assert sum(pk is not None for pk in pks) == 1
    assert sorted(states(engine)) == ["coalesced"] * 7 + ["pending"]


def test_a_good_retake_cancels_the_pending_request(engine: Engine, clock: TurnedClock) -> None:
    pk = bad_photo(engine, clock)
    good_retake(engine, clock)
    assert states(engine) == ["superseded"]
    assert take(engine, pk, clock) is None
    assert bad_photo(engine, clock, "ad1-3") is not None, "a request that was never sent starts no cooldown"


def test_a_photo_and_its_good_retake_that_are_stored_at_once_leave_no_request(
    engine: Engine, clock: TurnedClock
) -> None:
    bad = received_and_claimed(engine, clock(), "ad1-1")
    good = received_and_claimed(engine, clock(), "ad1-2", replaces="ad1-1")

    def store_the_good_one() -> None:
        with engine.begin() as connection:
            images.finish(connection, good, ImageState.SCORED, now=clock())
            scores.record(connection, good.pk, content_score(4.5), now=clock())
            outbox.answer(connection, good, now=clock())

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            images.finish(connection, bad, ImageState.SCORED, now=clock())
            write_in(connection, bad, clock)
            stored = pool.submit(store_the_good_one)
            wait_until_blocked(engine, stored)
        stored.result()
    assert states(engine) == ["superseded"]


def test_a_good_retake_answers_the_delivered_request(engine: Engine, clock: TurnedClock) -> None:
    deliver(engine, bad_photo(engine, clock), clock)
    good_retake(engine, clock)
    assert states(engine) == ["answered"]
    assert bad_photo(engine, clock, "ad1-3") is None, "the seller has been asked within the cooldown"


def test_a_good_retake_that_is_scored_first_supersedes_the_request(engine: Engine, clock: TurnedClock) -> None:
    good_retake(engine, clock)
    assert bad_photo(engine, clock) is None
    assert states(engine) == ["superseded"]


@pytest.mark.parametrize("theirs", [{"seller_id": "s2"}, {"ad_id": "ad9"}, {"replaces": "ad1-7"}])
def test_nobody_cancels_the_request_of_another_seller_ad_or_photo(
    engine: Engine, clock: TurnedClock, theirs: dict[str, str]
) -> None:
    bad_photo(engine, clock)
    good_retake(engine, clock, **theirs)
    assert states(engine) == ["pending"]


def test_a_request_delivered_while_a_retake_superseded_it_counts_as_answered(
    engine: Engine, clock: TurnedClock
) -> None:
    in_flight = taken(engine, bad_photo(engine, clock), clock)
    good_retake(engine, clock)
    with engine.begin() as connection:
        outbox.delivered(connection, in_flight, 200, now=clock())
    assert states(engine) == ["answered"]


def test_a_claimed_request_cannot_be_claimed_until_its_lease_ends(engine: Engine, clock: TurnedClock) -> None:
    pk = bad_photo(engine, clock)
    first = taken(engine, pk, clock)
    clock.turn(seconds=59)
    assert take(engine, pk, clock) is None
    clock.turn(seconds=1)
    second = taken(engine, pk, clock)
    assert (first.webhook_id, second.attempts) == (second.webhook_id, 2)
    with pytest.raises(LeaseLostError), engine.begin() as connection:
        outbox.put_off(connection, first, 500, "http_error", until=clock())


def test_a_failed_attempt_waits_for_its_time(engine: Engine, clock: TurnedClock) -> None:
    pk = bad_photo(engine, clock)
    claimed = taken(engine, pk, clock)
    with engine.begin() as connection:
        outbox.put_off(connection, claimed, 503, "http_unavailable", until=clock() + timedelta(minutes=5))
    clock.turn(seconds=299)
    assert take(engine, pk, clock) is None
    clock.turn(seconds=1)
    with engine.begin() as connection:
        assert outbox.take_due(connection, now=clock(), again_at=clock() + REQUEUE, limit=9) == [pk]
    assert taken(engine, pk, clock).attempts == 2


def test_a_dead_request_is_never_due_again_and_frees_its_ad(engine: Engine, clock: TurnedClock) -> None:
    claimed = taken(engine, bad_photo(engine, clock), clock)
    with engine.begin() as connection:
        outbox.bury(connection, claimed, 410, "gone")
    clock.turn(days=30)
    with engine.begin() as connection:
        assert outbox.take_due(connection, now=clock(), again_at=clock(), limit=9) == []
        assert connection.scalar(select(Cooldown.ad_id)) is None
    assert states(engine) == [NotificationState.DEAD]


def test_a_photo_has_one_request_for_ever(engine: Engine, clock: TurnedClock) -> None:
    image = received_and_claimed(engine, clock())
    write(engine, image, clock)
    clock.turn(days=2)
    assert claim(engine, image.pk, clock()) is not None
    with pytest.raises(IntegrityError):
        write(engine, image, clock)
    assert states(engine) == ["pending"]


def test_a_request_without_a_free_slot_is_due_at_the_next_sweep(engine: Engine, clock: TurnedClock) -> None:
    pk = bad_photo(engine, clock)
    assert pk is not None
    with engine.begin() as connection:
        outbox.make_due(connection, pk, now=clock())
        assert outbox.take_due(connection, now=clock(), again_at=clock() + REQUEUE, limit=9) == [pk]


def test_a_request_that_is_being_delivered_is_not_made_due(engine: Engine, clock: TurnedClock) -> None:
    pk = bad_photo(engine, clock)
    taken(engine, pk, clock)
    with engine.begin() as connection:
        outbox.make_due(connection, pk or 0, now=clock())
        assert outbox.take_due(connection, now=clock(), again_at=clock() + REQUEUE, limit=9) == []
