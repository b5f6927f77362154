import json
from datetime import timedelta

from real_servers import TurnedClock
from rows import an_event, receive, received_and_claimed, scored
from sqlalchemy import Engine, func, select

from tasks import dead_letters, outbox
from tasks.database import autocommit
from tasks.dead_letters import Letter
from tasks.forget import LETTERS_AT_ONCE, PHOTOS_AT_ONCE, Erased, find_rows, forget
from tasks.tables import Cooldown, DeadLetter, Image, Notification, Score


def bad_photo(engine: Engine, clock: TurnedClock, image_id: str, seller_id: str) -> None:
    image = received_and_claimed(engine, clock(), image_id, seller_id=seller_id)
    scored(engine, image, 1.0, clock())
    with engine.begin() as connection:
        outbox.write(
            connection,
            image,
            f"msg_{image_id}",
            "{}",
            threshold=2.5,
            now=clock(),
            cooldown=timedelta(1),
            deliver_by=clock(),
        )


def refuse(engine: Engine, clock: TurnedClock, *bodies: bytes) -> None:
    with engine.begin() as connection:
        batch = [Letter("ad-images", f"1-{n}", body, "event_invalid", "?") for n, body in enumerate(bodies)]
        dead_letters.bury(connection, batch, now=clock())


def count(engine: Engine) -> dict[str, int]:
    with autocommit(engine) as connection:
        return {
            table.__tablename__: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (Image, Score, Notification, Cooldown, DeadLetter)
        }


def test_everything_of_a_seller_goes_and_nothing_of_another(engine: Engine, clock: TurnedClock) -> None:
    bad_photo(engine, clock, "ad1-1", "s1")
    bad_photo(engine, clock, "ad2-1", "s2")
    refuse(engine, clock, json.dumps({"data": {"seller_id": "s1"}}).encode(), b'{"data":{"seller_id":"s2"}}')
    expected = Erased(photos=1, scores=1, requests=1, cooldowns=1, letters=1)

    assert find_rows(engine, "s1") == expected
    assert sum(forget(engine, "s1"), Erased()) == expected
    assert set(count(engine).values()) == {1}
    with autocommit(engine) as connection:
        assert connection.scalar(select(Image.seller_id)) == "s2"
        assert connection.scalar(select(DeadLetter.body)) == b'{"data":{"seller_id":"s2"}}'
    assert find_rows(engine, "s1") == Erased()


def test_a_seller_of_many_photos_goes_in_several_transactions(engine: Engine, clock: TurnedClock) -> None:
    receive(engine, clock(), *(an_event(f"ad{n}-1") for n in range(PHOTOS_AT_ONCE + 1)))
    assert [erased.photos for erased in forget(engine, "s1")] == [PHOTOS_AT_ONCE, 1]
    assert count(engine)["images"] == 0


def test_letters_are_read_to_the_last(engine: Engine, clock: TurnedClock) -> None:
    refuse(engine, clock, *(b'{"data":{"seller_id":"s1"}}' for _ in range(2 * LETTERS_AT_ONCE + 1)))
    assert sum(forget(engine, "s1"), Erased()).letters == 2 * LETTERS_AT_ONCE + 1
    assert count(engine)["dead_letters"] == 0


def test_a_letter_that_does_not_parse_is_left_and_named(engine: Engine, clock: TurnedClock) -> None:
    odd = [b'{"data":{"seller_id":"s1"', b"[1]", b'{"data":"s1"}', b"\xff", b"[" * 100_000, b'{"data":{"seller_id":7}}']
    refuse(engine, clock, *odd)
    erased = sum(forget(engine, "s1"), Erased())
    assert (erased.letters, erased.unclear_letters) == (0, (1, 3))
    assert count(engine)["dead_letters"] == len(odd)
    assert sum(forget(engine, "7"), Erased()).letters == 1
