"""How strict each observer is, and how they would have voted on photos that they did not see.

The model is Rasch's, fitted by marginal maximum likelihood (Bock and Aitkin 1981): the odds that an observer
calls a photo good depend on the photo's quality, normally distributed, less the observer's strictness.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logsumexp

Floats = NDArray[np.float64]

NODES: Floats = np.linspace(-4, 4, 81)
"""Points, in standard deviations, at which the normal distribution of quality is integrated."""

LOG_WEIGHTS: Floats = -(NODES**2) / 2 - logsumexp(-(NODES**2) / 2)

LOOSENESS = 3.0
"""Standard deviation of the prior on strictness: keeps an observer who always votes the same way finite."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A fitted panel of observers: spread of the photos' quality and each observer's strictness, in logits."""

    spread: float
    strictness: Floats

    def logits(self) -> Floats:
        """Log odds of a good vote, (observers, nodes)."""
        return np.asarray(self.spread * NODES - self.strictness[:, np.newaxis])

    def posterior(self, votes: Floats) -> Floats:
        """Probability of each node for each photo, given its votes (photos, observers): 1, 0 or NaN."""
        likelihood = log_likelihood(self.logits(), votes)
        return np.asarray(np.exp(likelihood - logsumexp(likelihood, axis=1, keepdims=True)))

    def expected(self, votes: Floats) -> Floats:
        """Complete votes (photos, observers): those cast as they are, the others as the chance of a good one."""
        return np.where(np.isnan(votes), self.posterior(votes) @ expit(self.logits()).T, votes)


def log_likelihood(logits: Floats, votes: Floats) -> Floats:
    """Log probability of each photo's votes together with each node, (photos, nodes)."""
    good, bad = np.nan_to_num(votes), np.nan_to_num(1 - votes)
    return np.asarray(good @ log_expit(logits) + bad @ log_expit(-logits) + LOG_WEIGHTS)


def fit(votes: Floats) -> Panel:
    """Fit the panel to votes (photos, observers): 1 good, 0 bad, NaN not seen."""
    seen = ~np.isnan(votes)
    good = np.nan_to_num(votes)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        panel = Panel(float(np.exp(parameters[0])), parameters[1:])
        posterior = panel.posterior(votes)
        error = good.T @ posterior - seen.T @ posterior * expit(panel.logits())
        likelihood = logsumexp(log_likelihood(panel.logits(), votes), axis=1).sum()
        gradient = np.append(-panel.spread * (error @ NODES).sum(), error.sum(axis=1))
        gradient[1:] += panel.strictness / LOOSENESS**2
        return float((panel.strictness**2).sum() / (2 * LOOSENESS**2) - likelihood), gradient

    start = np.zeros(votes.shape[1] + 1)
    best = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return Panel(float(np.exp(best[0])), best[1:])


def fleiss_kappa(votes: Floats) -> float:
    """Agreement beyond chance (Fleiss 1971) of votes (photos, observers), over photos with two votes or more.

    Returns:
        1 for full agreement, 0 for chance, NaN when everybody always votes the same way.
    """
    count = (~np.isnan(votes)).sum(axis=1)
    good = np.nansum(votes, axis=1)[count > 1]
    count = count[count > 1]
    agreement = ((good * (good - 1) + (count - good) * (count - good - 1)) / (count * (count - 1))).mean()
    share = good.sum() / count.sum()
    chance = share**2 + (1 - share) ** 2
    return float((agreement - chance) / (1 - chance)) if chance < 1 else float("nan")
