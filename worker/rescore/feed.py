"""Feeding the queue of rescores so slowly that photos which have just come are never behind it.

On Redis, a worker takes a message of the last priority only when no queue has another one. RabbitMQ knows no order
among queues: so the queue of rescores is also kept short, and nothing is put on it while uploaded photos wait.
"""

import math
import time
from collections.abc import Callable, Iterator

from celery import Celery
from sqlalchemy import Engine

from tasks.celery_tasks import IMAGES, RESCORES, rescore
from tasks.database import autocommit
from tasks.rescore import ModelFile, keys_without_score
from worker.broker import queue_depths

BATCH = 50
MOST_QUEUED = 50
LAST = 9  # of Redis's priorities, which begin with 0; all else goes with that
MOST_UPLOADS_WAITING = 10  # a few wait at any moment on a busy day
LOOK_AGAIN_SECONDS = 0.5
COUNT_AGAIN_SECONDS = 2.0


def feed(app: Celery, engine: Engine, model: ModelFile, sleep: Callable[[float], None] = time.sleep) -> Iterator[int]:
    """Queue every photo that lacks a score by the model, and yield how many after each batch.

    Raises:
        kombu.exceptions.OperationalError: the broker is away; the next run goes on with what lacks a score then.
    """
    after = 0
    while keys := _keys(engine, model, after):
        after = keys[-1]
        while not _has_room(queue_depths(app)):
            sleep(LOOK_AGAIN_SECONDS)
        with app.producer_or_acquire() as producer:
            for key in keys:
                rescore.apply_async((key, model.path, model.name), producer=producer, priority=LAST)
        yield len(keys)


def wait_until_done(
    app: Celery, left: Callable[[], int], settle: float, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Return how many photos are left without a score: when none are, or `settle` seconds after the queue emptied.

    Those seconds are for what workers have in their hands.
    """
    while queue_depths(app)[RESCORES]:
        sleep(LOOK_AGAIN_SECONDS)
    for _ in range(math.ceil(settle / COUNT_AGAIN_SECONDS)):
        if not left():
            return 0
        sleep(COUNT_AGAIN_SECONDS)
    return left()


def _has_room(depths: dict[str, int]) -> bool:
    return depths[RESCORES] < MOST_QUEUED and depths[IMAGES] <= MOST_UPLOADS_WAITING


def _keys(engine: Engine, model: ModelFile, after: int) -> list[int]:
    with autocommit(engine) as connection:
        return keys_without_score(connection, model.name, after=after, limit=BATCH)
