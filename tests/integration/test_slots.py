import multiprocessing
import os
import signal

from worker.slots import Slots

FORK = multiprocessing.get_context("fork")


def test_no_more_processes_than_slots_hold_one_and_a_dead_holder_frees_its_own() -> None:
    slots = Slots(2)
    first, second, third = (Holder(slots) for _ in range(3))
    assert first.takes()
    assert second.takes()
    assert not third.takes()
    second.leave()
    assert third.takes()
    os.kill(first.process.pid or 0, signal.SIGKILL)
    first.process.join()
    fourth = Holder(slots)
    assert fourth.takes()
    for holder in (second, third, fourth):
        holder.end()
    slots.close()


class Holder:
    """A forked process that takes and leaves a slot when told."""

    def __init__(self, slots: Slots) -> None:
        self.here, there = FORK.Pipe()
        self.process = FORK.Process(target=hold, args=(slots, there), daemon=True)
        self.process.start()

    def takes(self) -> bool:
        self.here.send("take")
        return bool(self.here.recv())

    def leave(self) -> None:
        self.here.send("leave")
        assert self.here.recv() == "left"

    def end(self) -> None:
        self.process.terminate()
        self.process.join()


def hold(slots: Slots, pipe: "multiprocessing.connection.Connection[bool | str, str]") -> None:
    while pipe.recv() == "take":
        with slots.take() as free:
            pipe.send(free)
            if not free:
                continue
            pipe.recv()
        pipe.send("left")
