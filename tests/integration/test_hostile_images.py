"""Files made to crash, hang or swell the worker: each gets an answer in time and in bounded memory.

Every file is decoded in a child process, which a crash, the time limit or the memory limit would end; that
breaks the pool and so the test.
"""

import io
import multiprocessing
import os
import struct
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import hostile_child
import pytest
from hostile_child import with_checksums
from PIL import Image

from tasks.decode.decoder import MAX_PIXELS

SDIST = Path(__file__).parents[2] / "build" / "hostile" / "pillow-13.0.0.tar.gz"
TIME_LIMIT = 30  # seconds for one file on a loaded machine; the slowest takes about 2 on an idle one
BYTES_PER_PIXEL = 16  # WebP is the dearest: two canvases, the copy handed over and Pillow's own, four bytes each
OVERHEAD = 64 * 2**20  # bytes: file, libraries and what the allocator keeps
MUTANTS = 2_000  # for each valid file
BATCH = 250


def pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hostile_child"])  # imported once, forked cheaply for each file
    return ProcessPoolExecutor(
        workers,
        mp_context=context,
        initializer=hostile_child.limit,
        initargs=(TIME_LIMIT, 4 * 2**30),
    )


@pytest.fixture(scope="module")
def children() -> Iterator[ProcessPoolExecutor]:
    with pool(min(2, os.cpu_count() or 1)) as executor:
        yield executor


@pytest.fixture
def fresh_child() -> Iterator[ProcessPoolExecutor]:
    """A new process for each file, so that its resident peak is that file's own."""
    with pool(1) as executor:
        yield executor


def noise(width: int = 96, height: int = 64) -> Image.Image:
    return Image.effect_noise((width, height), 60).convert("RGB")


def encode(image: Image.Image, format: str, **options: Any) -> bytes:  # noqa: A002 - Pillow's name
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def bound(pixels: int) -> int:
    return BYTES_PER_PIXEL * pixels + OVERHEAD


# Pillow's own collection


def pillows_files() -> Iterator[tuple[str, bytes]]:
    if not SDIST.exists():
        pytest.fail(f"{SDIST} is missing: `make test` fetches it first")
    with tarfile.open(SDIST) as sdist:
        for member in sdist:
            if member.isfile() and "/Tests/images/" in member.name:
                file = sdist.extractfile(member)
                assert file is not None
                yield member.name.partition("/Tests/images/")[2], file.read()


def test_every_file_of_pillows_own_collection_gets_an_answer(children: ProcessPoolExecutor) -> None:
    files = dict(pillows_files())
    verdicts = dict(zip(files, children.map(hostile_child.judge, files.values(), chunksize=20), strict=True))
    codes = Counter(it.code for it in verdicts.values())
    assert codes.total() > 1_000
    assert codes["ok"] > 500, "most are sound pictures in formats that are read"
    assert set(codes) == {"ok", "not_an_image", "unsupported_format", "corrupt", "truncated", "too_many_pixels"}
    assert max(it.peak for it in verdicts.values()) < bound(MAX_PIXELS)
    readable = (".jpg", ".png", ".webp", ".avif", ".gif", ".mpo", ".heif", ".apng", ".avifs")
    other = (".bmp", ".tif", ".tiff", ".psd", ".eps", ".ico", ".tga", ".fli", ".dds", ".j2k", ".jp2", ".pdf")
    assert {name for name, it in verdicts.items() if name.endswith(other) and it.code == "ok"} == set()
    refused = {name: it.code for name, it in verdicts.items() if name.endswith(readable) and it.code != "ok"}
    assert set(refused.values()) <= {"corrupt", "truncated", "too_many_pixels"}
    assert len(refused) < 20, refused


# Mutants

