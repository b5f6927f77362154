"""What one pool process of a worker holds after many photos of different sizes."""

import psutil
from rich.progress import Progress

from benchmarks.servers import image_host
from benchmarks.worker_path import MEBIBYTE, Run, drain

PHOTOS = 2000
SIZES = (0.3, 1, 2) * 6 + (0.3, 12)
"""Megapixels: one photo of twenty is as large as a phone takes them."""


def measure(progress: Progress) -> dict[str, float]:
    """Resident MiB of a worker's only pool process, after its first photos and after 2,000."""
    seen: list[float] = []

    def look(parent: psutil.Process) -> None:
        (child,) = parent.children()
        seen.append(child.memory_info().rss / MEBIBYTE)

    with image_host(megapixels=SIZES) as host:
        drain(Run("sqlite", host, PHOTOS, children=1), progress, look)
    return {"resident after the first photos, MiB": seen[0], f"resident after {PHOTOS} photos, MiB": seen[-1]}
