"""At most so many pool processes of one worker do something at once."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """Slots that processes share: make them before the fork.

    Each slot is a lock on one byte of a file that has no name. The kernel frees the lock of a process that dies,
    which a semaphore's count would not survive.
    """

    def __init__(self, count: int) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._count = count

    @contextmanager
    def take(self) -> Iterator[bool]:
        """Hold a slot inside the block; False, without waiting, if all are held by other processes."""
        slot = next(filter(self._lock, range(self._count)), None)
        try:
            yield slot is not None
        finally:
            if slot is not None:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, slot)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _lock(self, slot: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        except OSError:
            return False
        return True
