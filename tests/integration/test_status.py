from datetime import timedelta

from real_servers import TurnedClock
from rows import LEASE, an_event, claim, receive, received_and_claimed, scored
from sqlalchemy import Engine

from tasks import dead_letters, images, outbox
from tasks.database import autocommit
from tasks.dead_letters import Letter
from tasks.images import Fault
from tasks.replay import letters
from tasks.status import Backlog, Standing, read_standing
from tasks.tables import ImageState


def look(engine: Engine, clock: TurnedClock) -> Standing:
    with autocommit(engine) as connection:
        return read_standing(connection, clock())


def test_an_empty_database_has_nothing_to_tell(engine: Engine, clock: TurnedClock) -> None:
    nothing = Backlog(0, 0, 0, None)
    assert look(engine, clock) == Standing(nothing, nothing, {1: {}, 5: {}, 15: {}}, 0, 0)


def test_open_photos_are_told_by_what_they_wait_for(engine: Engine, clock: TurnedClock) -> None:
    pks = receive(engine, clock(), *(an_event(f"ad{n}-1") for n in range(4)))
    clock.turn(seconds=30)
    claim(engine, pks[0], clock())
    slow = claim(engine, pks[1], clock())
    assert slow is not None
    with engine.begin() as connection:
        images.put_off(connection, slow, Fault("timeout", "?"), until=clock() + timedelta(minutes=5))
    assert look(engine, clock).photos == Backlog(ready=2, claimed=1, retrying=1, oldest_seconds=30)
    clock.turn(minutes=6)
    assert look(engine, clock).photos == Backlog(ready=4, claimed=0, retrying=0, oldest_seconds=390)


def test_finished_photos_are_counted_by_state_and_minutes(engine: Engine, clock: TurnedClock) -> None:
    for minutes, image_id in ((0, "ad1-1"), (10, "ad2-1"), (4, "ad3-1")):
        clock.turn(minutes=minutes)
        scored(engine, received_and_claimed(engine, clock(), image_id), 4.0, clock())
    bad = received_and_claimed(engine, clock(), "ad4-1")
    with engine.begin() as connection:
        images.finish(connection, bad, ImageState.REJECTED, now=clock(), fault=Fault("empty", "?"))
    assert look(engine, clock).finished == {
        1: {"scored": 1, "rejected": 1},
        5: {"scored": 2, "rejected": 1},
        15: {"scored": 3, "rejected": 1},
    }


def test_requests_and_dead_letters_are_counted(engine: Engine, clock: TurnedClock) -> None:
    taken = []
    for image_id in ("ad1-1", "ad2-1"):
        image = received_and_claimed(engine, clock(), image_id)
        scored(engine, image, 1.0, clock())
        with engine.begin() as connection:
            pk = outbox.write(
                connection, image, image_id, "{}", threshold=2.5, now=clock(), cooldown=LEASE, deliver_by=clock()
            )
            assert pk is not None
            taken.append(outbox.claim(connection, pk, now=clock(), lease=LEASE))
    with engine.begin() as connection:
        assert taken[0] is not None
        outbox.bury(connection, taken[0], 410, "gone")
        batch = [Letter("ad-images", f"1-{n}", b"?", "event_not_json", "?") for n in range(3)]
        dead_letters.bury(connection, batch, now=clock())
        letters.mark(connection, [2], now=clock())
    clock.turn(seconds=7)
    standing = look(engine, clock)
    assert standing.requests == Backlog(ready=0, claimed=1, retrying=0, oldest_seconds=7)
    assert (standing.dead_requests, standing.dead_letters) == (1, 2)
