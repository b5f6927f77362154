"""The photo that the benchmarks score: the sample photo at another size."""

import io

from PIL import Image

from worker.demo.photos import SAMPLE

JPEG_QUALITY = 85
MEGAPIXEL = 1_000_000


def jpeg(megapixels: float) -> bytes:
    """The sample photo as a JPEG of so many million pixels."""
    with Image.open(SAMPLE) as sample:
        factor = (megapixels * MEGAPIXEL / (sample.width * sample.height)) ** 0.5
        size = round(sample.width * factor), round(sample.height * factor)
        out = io.BytesIO()
        sample.resize(size, Image.Resampling.LANCZOS).save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
