"""The second teacher: a kernel ridge on the pooled features of EfficientNet-Lite2 as ImageNet left it.

It errs otherwise than the fine-tuned teacher does, so that both together judge better than either.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from models.training.labels import SEATS

DECAY = 0.1
"""Weight of the ridge."""

NEAR = 2.0
"""Mean squared distance, in deviations of a feature, at which one photo's say in another falls to 1/e. Both chosen by
cross-validation over the train and valid parts."""

FURTHEST = 5.0
"""Deviations from the mean at which a feature is clipped."""


def fit(pooled: NDArray[np.floating[Any]], votes: NDArray[np.float32], reasons: NDArray[np.float32]) -> Pipeline:
    """Fit votes (photos, 5) and reasons (photos, 12), both 0-1, to `pooled` (photos, channels).

    A vote that nobody gave counts as the mean of those on the photo. The pipeline predicts votes and reasons in one
    array (photos, 17), which may leave 0-1 by a little.
    """
    seen = np.where(np.isnan(votes), np.nanmean(votes, axis=1, keepdims=True), votes)
    kernel = KernelRidge(alpha=DECAY, kernel="rbf", gamma=1 / (NEAR * pooled.shape[1]))
    return make_pipeline(
        StandardScaler(),
        FunctionTransformer(np.clip, kw_args={"a_min": -FURTHEST, "a_max": FURTHEST}),
        TransformedTargetRegressor(kernel, transformer=StandardScaler(with_std=False)),
    ).fit(pooled.astype(np.float32), np.hstack([seen, reasons]))


def ask(ridge: Pipeline, pooled: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Ask about views (views, channels): votes (views, 5) and reasons (views, 12), 0-1."""
    said = np.clip(ridge.predict(pooled.astype(np.float32)), 0, 1).astype(np.float32)
    return said[:, : len(SEATS)], said[:, len(SEATS) :]
