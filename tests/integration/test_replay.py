from datetime import timedelta

import pytest
from real_servers import TurnedClock
from rows import LEASE, REQUEUE, an_event, claim, receive, received_and_claimed, scored
from sqlalchemy import Engine, select

from tasks import dead_letters, images, outbox
from tasks.database import autocommit
from tasks.dead_letters import MAX_BODY_BYTES, Letter
from tasks.images import Fault
from tasks.replay import letters, photos, requests
from tasks.replay.selection import Selection, chunks
from tasks.tables import Cooldown, DeadLetter, Image, ImageState, Notification

COOLDOWN = timedelta(hours=24)


def give_up(engine: Engine, clock: TurnedClock, image_id: str, state: ImageState, code: str) -> int:
    image = received_and_claimed(engine, clock(), image_id)
    with engine.begin() as connection:
        images.finish(connection, image, state, now=clock(), fault=Fault(code, "because"))
    return image.pk


def refuse(engine: Engine, clock: TurnedClock, *bodies: bytes, code: str = "event_not_json") -> None:
    with engine.begin() as connection:
        batch = [
            Letter("ad-images", f"{clock().timestamp():.0f}-{n}", body, code, "?") for n, body in enumerate(bodies)
        ]
        dead_letters.bury(connection, batch, now=clock())


def dead_request(engine: Engine, clock: TurnedClock, image_id: str = "ad1-1", code: str = "http_error") -> int:
    image = received_and_claimed(engine, clock(), image_id)
    scored(engine, image, 1.0, clock())
    with engine.begin() as connection:
        pk = outbox.write(
            connection,
            image,
            f"msg_{image_id}",
            "{}",
            threshold=2.5,
            now=clock(),
            cooldown=COOLDOWN,
            deliver_by=clock(),
        )
        assert pk is not None
        taken = outbox.claim(connection, pk, now=clock(), lease=LEASE)
        assert taken is not None
        outbox.bury(connection, taken, 500, code)
    return pk


def replay_request(engine: Engine, clock: TurnedClock, *keys: int) -> dict[str, int]:
    with engine.begin() as connection:
        return dict(requests.replay(connection, keys, threshold=2.5, now=clock(), cooldown=COOLDOWN))


def test_refused_events_are_found_newest_first_without_those_that_were_replayed(
    engine: Engine, clock: TurnedClock
) -> None:
    refuse(engine, clock, b"one", b"two", b"three")
    with engine.begin() as connection:
        letters.mark(connection, [2], now=clock())
        found = letters.find(connection, Selection(), 10)
        assert [(each.id, each.size) for each in found] == [(3, 5), (1, 3)]
        assert [each.id for each in letters.find(connection, Selection(ids=[2]), 10)] == [2]
        assert letters.keys(connection, Selection(ids=[1, 2, 3])) == [1, 3]
        assert letters.bodies(connection, [1, 2, 3]) == [(1, "ad-images", b"one"), (3, "ad-images", b"three")]


def test_refused_events_are_chosen_by_code_and_age(engine: Engine, clock: TurnedClock) -> None:
    refuse(engine, clock, b"old")
    clock.turn(hours=1)
    refuse(engine, clock, b"new")
    clock.turn(seconds=1)
    refuse(engine, clock, b"other", code="event_url")
    since = clock() - timedelta(minutes=1)
    with autocommit(engine) as connection:
        assert letters.keys(connection, Selection(codes=["event_not_json"], since=since)) == [2]
        assert letters.keys(connection, Selection(codes=["event_url", "event_not_json"])) == [1, 2, 3]


def test_an_event_whose_bytes_were_cut_is_shown_but_not_replayed(engine: Engine, clock: TurnedClock) -> None:
    refuse(engine, clock, b"x" * (MAX_BODY_BYTES + 5))
    with autocommit(engine) as connection:
        [found] = letters.find(connection, Selection(), 10)
        assert not found.is_whole
        assert letters.keys(connection, Selection()) == []


def test_a_replayed_photo_starts_anew_and_is_due_at_once(engine: Engine, clock: TurnedClock) -> None:
    failed = give_up(engine, clock, "ad1-1", ImageState.FAILED, "internal")
    clock.turn(minutes=5)
    with engine.begin() as connection:
        assert photos.replay(connection, [failed], now=clock()) == 1
        assert images.take_due(connection, now=clock(), again_at=clock() + REQUEUE, limit=5) == [failed]
    claimed = claim(engine, failed, clock())
    assert claimed is not None
    assert (claimed.attempts, claimed.crashes, claimed.failures, claimed.error_code) == (1, 0, 0, None)


def test_only_photos_that_were_given_up_are_replayed(engine: Engine, clock: TurnedClock) -> None:
    done = received_and_claimed(engine, clock(), "ad1-1")
    scored(engine, done, 4.0, clock())
    [open_one] = receive(engine, clock(), an_event("ad2-1"))
    with engine.begin() as connection:
        assert photos.keys(connection, Selection(ids=[done.pk, open_one])) == []
        assert photos.replay(connection, [done.pk, open_one], now=clock()) == 0
        assert connection.scalars(select(Image.state).order_by(Image.id)).all() == ["scored", "received"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), [1, 2, 3]),
        (Selection(states=["unreachable"]), [2]),
        (Selection(codes=["truncated", "timeout"]), [2, 3]),
        (Selection(ad_id="ad3"), [3]),
        (Selection(ad_id="ad"), []),
        (Selection(ids=[1, 3], codes=["truncated"]), [3]),
    ],
)
def test_photos_are_chosen_by_every_filter(
    engine: Engine, clock: TurnedClock, selection: Selection, expected: list[int]
) -> None:
    give_up(engine, clock, "ad1-1", ImageState.FAILED, "internal")
    give_up(engine, clock, "ad2-1", ImageState.UNREACHABLE, "timeout")
    give_up(engine, clock, "ad3-1", ImageState.REJECTED, "truncated")
    with autocommit(engine) as connection:
        assert photos.keys(connection, selection) == expected
        assert sorted(each.id for each in photos.find(connection, selection, 10)) == expected


