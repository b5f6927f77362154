"""The second teacher: a kernel ridge on the pooled features of EfficientNet-Lite2 as ImageNet left it.

It errs otherwise than the fine-tuned teacher does, so that both together judge better than either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import StandardScaler

from models.training.labels import SEATS

DECAY = 0.1
"""Weight of the ridge."""

NEAR = 2.0
"""Mean squared distance, in deviations of a feature, at which the likeness of two photos falls to 1/e in a group of
features. Both were chosen on the valid part."""

FURTHEST = 5.0
"""Deviations from the mean at which a feature is clipped."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """How alike two photos are, 0-1: the mean over groups of features, so that each has the same say.

    `taught` are the features (photos, channels) of the photos that others are compared with, scaled by `scaler`.
    """

    groups: Sequence[int]
    scaler: StandardScaler
    taught: NDArray[np.float32]

    @classmethod
    def of(cls, pooled: NDArray[np.floating[Any]], groups: Sequence[int]) -> "Kernel":
        """Compare with these photos."""
        scaler = StandardScaler().fit(pooled.astype(np.float32))
        return cls(groups, scaler, _scale(scaler, pooled))

    def __call__(self, pooled: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Compare photos with those taught: (photos, taught)."""
        scaled = _scale(self.scaler, pooled)
        edges = np.cumsum([0, *self.groups])
        likeness = [
            rbf_kernel(scaled[:, start:end], self.taught[:, start:end], gamma=1 / (NEAR * (end - start)))
            for start, end in pairwise(edges)
        ]
        return np.asarray(np.mean(likeness, axis=0), np.float64)


@dataclass(frozen=True, slots=True)
class Ridge:
    """What was fitted: `regressor` tells how far from `usual`, (17,), the votes and reasons of a photo are."""

    kernel: Kernel
    regressor: KernelRidge
    usual: NDArray[np.float32]


def fit(
    pooled: NDArray[np.floating[Any]],
    votes: NDArray[np.float32],
    reasons: NDArray[np.float32],
    weights: NDArray[np.float64],
    groups: Sequence[int],
) -> Ridge:
    """Fit votes (photos, 5) and reasons (photos, 12), both 0-1, to `pooled` (photos, channels).

    `weights` (photos,) are what each photo counts, `groups` the channels of each group in `pooled`. A vote that nobody
    gave counts as the mean of those on the photo.
    """
    seen = np.where(np.isnan(votes), np.nanmean(votes, axis=1, keepdims=True), votes)
    said = np.hstack([seen, reasons])
    usual = np.average(said, axis=0, weights=weights)
    kernel = Kernel.of(pooled, groups)
    regressor = KernelRidge(alpha=DECAY, kernel="precomputed").fit(kernel(pooled), said - usual, weights)
    return Ridge(kernel, regressor, usual)


def ask(ridge: Ridge, pooled: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Ask about views (views, channels): votes (views, 5) and reasons (views, 12), 0-1."""
    said = np.clip(ridge.regressor.predict(ridge.kernel(pooled)) + ridge.usual, 0, 1).astype(np.float32)
    return said[:, : len(SEATS)], said[:, len(SEATS) :]


def _scale(scaler: StandardScaler, pooled: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    scaled = scaler.transform(pooled.astype(np.float32))
    return np.asarray(np.clip(scaled, -FURTHEST, FURTHEST), np.float32)
