"""When to try again: a schedule in seconds, jitter, and what the other side asked for."""

import random
from collections.abc import Callable, Sequence

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Standard Webhooks, "Deliverability and reliability": retries over several days, further and further apart.
NOTIFY_SCHEDULE: tuple[float, ...] = (
    5.0,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
FETCH_SCHEDULE: tuple[float, ...] = (10.0, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR)

# gRPC connection backoff protocol: JITTER = 0.2, each wait changed by a random share of up to that.
JITTER = 0.2


def next_delay(
    attempts: int,
    schedule: Sequence[float],
    retry_after: float | None = None,
    jitter: Callable[[], float] = random.random,
) -> float | None:
    """Say how long to wait after a failed attempt.

    Args:
        attempts: how many attempts were made and failed, 1 or more.
        schedule: the waits in seconds, one after each failed attempt.
        retry_after: seconds that the other side asked for; never undercut, but a day at most.
        jitter: gives numbers of the range 0 to 1, evenly spread; 0.5 means the middle of the range.

    Returns:
        Seconds, within `JITTER` of the scheduled wait unless `retry_after` is longer; None when the schedule
        is used up. A wait that the other side chose is only ever lengthened: not all come back at once.
    """
    if attempts > len(schedule):
        return None
    share = jitter()
    scheduled = schedule[attempts - 1] * (1 + JITTER * (2 * share - 1))
    asked = min((retry_after or 0.0) * (1 + JITTER * share), DAY)
    return max(scheduled, asked)
