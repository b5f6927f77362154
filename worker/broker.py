"""Questions to the broker: how long its queues are, and which workers answer."""

from typing import Any

from celery import Celery

CONNECT_ATTEMPTS = 1  # beyond the first; a person waits for the answer
WORKERS_ANSWER_SECONDS = 1.0


def queue_depths(app: Celery) -> dict[str, int]:
    """Messages that wait in each queue; those in the hands of workers are not among them.

    Raises:
        kombu.exceptions.OperationalError: the broker is away.
    """
    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=CONNECT_ATTEMPTS, reraise_as_library_errors=True)
        queues: Any = app.amqp.queues
        channel = connection.default_channel
        return {name: queue(channel).queue_declare().message_count for name, queue in queues.items()}


def live_workers(app: Celery) -> list[str]:
    """Names of the workers that answer at once; one that is stopping, or cut off, does not.

    Raises:
        kombu.exceptions.OperationalError: the broker is away.
    """
    answers: Any = app.control.ping(timeout=WORKERS_ANSWER_SECONDS)
    return sorted(name for answer in answers for name in answer)
