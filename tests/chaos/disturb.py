"""Does to a running system what operators, kernels and machines do to it."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import psutil

from tests.chaos.dependencies import Postgres, Valkey
from tests.chaos.fleet import Fleet, Service
from tests.chaos.plan import Disturbance, Step


class Disturber:
    """Carries out one step after the other, each when enough photos have settled since the last."""

    def __init__(self, steps: Iterator[Step], fleet: Fleet, valkey: Valkey, postgres: Postgres) -> None:
        self._steps = steps
        self._fleet = fleet
        self._servers: dict[Disturbance, Valkey | Postgres] = {
            Disturbance.VALKEY_KILLED: valkey,
            Disturbance.VALKEY_RESTARTED: valkey,
            Disturbance.POSTGRES_KILLED: postgres,
            Disturbance.POSTGRES_RESTARTED: postgres,
        }
        self._next = next(steps)
        self._due = self._next.after
        self.done: Counter[Disturbance] = Counter()

    def tend(self, settled: int) -> None:
        """Disturb, if it is time."""
        if settled < self._due:
            return
        self._disturb(self._next)
        self.done[self._next.disturbance] += 1
        self._next = next(self._steps)
        self._due = settled + self._next.after

    def _disturb(self, step: Step) -> None:
        match step.disturbance:
            case Disturbance.CHILD_KILLED:
                self._kill_child(step)
            case Disturbance.CONTAINER_KILLED:
                _signal_group(self._one_of("worker", step), signal.SIGKILL)
            case Disturbance.WORKER_KILLED:
                self._one_of("worker", step).process.kill()
            case Disturbance.WORKER_STOPPED:
                self._one_of("worker", step).process.terminate()
            case Disturbance.INGEST_KILLED:
                self._one_of("ingest", step).process.kill()
            case Disturbance.INGEST_STOPPED:
                self._one_of("ingest", step).process.terminate()
            case Disturbance.BEAT_KILLED:
                self._one_of("beat", step).process.kill()
            case _:
                self._bounce(step)

    def _kill_child(self, step: Step) -> None:
        children = self._one_of("worker", step).children()
        if children:
            with suppress(psutil.NoSuchProcess):
                _pick(children, step.target).kill()

    def _bounce(self, step: Step) -> None:
        server = self._servers[step.disturbance]
        if step.disturbance in {Disturbance.VALKEY_KILLED, Disturbance.POSTGRES_KILLED}:
            server.kill()
        else:
            server.stop()
        time.sleep(step.outage)
        server.start()

    def _one_of(self, role: str, step: Step) -> Service:
        service: Service = _pick(self._fleet.of(role), step.target)
        return service


def _pick(choices: Sequence[Any], target: float) -> Any:
    return choices[int(target * len(choices))]


def _signal_group(service: Service, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(service.process.pid, number)