VALID: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encode(noise(), "JPEG"),
    "progressive JPEG": lambda: encode(noise(), "JPEG", progressive=True),
    "CMYK JPEG": lambda: encode(noise().convert("CMYK"), "JPEG"),
    "MPO": lambda: encode(noise(), "MPO", save_all=True, append_images=[noise()]),
    "PNG": lambda: encode(noise(), "PNG"),
    "palette PNG": lambda: encode(noise().quantize(16), "PNG", transparency=1),
    "APNG": lambda: encode(noise(), "PNG", save_all=True, append_images=[noise()]),
    "WebP": lambda: encode(noise(), "WEBP"),
    "lossless WebP": lambda: encode(noise().convert("RGBA"), "WEBP", lossless=True),
    "animated WebP": lambda: encode(noise(), "WEBP", save_all=True, append_images=[noise()]),
    "AVIF": lambda: encode(noise(), "AVIF"),
    "AVIF sequence": lambda: encode(noise(), "AVIF", save_all=True, append_images=[noise()]),
    "HEIC": lambda: encode(noise(), "HEIF"),
    "GIF": lambda: encode(noise(), "GIF"),
    "animated GIF": lambda: encode(noise(), "GIF", save_all=True, append_images=[noise()]),
}


@pytest.mark.parametrize("kind", VALID)
def test_every_mutant_gets_an_answer(children: ProcessPoolExecutor, kind: str) -> None:
    data = VALID[kind]()
    batches = [range(first, first + BATCH) for first in range(0, MUTANTS, BATCH)]
    results = list(children.map(hostile_child.judge_mutants, [data] * len(batches), batches))
    codes = sum((codes for codes, _ in results), Counter[str]())
    assert codes.total() == MUTANTS
    assert codes["ok"], "some damage must get past the parsers to the decoder"
    assert codes["corrupt"]
    assert max(peak for _, peak in results) < bound(MAX_PIXELS)


# Bombs


def png_header(width: int, height: int, depth: int = 8, colour: int = 6) -> bytes:
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + ihdr + struct.pack(">I", zlib.crc32(ihdr))


