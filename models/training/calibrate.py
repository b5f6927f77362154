"""Calibration: a trained network's votes are moved until as many are good as were cast."""

import re

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from models.training.dataset import Table
from models.training.network import ask_observers

FEWEST = 100
"""Photos that a round of voting must have to calibrate on it alone."""

SURE = 1e-3
"""Share of good votes that is as good as none; 1 less this, as good as all."""

FURTHEST = 20.0
"""Logits by which votes are moved at most."""


def anchors(table: Table, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Choose the photos, of those in `rows`, to calibrate on.

    Ids of one round of voting begin with the same letters. Where faults were put on some photos, observers saw good
    and bad ones side by side: the photos of such a round are taken, or all if they are few.
    """
    rounds = [re.sub(r"\d+$", "", table.ids[row]) for row in rows]
    with_faults = {name for name, row in zip(rounds, rows, strict=True) if table.faults[row]}
    chosen = rows[np.array([name in with_faults for name in rounds])]
    return chosen if len(chosen) >= FEWEST else rows


def offsets(logits: NDArray[np.float32], votes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Find what to add to each seat's logits, (photos, 5), for their mean vote to be that of `votes`, (photos, 5)."""
    return np.array([_offset(*seat) for seat in zip(logits.T, votes.T, strict=True)])


def calibrate(body: keras.Model, features: NDArray[np.float16], votes: NDArray[np.float32]) -> None:
    """Move the `observers` of a network by `offsets`, by its features of some photos and their votes."""
    logits = ask_observers(body, features, lambda batch: batch.astype(np.float32))
    body.get_layer("observers").bias.assign_add(offsets(logits, votes))


def _offset(logits: NDArray[np.float32], votes: NDArray[np.float32]) -> float:
    cast = ~np.isnan(votes)
    if not cast.any():
        return 0.0
    share = np.clip(votes[cast].mean(), SURE, 1 - SURE)
    return float(brentq(lambda move: expit(logits[cast] + move).mean() - share, -FURTHEST, FURTHEST))
