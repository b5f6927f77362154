"""A process of its own for files that may crash, hang or swell it: what decoding one ended as.

SIGALRM keeps its default action, death, which reaches into a loop in C where no exception can.
"""

import random
import re
import resource
import signal
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tasks.decode import decode
from tasks.errors import DecodeError


class Verdict(NamedTuple):
    """What became of one file."""

    code: str  # "ok", or the DecodeError's code
    size: tuple[int, int]  # as decoded, (0, 0) for an error
    seconds: float
    peak: int  # bytes by which the process's resident memory outgrew what it was before


def limit(seconds: int, address_space: int) -> None:
    """Cap this process's memory; called once, as the pool's initializer."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    _time_limit.append(seconds)


_time_limit: list[int] = []


def judge(data: bytes) -> Verdict:
    """Decode a file within the time limit, or die of it."""
    before, start = resident_peak(), time.perf_counter()
    signal.alarm(_time_limit[-1])
    try:
        decoded = decode(data)
        code, size = "ok", (decoded.width, decoded.height)
    except DecodeError as error:
        code, size = error.code, (0, 0)
    finally:
        signal.alarm(0)
    return Verdict(code, size, time.perf_counter() - start, resident_peak() - before)


def judge_within(data: bytes, room: int) -> Verdict:
    """Decode a file in a process that may take `room` bytes more than it has, from now on."""
    most = _status("VmData") + room
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    return judge(data)


def judge_mutants(data: bytes, seeds: range) -> tuple[Counter[str], int]:
    """Decode one mutant for each seed; return how they ended and the process's resident peak in bytes."""
    return Counter(judge(mutate(data, seed)).code for seed in seeds), resident_peak()


def mutate(data: bytes, seed: int) -> bytes:
    """Damage a file in one to eight places: bits, bytes, telling numbers, runs cut, doubled or moved."""
    chance, mutant = random.Random(seed), bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        # Headers are where a parser decides: half of all damage goes into the first 256 bytes.
        at = chance.randrange(min(len(mutant), chance.choice((256, len(mutant)))) or 1)
        _damage(mutant, at, chance)
    return with_checksums(bytes(mutant)) if seed % 2 else bytes(mutant)


def with_checksums(data: bytes) -> bytes:
    """Mend a PNG's checksums, so that damage gets past them; other files stay as they are."""
    if not data.startswith(b"\x89PNG"):
        return data
    mended, at = bytearray(data), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        mended[end : end + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(mended)


def _damage(mutant: bytearray, at: int, chance: random.Random) -> None:
    match chance.randrange(6):
        case 0:
            mutant[at : at + 1] = bytes([mutant[at] ^ 1 << chance.randrange(8)]) if mutant else b""
        case 1:
            mutant[at : at + 1] = chance.randbytes(1)
        case 2:
            telling = chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
            width = chance.choice((1, 2, 4))
            number = (telling & (1 << 8 * width) - 1).to_bytes(width, chance.choice(("big", "little")))
            mutant[at : at + width] = number
        case 3:
            del mutant[at : at + chance.choice((1, 4, 64, len(mutant)))]
        case 4:
            mutant[at:at] = mutant[at : at + chance.choice((1, 4, 64, 1024))]
        case _:
            mutant[at:at] = chance.randbytes(chance.choice((1, 4, 64)))


def resident_peak() -> int:
    """The most memory this process has had resident, in bytes."""
    return _status("VmHWM")


def _status(field: str) -> int:
    """A size of this process, in bytes, as the kernel tells it."""
    [kilobytes] = re.findall(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024
