"""Small copies of photos, to be embedded: fetched with the same care as by the worker, within one bound of time."""

import base64
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from io import BytesIO

from PIL import Image, ImageOps

from tasks.decode import DecodedImage
from tasks.errors import DecodeError, FetchError

THREADS = 8
ALL_SECONDS = 60.0
SIDE = 176  # pixels; tiles are half as large on a screen of high density
QUALITY = 68  # of JPEG: about 6 kB


def make_thumbnails(
    urls: Sequence[str],
    fetch: Callable[[str], bytes],
    decode: Callable[[bytes], DecodedImage],
    advance: Callable[[int], None],
) -> list[str | None]:
    """Data URIs in the order of the URLs; None for a photo that is gone, is no photo, or did not come in time."""
    pool = ThreadPoolExecutor(THREADS)
    futures = [pool.submit(fetch, url) for url in urls]
    for future in futures:
        future.add_done_callback(lambda _: advance(1))
    done, _ = wait(futures, ALL_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    # Decoding is for one thread alone.
    return [_thumbnail(future, decode) if future in done else None for future in futures]


def _thumbnail(future: Future[bytes], decode: Callable[[bytes], DecodedImage]) -> str | None:
    try:
        image = decode(future.result()).image
    except (FetchError, DecodeError):
        return None
    buffer = BytesIO()
    ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
