"""A process that outlives the demo by a moment: if the demo is killed, it ends what the demo had started.

Run as `python guard.py FOLDER`. Its standard input is a pipe that the demo holds open. Each line is a target for
kill(2), a process or, negative, a process group; the word `done` says that the demo has cleaned up by itself. When
the pipe closes without that word the demo is dead: the guard kills every target and removes the folder.
It uses the standard library alone, so that it starts in a few milliseconds.
"""

import os
import shutil
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress

DONE = "done"


def guard(lines: Iterable[str], folder: str) -> None:
    """Read targets until `done`, or until the demo dies; then clean up in its place."""
    targets = []
    for line in lines:
        if line.strip() == DONE:
            return
        targets.append(int(line))
    for target in targets:
        with suppress(ProcessLookupError):
            os.kill(target, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    guard(sys.stdin, sys.argv[1])
