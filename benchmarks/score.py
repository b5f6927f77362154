"""From bytes to score against its floor: libjpeg-turbo's scaled decode, and a bare invoke."""

import io
from collections.abc import Callable
from statistics import median
from timeit import timeit

from PIL import Image

from benchmarks.photo import jpeg
from models.judge import Judge
from models.location import DEFAULT_MODEL
from models.preprocess import to_input
from models.runtime import Runtime
from tasks.decode import decode

ROUNDS = 300
WARM_UP = 20
DRAFT = (448, 448)


def measure() -> dict[str, float]:
    """Milliseconds for a 2 MP JPEG, floor and ours in turn, so that both see the same machine."""
    data = jpeg(2.0)
    judge, runtime = Judge(), Runtime(DEFAULT_MODEL)
    pixels = to_input(decode(data).image)

    def floor() -> None:
        _scaled_decode(data)
        runtime.invoke(pixels)

    def ours() -> None:
        judge.judge(decode(data).image)

    pairs = [(_milliseconds(floor), _milliseconds(ours)) for _ in range(WARM_UP + ROUNDS)][WARM_UP:]
    return {
        "floor (scaled decode, invoke), ms": median(pair[0] for pair in pairs),
        "bytes to score, ms": median(pair[1] for pair in pairs),
        "bytes to score / floor": median(pair[1] / pair[0] for pair in pairs),
        "invoke alone, ms": median(_milliseconds(lambda: runtime.invoke(pixels)) for _ in range(ROUNDS)),
    }


def _scaled_decode(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", DRAFT)
        image.load()


def _milliseconds(work: Callable[[], object]) -> float:
    return timeit(work, number=1) * 1000