def png(width: int, height: int, depth: int = 8, colour: int = 6) -> bytes:
    """A black PNG, compressed a thousandfold; colour 0 is grey, 6 is RGBA."""
    row = bytes(1 + width * depth * {0: 1, 6: 4}[colour] // 8)
    packer = zlib.compressobj(9)
    idat = b"IDAT" + b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    body = struct.pack(">I", len(idat) - 4) + idat + struct.pack(">I", zlib.crc32(idat))
    return png_header(width, height, depth, colour) + body + bytes(4) + b"IEND\xaeB`\x82"


def lossless_webp(width: int, height: int) -> bytes:
    """A WebP of one colour: 34 bytes, whatever the size it claims."""
    data = bytearray(encode(Image.new("RGB", (16, 16)), "WEBP", lossless=True))
    at = data.index(b"VP8L") + 9
    [bits] = struct.unpack_from("<I", data, at)
    struct.pack_into("<I", data, at, bits & 0xF0000000 | (height - 1) << 14 | (width - 1))
    return bytes(data)


def with_claim(data: bytes, width: int, height: int) -> bytes:
    """An AVIF or HEIC whose boxes claim another size than its pixels have."""
    claim, at = bytearray(data), -1
    while (at := claim.find(b"ispe", at + 1)) >= 0:
        struct.pack_into(">II", claim, at + 8, width, height)
    return bytes(claim)


def jpeg_with_claim(data: bytes, width: int, height: int) -> bytes:
    claim = bytearray(data)
    at = next(claim.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in claim)
    struct.pack_into(">HH", claim, at + 5, height, width)
    return bytes(claim)


def gif_with_claim(data: bytes, width: int, height: int) -> bytes:
    return data[:6] + struct.pack("<HH", width, height) + data[10:]


def png_with_claim(data: bytes, width: int, height: int) -> bytes:
    return with_checksums(data[:16] + struct.pack(">II", width, height) + data[24:])


TOO_BIG: dict[str, Callable[[], bytes]] = {
    "PNG of 400 MP": lambda: png(20_000, 20_000, depth=1, colour=0),
    "PNG of 2 billion columns": lambda: png_with_claim(encode(noise(), "PNG"), 0x7FFFFFFF, 1),
    "PNG one pixel wide": lambda: png_with_claim(encode(noise(), "PNG"), 1, 64_000_000),
    "JPEG of 4,290 MP": lambda: jpeg_with_claim(encode(noise(), "JPEG"), 65_500, 65_500),
    "progressive JPEG": lambda: jpeg_with_claim(encode(noise(), "JPEG", progressive=True), 65_500, 65_500),
    "WebP of 268 MP": lambda: lossless_webp(16_383, 16_383),
    "WebP of 81 MP": lambda: lossless_webp(9_000, 9_000),
    "AVIF": lambda: with_claim(encode(noise(), "AVIF"), 16_000, 16_000),
    "HEIC": lambda: with_claim(encode(noise(), "HEIF"), 16_000, 16_000),
    "GIF of 4,294 MP": lambda: gif_with_claim(encode(noise(), "GIF"), 65_535, 65_535),
}


@pytest.mark.parametrize("kind", TOO_BIG)
def test_a_claim_above_the_limit_costs_no_memory(fresh_child: ProcessPoolExecutor, kind: str) -> None:
    verdict = fresh_child.submit(hostile_child.judge, TOO_BIG[kind]()).result()
    assert verdict.code == "too_many_pixels"
    assert verdict.peak < OVERHEAD


LARGEST: dict[str, tuple[Callable[[], bytes], int]] = {
    "PNG, 16-bit RGBA": (lambda: png(8_000, 8_000, depth=16), MAX_PIXELS),
    "PNG, grey": (lambda: png(8_000, 8_000, depth=8, colour=0), MAX_PIXELS),
    "WebP": (lambda: lossless_webp(8_000, 8_000), MAX_PIXELS),
    "JPEG": (lambda: encode(Image.new("RGB", (8_000, 8_000)), "JPEG"), MAX_PIXELS),
    "GIF": (lambda: encode(Image.new("P", (8_000, 8_000)), "GIF"), MAX_PIXELS),
    "progressive CMYK JPEG": (
        lambda: encode(Image.new("CMYK", (4_000, 4_000)), "JPEG", progressive=True, subsampling=0),
        16_000_000,
    ),
    "AVIF, 4:4:4 with alpha": (
        lambda: encode(Image.new("RGBA", (4_000, 4_000)), "AVIF", speed=10, subsampling="4:4:4"),
        16_000_000,
    ),
    "HEIC": (lambda: encode(Image.new("RGB", (1_600, 1_600)), "HEIF", quality=10), 2_560_000),
}


@pytest.mark.parametrize("kind", LARGEST)
def test_the_largest_photo_allowed_stays_within_the_bound(fresh_child: ProcessPoolExecutor, kind: str) -> None:
    make, pixels = LARGEST[kind]
    verdict = fresh_child.submit(hostile_child.judge, make()).result()
    assert verdict.code == "ok"
    assert verdict.size[0] * verdict.size[1] == pixels
    assert verdict.peak < bound(pixels)


@pytest.mark.parametrize("kind", ["PNG, 16-bit RGBA", "GIF"])
def test_a_sound_photo_that_there_is_no_room_for_is_not_called_damaged(
    fresh_child: ProcessPoolExecutor, kind: str
) -> None:
    make, _ = LARGEST[kind]
    with pytest.raises(MemoryError):
        fresh_child.submit(hostile_child.judge_within, make(), OVERHEAD).result()


def frames(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (16, 16), (number % 256, number // 256, 0)) for number in range(count)]


@pytest.mark.parametrize(
    ("format", "count", "options"),
    [
        ("GIF", 10_000, {}),
        ("PNG", 10_000, {}),
        ("WEBP", 10_000, {"method": 0}),
        ("AVIF", 1_000, {"speed": 10}),  # slow to make
    ],
)
def test_of_ten_thousand_frames_one_is_decoded(
    fresh_child: ProcessPoolExecutor,
    format: str,  # noqa: A002
    count: int,
    options: dict[str, Any],
) -> None:
    first, *others = frames(count)
    many = encode(first, format, save_all=True, append_images=others, **options)
    verdict = fresh_child.submit(hostile_child.judge, many).result()
    assert (verdict.code, verdict.size) == ("ok", (16, 16))
    assert verdict.peak < OVERHEAD


# Lies and polyglots

LYING_HEADERS: dict[str, Callable[[], bytes]] = {
    "JPEG, more": lambda: jpeg_with_claim(encode(noise(), "JPEG"), 4_000, 4_000),
    "JPEG, less": lambda: jpeg_with_claim(encode(noise(), "JPEG"), 8, 8),
    "JPEG, nothing": lambda: jpeg_with_claim(encode(noise(), "JPEG"), 0, 0),
    "PNG, more": lambda: png_with_claim(encode(noise(), "PNG"), 4_000, 4_000),
    "PNG, less": lambda: png_with_claim(encode(noise(), "PNG"), 8, 8),
    "PNG, nothing": lambda: png_with_claim(encode(noise(), "PNG"), 0, 0),
    "WebP, more": lambda: lossless_webp(4_000, 4_000),
    "GIF, more": lambda: gif_with_claim(encode(noise(), "GIF"), 4_000, 4_000),
    "GIF, less": lambda: gif_with_claim(encode(noise(), "GIF"), 8, 8),
    "GIF, nothing": lambda: gif_with_claim(encode(noise(), "GIF"), 0, 0),
    "AVIF, more": lambda: with_claim(encode(noise(), "AVIF"), 4_000, 4_000),
    "AVIF, less": lambda: with_claim(encode(noise(2_000, 2_000), "AVIF", speed=10), 8, 8),
    "AVIF, nothing": lambda: with_claim(encode(noise(), "AVIF"), 0, 0),
    "HEIC, more": lambda: with_claim(encode(noise(), "HEIF"), 4_000, 4_000),
    "HEIC, less": lambda: with_claim(encode(noise(640, 640), "HEIF"), 8, 8),
    "HEIC, nothing": lambda: with_claim(encode(noise(), "HEIF"), 0, 0),
}


@pytest.mark.parametrize("kind", LYING_HEADERS)
def test_a_lying_header_gets_an_answer(fresh_child: ProcessPoolExecutor, kind: str) -> None:
    verdict = fresh_child.submit(hostile_child.judge, LYING_HEADERS[kind]()).result()
    assert verdict.code in {"ok", "corrupt", "truncated"}
    assert verdict.code != "ok" or "nothing" not in kind or verdict.size != (0, 0)
    assert verdict.peak < bound(16_000_000)


PHP, ZIP, HTML = b"<?php system($_GET['c']); ?>", b"PK\x03\x04" + bytes(26), b"<script>alert(1)</script>"

POLYGLOTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "JPEG, then ZIP": (lambda: encode(noise(), "JPEG") + ZIP, "ok"),
    "JPEG with PHP in a comment": (lambda: encode(noise(), "JPEG", comment=PHP), "ok"),
    "PNG, then HTML": (lambda: encode(noise(), "PNG") + HTML, "ok"),
    "GIF, then JavaScript": (lambda: encode(noise(), "GIF") + b"*/=1;alert(1)//", "ok"),
    "WebP, then a second WebP": (lambda: encode(noise(), "WEBP") * 2, "ok"),
    "HTML, then JPEG": (lambda: HTML + encode(noise(), "JPEG"), "not_an_image"),
    "PDF, then JPEG": (lambda: b"%PDF-1.7\n" + encode(noise(), "JPEG"), "not_an_image"),
    "ZIP, then PNG": (lambda: ZIP + encode(noise(), "PNG"), "not_an_image"),
    "PostScript, then JPEG": (lambda: b"%!PS\n" + encode(noise(), "JPEG"), "not_an_image"),
    "SVG that holds a JPEG": (lambda: b'<svg><image href="data:image/jpeg;base64,/9j/"/></svg>', "not_an_image"),
    "TIFF that holds a JPEG": (lambda: encode(noise(), "TIFF", compression="jpeg"), "unsupported_format"),
    "BMP, then JPEG": (lambda: encode(noise(), "BMP") + encode(noise(), "JPEG"), "unsupported_format"),
}


@pytest.mark.parametrize("kind", POLYGLOTS)
def test_a_polyglot_is_what_it_starts_as(children: ProcessPoolExecutor, kind: str) -> None:
    make, code = POLYGLOTS[kind]
    assert children.submit(hostile_child.judge, make()).result().code == code
