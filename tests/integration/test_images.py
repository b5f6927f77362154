from datetime import timedelta

import pytest
from real_servers import TurnedClock
from rows import REQUEUE, an_event, claim, receive, received_and_claimed
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from tasks import images
from tasks.database import autocommit, make_engine
from tasks.errors import LeaseLostError
from tasks.events import ImageUploaded
from tasks.images import Fault
from tasks.tables import Image, ImageState


def row_of(engine: Engine, pk: int) -> Image:
    with Session(engine) as session:
        return session.scalars(select(Image).where(Image.id == pk)).one()


def take_due(engine: Engine, clock: TurnedClock, limit: int = 10) -> list[int]:
    with engine.begin() as connection:
        return images.take_due(connection, now=clock(), again_at=clock() + REQUEUE, limit=limit)


def test_an_event_becomes_one_row_with_all_it_said(engine: Engine, clock: TurnedClock) -> None:
    event = an_event("ad7-3", replaces="ad7-2", extra={"width": 640, "café": ["☕"]})
    [pk] = receive(engine, clock(), event)
    row = row_of(engine, pk)
    assert (row.ad_id, row.image_id, row.seller_id, row.replaces) == ("ad7", "ad7-3", "s1", "ad7-2")
    assert row.extra == {"width": 640, "café": ["☕"]}
    assert row.state == ImageState.RECEIVED
    assert row.received_at == clock()
    assert row.due_at == clock() + REQUEUE


def test_a_second_copy_of_an_event_changes_nothing(engine: Engine, clock: TurnedClock) -> None:
    event = an_event()
    [pk] = receive(engine, clock(), event)
    changed = ImageUploaded.model_validate(
        {**event.model_dump(), "data": {**event.data.model_dump(), "ad_id": "other"}}
    )
    assert receive(engine, clock.turn(hours=1), changed, an_event("ad2-1"))[0] != pk
    assert row_of(engine, pk).ad_id == "ad1"
    assert row_of(engine, pk).received_at == clock() - timedelta(hours=1)


def test_two_copies_in_one_batch_make_one_row(engine: Engine, clock: TurnedClock) -> None:
    event = an_event()
    assert len(receive(engine, clock(), event, event)) == 1


def test_the_same_id_from_another_source_is_another_event(engine: Engine, clock: TurnedClock) -> None:
    event = an_event()
    other = event.model_copy(update={"source": "/another-service"})
    assert len(receive(engine, clock(), event, other)) == 2


def test_a_claimed_photo_cannot_be_claimed_until_its_lease_ends(engine: Engine, clock: TurnedClock) -> None:
    first = received_and_claimed(engine, clock())
    assert claim(engine, first.pk, clock.turn(seconds=89)) is None
    second = claim(engine, first.pk, clock.turn(seconds=1))
    assert second is not None
    assert (second.attempts, second.crashes) == (2, 1)


def test_only_the_last_claim_can_finish_a_photo(engine: Engine, clock: TurnedClock) -> None:
    first = received_and_claimed(engine, clock())
    second = claim(engine, first.pk, clock.turn(seconds=90))
    assert second is not None
    with pytest.raises(LeaseLostError), engine.begin() as connection:
        images.finish(connection, first, ImageState.REJECTED, now=clock(), fault=Fault("empty", "no bytes"))
    with engine.begin() as connection:
        images.finish(connection, second, ImageState.SCORED, now=clock())
    row = row_of(engine, first.pk)
    assert (row.state, row.error_code, row.due_at, row.finished_at) == ("scored", None, None, clock())


@pytest.mark.parametrize("state", [state for state in ImageState if state is not ImageState.RECEIVED])
def test_a_final_photo_is_never_claimed_nor_due_again(engine: Engine, clock: TurnedClock, state: ImageState) -> None:
    image = received_and_claimed(engine, clock())
    with engine.begin() as connection:
        images.finish(connection, image, state, now=clock())
    clock.turn(days=365)
    assert claim(engine, image.pk, clock()) is None
    assert take_due(engine, clock) == []


def test_a_photo_that_was_put_off_waits_for_its_time(engine: Engine, clock: TurnedClock) -> None:
    image = received_and_claimed(engine, clock())
    until = clock() + timedelta(minutes=5)
    with engine.begin() as connection:
        images.put_off(connection, image, Fault("timeout", "the host is slow" * 1000), until=until)
    assert claim(engine, image.pk, clock.turn(seconds=299)) is None
    assert take_due(engine, clock) == []
    clock.turn(seconds=1)
    assert take_due(engine, clock) == [image.pk]
    again = claim(engine, image.pk, clock())
    assert again is not None
    assert (again.failures, again.crashes, again.error_code) == (1, 0, "timeout")
    assert len(again.error_detail or "") == images.DETAIL_LENGTH


def test_a_crash_counts_as_one(engine: Engine, clock: TurnedClock) -> None:
    image = received_and_claimed(engine, clock())
    with engine.begin() as connection:
        images.put_off(connection, image, Fault("internal", "?"), until=clock(), crashed=True)
    again = claim(engine, image.pk, clock())
    assert again is not None
    assert (again.failures, again.crashes) == (0, 1)


def test_the_sweeper_finds_what_nobody_claimed_and_what_a_dead_worker_claimed(
    engine: Engine, clock: TurnedClock
) -> None:
    pks = receive(engine, clock(), *(an_event(f"ad{n}-1") for n in range(3)))
    claim(engine, pks[0], clock())
    clock.turn(seconds=60)
    assert take_due(engine, clock) == pks[1:]
    assert take_due(engine, clock) == [], "put off for other sweepers"
    clock.turn(seconds=30)
    assert take_due(engine, clock) == pks[:1]


def test_the_sweeper_takes_the_oldest_first_and_no_more_than_it_may(engine: Engine, clock: TurnedClock) -> None:
    [late] = receive(engine, clock() + timedelta(seconds=5), an_event("ad2-1"))
    [early] = receive(engine, clock(), an_event("ad1-1"))
    clock.turn(minutes=10)
    assert take_due(engine, clock, limit=1) == [early]
    assert take_due(engine, clock, limit=1) == [late]


def test_sweepers_at_once_take_different_rows_without_waiting(postgres_url: str, clock: TurnedClock) -> None:
    engine = make_engine(postgres_url)
    pks = receive(engine, clock(), *(an_event(f"ad{n}-1") for n in range(4)))
    clock.turn(minutes=10)
    with engine.begin() as one, engine.begin() as two:
        again = clock() + REQUEUE
        first = images.take_due(one, now=clock(), again_at=again, limit=2)
        second = images.take_due(two, now=clock(), again_at=again, limit=10)
    assert sorted(first + second) == pks
    assert len(first) == 2
    with autocommit(engine) as connection:
        assert connection.scalar(select(Image.id).where(Image.due_at != again)) is None
    engine.dispose()