def test_photos_are_chosen_by_when_they_were_given_up(engine: Engine, clock: TurnedClock) -> None:
    give_up(engine, clock, "ad1-1", ImageState.FAILED, "internal")
    clock.turn(hours=2)
    give_up(engine, clock, "ad2-1", ImageState.FAILED, "internal")
    with autocommit(engine) as connection:
        assert photos.keys(connection, Selection(since=clock() - timedelta(hours=1))) == [2]
        assert [each.image_id for each in photos.find(connection, Selection(), limit=1)] == ["ad2-1"]


def test_a_dead_request_is_pending_again_under_the_same_webhook_id(engine: Engine, clock: TurnedClock) -> None:
    pk = dead_request(engine, clock)
    clock.turn(days=2)
    assert replay_request(engine, clock, pk) == {"pending": 1}
    with engine.begin() as connection:
        assert outbox.take_due(connection, now=clock(), again_at=clock() + REQUEUE, limit=5) == [pk]
        taken = outbox.claim(connection, pk, now=clock(), lease=LEASE)
    assert taken is not None
    assert (taken.webhook_id, taken.attempts) == ("msg_ad1-1", 1)


def test_a_replayed_request_starts_the_cooldown_of_its_ad(engine: Engine, clock: TurnedClock) -> None:
    pk = dead_request(engine, clock)
    replay_request(engine, clock, pk)
    with autocommit(engine) as connection:
        assert connection.scalar(select(Cooldown.until)) == clock() + COOLDOWN


def test_a_request_is_not_replayed_when_its_ad_has_had_another_one(engine: Engine, clock: TurnedClock) -> None:
    first, second = dead_request(engine, clock, "ad1-1"), dead_request(engine, clock, "ad1-2")
    assert replay_request(engine, clock, first, second) == {"pending": 1, "coalesced": 1}
    with autocommit(engine) as connection:
        states = connection.scalars(select(Notification.state).order_by(Notification.id)).all()
        assert states == ["pending", "coalesced"]


def test_a_request_is_not_replayed_when_a_good_retake_came(engine: Engine, clock: TurnedClock) -> None:
    pk = dead_request(engine, clock, "ad1-1")
    retake = received_and_claimed(engine, clock(), "ad1-2", replaces="ad1-1")
    scored(engine, retake, 4.5, clock())
    assert replay_request(engine, clock, pk) == {"superseded": 1}


def test_a_request_that_is_not_dead_stays_as_it_is(engine: Engine, clock: TurnedClock) -> None:
    pk = dead_request(engine, clock)
    assert replay_request(engine, clock, pk) == {"pending": 1}
    assert replay_request(engine, clock, pk, 99) == {}


@pytest.mark.parametrize(
    ("selection", "found", "dead"),
    [
        (Selection(), [1, 2, 3], [1, 3]),
        (Selection(states=["pending"]), [2], []),
        (Selection(codes=["gone"]), [3], [3]),
        (Selection(ad_id="ad1"), [1], [1]),
        (Selection(ids=[2, 3]), [2, 3], [3]),
        (Selection(since=None, states=["delivered"]), [], []),
    ],
)
def test_requests_are_chosen_by_every_filter(
    engine: Engine, clock: TurnedClock, selection: Selection, found: list[int], dead: list[int]
) -> None:
    dead_request(engine, clock, "ad1-1")
    replay_request(engine, clock, dead_request(engine, clock, "ad2-1"))
    dead_request(engine, clock, "ad3-1", code="gone")
    with autocommit(engine) as connection:
        assert sorted(each.id for each in requests.find(connection, selection, 10)) == found
        assert requests.dead_keys(connection, selection) == dead


def test_requests_are_chosen_by_age(engine: Engine, clock: TurnedClock) -> None:
    dead_request(engine, clock, "ad1-1")
    clock.turn(hours=2)
    dead_request(engine, clock, "ad2-1")
    with autocommit(engine) as connection:
        [found] = requests.find(connection, Selection(since=clock() - timedelta(hours=1)), 10)
    assert (found.image_id, found.seller_id, found.state, found.last_status) == ("ad2-1", "s1", "dead", 500)


def test_replayed_letters_are_marked_once(engine: Engine, clock: TurnedClock) -> None:
    refuse(engine, clock, b"one")
    with engine.begin() as connection:
        letters.mark(connection, [1], now=clock())
        letters.mark(connection, [1], now=clock.turn(hours=1))
        assert connection.scalar(select(DeadLetter.replayed_at)) == clock() - timedelta(hours=1)
        assert letters.body(connection, 1) == b"one"
        assert letters.body(connection, 2) is None


def test_keys_are_cut_into_chunks() -> None:
    assert [list(some) for some in chunks(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert list(chunks([], 2)) == []
