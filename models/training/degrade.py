"""Faults put on photos on purpose, and what they cost: copies that need no new votes."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from rich import print as show
from scipy.optimize import minimize
from scipy.special import expit

from models.reasons import ReasonCode
from models.training.command import Data, Work, run
from models.training.dataset import Table, read_table
from models.training.errors import TrainingError
from models.training.files import write_json

Pixels = NDArray[np.uint8]
"""A photo at the size it came in: (height, width, 3), RGB."""

Degradation = Callable[[Pixels, float, np.random.Generator], Pixels]
"""Puts a fault of a severity 0-1 on a photo; what is random (side, direction) comes from the generator."""


def _rounded(pixels: NDArray[np.floating]) -> Pixels:
    return np.asarray(np.clip(np.rint(pixels), 0, 255), dtype=np.uint8)


def darken(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """Take away light: three quarters of it are left at severity 0, 22 % at 1, where grain shows."""
    return _rounded(pixels * (0.75 * 0.3**severity) + 9 * severity * _grain(pixels, random))


def brighten(pixels: Pixels, severity: float, _: np.random.Generator) -> Pixels:
    """Overexpose: gain 1.25 at severity 0, 2.05 at 1; what is over white is lost."""
    return _rounded(pixels * (1.25 + 0.8 * severity))


def glare(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """Let a lamp shine into the lens: a burnt-out spot, wider for a harder fault, a streak, and a veil over all."""
    height, width = pixels.shape[:2]
    y, x = _grid(pixels) - random.uniform(0.15, 0.85, 2)[:, np.newaxis, np.newaxis]
    y, x = y * np.sqrt(height / width), x * np.sqrt(width / height)
    angle = random.uniform(0, np.pi)
    away, across = np.hypot(x, y), x * np.cos(angle) + y * np.sin(angle)
    spot = 3 * np.exp(-away / (0.035 + 0.22 * severity))
    streak = 0.2 * np.exp(-((across / 0.012) ** 2) - away / 0.3)
    veil = np.clip(0.08 + 0.2 * severity + spot + streak, 0, 1)[..., np.newaxis]
    return _rounded(pixels * (1 - veil) + 255 * veil)


def flatten(pixels: Pixels, severity: float, _: np.random.Generator) -> Pixels:
    """Take away contrast: 65 % of it is left at severity 0, 20 % at 1."""
    return _rounded((pixels - 128.0) * (0.65 - 0.45 * severity) + 140)


def shade(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """Put one half, at any angle, into shade: 60 % of the light is left there at severity 0, 29 % at 1."""
    y, x = _grid(pixels)
    angle = random.uniform(0, 2 * np.pi)
    across = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    lost = (0.4 + 0.31 * severity) * expit((across - random.uniform(-0.15, 0.15)) * random.uniform(14, 40))
    return _rounded(pixels * (1 - lost[..., np.newaxis]))


def defocus(pixels: Pixels, severity: float, _: np.random.Generator) -> Pixels:
    """Blur evenly: sigma 0.35 pixels at severity 0, 3.25 at 1."""
    blur = ImageFilter.GaussianBlur(0.35 + 2.9 * severity)
    return np.asarray(Image.fromarray(pixels).filter(blur))


def shake(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """Blur along a line of 4 pixels at severity 0, 20 at 1."""
    angle = random.uniform(0, np.pi)
    steps = np.linspace(-0.5, 0.5, 13) * (4 + 16 * severity)
    moved = [_shifted(pixels, round(step * np.sin(angle)), round(step * np.cos(angle))) for step in steps]
    return _rounded(np.mean(moved, axis=0, dtype=np.float32))


def add_noise(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """Add grain: a standard deviation of 10 grey levels at severity 0, 36 at 1."""
    return _rounded(pixels + (10 + 26 * severity) * _grain(pixels, random))


def compress(pixels: Pixels, severity: float, _: np.random.Generator) -> Pixels:
    """Save as JPEG of quality 18 at severity 0, 3 at 1."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=round(18 - 15 * severity))
    return np.asarray(Image.open(file).convert("RGB"))


def shrink(pixels: Pixels, severity: float, _: np.random.Generator) -> Pixels:
    """Keep one pixel of 2.7 across at severity 0, of 7.2 at 1, and enlarge again."""
    image = Image.fromarray(pixels)
    width, height = (max(1, round(length / (2.7 + 4.5 * severity))) for length in image.size)
    small = image.resize((width, height), Image.Resampling.BOX)
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC))


