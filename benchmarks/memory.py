"""What one pool process holds after many photos of different sizes."""

import multiprocessing

import psutil

from benchmarks.photo import jpeg
from models.judge import Judge
from tasks.decode import decode

PHOTOS = 2000
MEGAPIXELS = (0.3, 1, 2, 12)
MEBIBYTE = 2**20
EVERY = 20  # photos, one of them of the largest size


def measure() -> dict[str, float]:
    """Resident MiB of a process with all of the worker's modules, at its start and after 2,000 photos."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        start, end = pool.apply(_work)
    return {"resident at start, MiB": start, f"resident after {PHOTOS} photos, MiB": end}


def _work() -> tuple[float, float]:
    import worker.processes  # noqa: F401, PLC0415 - as in a pool process

    *small, large = map(jpeg, MEGAPIXELS)
    judge = Judge()
    judge.judge(decode(large).image)
    start = _resident()
    for n in range(PHOTOS):
        judge.judge(decode(large if n % EVERY == 0 else small[n % len(small)]).image)
    return start, _resident()


def _resident() -> float:
    return psutil.Process().memory_info().rss / MEBIBYTE
