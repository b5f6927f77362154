"""`retake worker`, but for a decoder in which a marked photo sets off what a defect of a C library might do."""

import os
import signal
import time

from tasks.decode import DecodedImage, decode
from tasks.decode.decoder import MAX_PIXELS
from worker import composition
from worker.cli import app


def poisoned_decode(data: bytes, max_pixels: int = MAX_PIXELS) -> DecodedImage:
    if b"poison:abort" in data:
        os.abort()
    if b"poison:hang" in data:  # deaf to the soft limit, as native code is
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        time.sleep(3600)
    if b"poison:slow" in data:
        time.sleep(3600)
    if b"poison:memory" in data:
        bytearray(4_000_000_000)
    return decode(data, max_pixels)


composition.decode = poisoned_decode  # type: ignore[attr-defined]
app(["worker"])