def cut_off(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """Keep one corner or side, enlarged: 70 % of the width and height at severity 0, 42 % at 1."""
    image = Image.fromarray(pixels)
    kept = 0.7 - 0.28 * severity
    where = random.permutation([random.choice([0.0, 1.0]), random.uniform(0, 1)])
    left, top = (float(at) * (1 - kept) * length for at, length in zip(where, image.size, strict=True))
    box = (left, top, left + kept * image.width, top + kept * image.height)
    return np.asarray(image.resize(image.size, Image.Resampling.BILINEAR, box=box))


def tint(pixels: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """Colour the light warm, cool or green: the weakest channel loses 9 % at severity 0, 26 % at 1."""
    strong, weak = 1.04 + 0.06 * severity, 0.91 - 0.17 * severity
    green = (0.94 - 0.09 * severity, 1.03 + 0.05 * severity, 0.92 - 0.1 * severity)
    return _rounded(pixels * random.choice([(strong, 1, weak), (weak, 1, strong), green]))


DEGRADATIONS: Mapping[str, Degradation] = {
    "dark": darken,
    "bright": brighten,
    "glare": glare,
    "flat": flatten,
    "shadow": shade,
    "defocus": defocus,
    "motion": shake,
    "noise": add_noise,
    "jpeg": compress,
    "lowres": shrink,
    "cutoff": cut_off,
    "cast": tint,
}
"""By the fault's name in photos.csv. Strengths are measured on the photos that carry the fault there."""


def _grain(pixels: Pixels, random: np.random.Generator) -> NDArray[np.float32]:
    return random.standard_normal(pixels.shape, dtype=np.float32)


def _grid(pixels: Pixels) -> NDArray[np.float64]:
    height, width = pixels.shape[:2]
    return np.stack(np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij"))


def _shifted(pixels: Pixels, down: int, right: int) -> Pixels:
    height, width = pixels.shape[:2]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return pixels[rows][:, columns]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a kind of fault costs.

    Of the votes that the photo would have had, the share `expit(offset - slope * severity)` stays good;
    those who turn away name the reasons in the shares of `reasons`, (12,), in the order of ReasonCode.
    """

    offset: float
    slope: float
    reasons: NDArray[np.float32]

    def kept(self, severity: float) -> float:
        """Share of good votes that stay good, 0-1; less for a harder fault."""
        return float(expit(self.offset - self.slope * severity))


def relabel(
    votes: NDArray[np.float32], reasons: NDArray[np.float32], cost: Cost, severity: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Expect the votes, (5,), and reasons, (12,), of a copy from those of the photo.

    Whoever called the photo bad for something else names the fault as often as whoever turns away because of it.
    """
    kept = cost.kept(severity)
    changed = votes * kept
    bad = 1 - float(np.nanmean(changed))
    before = 1 - float(np.nanmean(votes))
    return changed, (reasons * kept + (bad - before * kept) * cost.reasons).astype(np.float32)


PRIOR = (1.5, 8.0)
"""Offset and slope that a kind with few photos is drawn to, and about what all kinds together have."""

TRUST = (1.0, 4.0)
"""Standard deviation of offset and slope among kinds."""

DOUBT = 1.0
"""Reasons of a kind are counted on top of this many votes spread as over all bad photos."""


def fit_costs(table: Table, rows: NDArray[np.intp]) -> dict[str, Cost]:
    """Fit what each kind costs to the voted photos that carry it (maximum a posteriori).

    A photo's votes without its fault are not known; each seat is taken to vote as on the photos with no fault.
    """
    kinds = list(DEGRADATIONS)
    clean = np.array([not table.faults[row] for row in rows])
    if clean.all() or not clean.any():
        raise TrainingError("labels.csv: needs photos with and without known faults to calibrate the copies on")
    usual = np.nanmean(table.votes[rows[clean]], axis=0)
    severities = np.full((int((~clean).sum()), len(kinds)), np.nan)
    for line, row in enumerate(rows[~clean]):
        for kind, severity in table.faults[row]:
            severities[line, kinds.index(kind)] = severity
    voted = table.votes[rows[~clean]]

    def surprise(values: NDArray[np.float64]) -> float:
        offset, slope = values.reshape(2, -1)
        kept = np.nanprod(expit(offset - np.exp(slope) * severities), axis=1)
        good = np.clip(kept[:, np.newaxis] * usual, 1e-6, 1 - 1e-6)
        fit = np.nansum(voted * np.log(good) + (1 - voted) * np.log(1 - good))
        strayed = ((offset - PRIOR[0]) / TRUST[0]) ** 2 + ((np.exp(slope) - PRIOR[1]) / TRUST[1]) ** 2
        return float(strayed.sum() / 2 - fit)

    start = np.concatenate([np.full(len(kinds), PRIOR[0]), np.full(len(kinds), np.log(PRIOR[1]))])
    offset, slope = minimize(surprise, start, method="L-BFGS-B").x.reshape(2, -1)
    named = _reasons_by_kind(table, rows, kinds)
    return {
        kind: Cost(float(offset[index]), float(np.exp(slope[index])), named[index]) for index, kind in enumerate(kinds)
    }


def _reasons_by_kind(table: Table, rows: NDArray[np.intp], kinds: Sequence[str]) -> NDArray[np.float32]:
    counts = np.zeros((len(kinds), len(ReasonCode)), dtype=np.float32)
    usual = table.reasons[rows].sum(axis=0)
    for row in rows:
        if len(table.faults[row]) == 1:
            counts[kinds.index(table.faults[row][0][0])] += table.reasons[row] * table.votes.shape[1]
    counts += DOUBT * usual / usual.sum()
    return np.asarray(counts / counts.sum(axis=1, keepdims=True), dtype=np.float32)


def read_costs(work: Path) -> dict[str, Cost]:
    """Read degrade.json.

    Raises:
        TrainingError: it is missing or not of the form.
    """
    path = work / "degrade.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            kind: Cost(one["offset"], one["slope"], np.array([one["reasons"][code] for code in ReasonCode], np.float32))
            for kind, one in content.items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: is not what the degrade step writes: {error}") from error


def main(data: Data, work: Work) -> None:  # noqa: ARG001 - every step takes both
    """Calibrate on the voted faults what each fault costs, and write it to degrade.json."""
    table = read_table(work)
    costs = fit_costs(table, table.rows("train", "valid"))
    content = {
        kind: {
            "offset": round(cost.offset, 4),
            "slope": round(cost.slope, 4),
            "reasons": {code: round(float(share), 4) for code, share in zip(ReasonCode, cost.reasons, strict=True)},
        }
        for kind, cost in costs.items()
    }
    write_json(work / "degrade.json", content)
    show({kind: [round(cost.kept(severity), 2) for severity in (0, 0.25, 0.5, 1)] for kind, cost in costs.items()})


if __name__ == "__main__":
    run(main)
