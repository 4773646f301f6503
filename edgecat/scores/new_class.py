"""A class from a few photos: one more output unit on features, fitted while all others stay.

Whether a photo shows the new class is a logistic regression against what the old classes say
together: the odds are exp(w x + b) to the sum of exp of the old logits. It has one solution, found
by Newton's method in seconds, and the old logits stay what was proven of them: an old class loses
only photos that the new unit claims. How many that may be is decided on photos of old classes that
nothing was learned from: the bias is lowered until the unit claims no more of them.

Source: King, Zeng, "Logistic Regression in Rare Events Data" (2001), for the weights of few against
many; Boyd, Vandenberghe, "Convex Optimization" (2004), 9.5, for damped Newton steps.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from edgecat.scores.head import Layer
from edgecat.scores.metrics import Indices, Logits
from edgecat.scores.ood import Features, log_sum_exp

#: Share of photos of old classes that may lose a right answer to a new class: half of the budget of
#: 1 pp, since the photos that decide it are few. Where it may claim one of 261, the limit lies at
#: the second, and of new photos it claims 2 of 262 on average.
MAX_CLAIMED_RATIO = 0.005

# How strongly weights are held back that are large beside what the logits differ by. From a tenth
# of this to three times as much nothing was better on 11 cat breeds and a twelfth: no option.
_RIDGE = 0.75

# The bias is a weight of a feature that is always this: so it is hardly held back.
_BIAS_FEATURE = 3.0

# Newton's method: seen are 5 to 12 steps.
_MAX_STEPS, _SMALLEST, _ENOUGH = 50, 1e-4, 1e-6

Array = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Known:
    """Photos of the old classes, as the model sees them.

    Attributes:
        features: float32 `[N, F]`.
        logits: float32 `[N, K]`.
        targets: int64 `[N]`, the right classes.
    """

    features: Features
    logits: Logits
    targets: Indices


@dataclasses.dataclass(frozen=True)
class NewClass:
    """A fitted unit.

    Attributes:
        unit: One row of weights, reading the features.
        num_claimed: Of the photos that decided its bias, right answers that it takes.
        num_held_out: How many these photos are, whatever is answered to them.
    """

    unit: Layer
    num_claimed: int
    num_held_out: int


def fit_class(old: Known, held_out: Known, new: Features, new_logits: Logits) -> NewClass:
    """Fit the unit of a new class.

    Args:
        old: Photos of old classes to learn from.
        held_out: Others of them, which nothing was learned from, to decide the bias by.
        new: float32 `[N, F]`, of photos of the new class, N from 1.
        new_logits: float32 `[N, K]`, what the old units say of them.
    """
    centre = old.features.mean(axis=0).astype(np.float64)
    radius = float(np.sqrt(np.square(old.features - centre).sum(axis=1).mean())) or 1.0
    photos = (np.concatenate([old.features, new]) - centre) / radius
    photos = np.hstack([photos, np.full((len(photos), 1), _BIAS_FEATURE)])
    is_new = np.arange(len(photos)) >= len(old.features)
    against = log_sum_exp(np.concatenate([old.logits, new_logits]))
    # The new class weighs as much as an old one does on average.
    weight = len(old.features) / (old.logits.shape[1] * len(new))
    spread = float(old.logits.std(axis=1).mean()) or 1.0
    data = _Data(photos, is_new, against, np.where(is_new, weight, 1.0), _RIDGE / spread**2)
    solution = _regress(data)
    weights = solution[:-1] / radius
    bias = float(solution[-1] * _BIAS_FEATURE - weights @ centre)
    unit = Layer(weights.astype(np.float32)[None], np.array([bias], np.float32))
    return _limit_claims(unit, held_out)


def claims(unit: Layer, features: Features, logits: Logits) -> npt.NDArray[np.bool_]:
    """Return which photos a unit answers before all others: bool `[N]`."""
    return np.asarray(unit.run(features)[:, 0] > logits.max(axis=1))


def count_found_when_left_out(
    old: Known, held_out: Known, new: Features, new_logits: Logits
) -> int:
    """Return how many photos of the new class are found by a unit that was fitted without them."""
    found = 0
    for place in range(len(new)):
        others = np.arange(len(new)) != place
        fitted = fit_class(old, held_out, new[others], new_logits[others])
        found += int(claims(fitted.unit, new[[place]], new_logits[[place]])[0])
    return found


def _limit_claims(unit: Layer, held_out: Known) -> NewClass:
    """Lower the unit's bias until it claims few of the photos that are answered rightly."""
    right = held_out.logits.argmax(axis=1) == held_out.targets
    leads = unit.run(held_out.features)[:, 0] - held_out.logits.max(axis=1)
    leads = np.sort(leads[right])[::-1]
    max_claimed = int(MAX_CLAIMED_RATIO * len(right))
    if len(leads) > max_claimed and leads[max_claimed] > 0:
        unit = dataclasses.replace(unit, biases=unit.biases - leads[max_claimed] - np.float32(1e-4))
    claimed = claims(unit, held_out.features, held_out.logits) & right
    return NewClass(unit, int(claimed.sum()), len(right))


@dataclasses.dataclass(frozen=True)
class _Data:
    """What a regression is about.

    Attributes:
        photos: float64 `[N, F]`.
        is_new: bool `[N]`, the right answers.
        against: float64 `[N]`, what a photo's sum has to exceed.
        weights: float64 `[N]`, how much a photo counts.
        ridge: How strongly large weights are held back.
    """

    photos: Array
    is_new: npt.NDArray[np.bool_]
    against: Array
    weights: Array
    ridge: float


def _regress(data: _Data) -> Array:
    """Return the weights of a ridge logistic regression with an offset: float64 `[F]`.

    In the dual: photos are fewer than features.
    """
    products = data.photos @ data.photos.T
    signs = np.where(data.is_new, 1.0, -1.0)

    def loss(dual: Array) -> float:
        misses = np.logaddexp(0, -signs * (products @ dual - data.against))
        return float(data.weights @ misses + data.ridge / 2 * dual @ products @ dual)

    dual = np.zeros(len(products))
    before = loss(dual)
    for _ in range(_MAX_STEPS):
        sums = products @ dual
        likely = 1 / (1 + np.exp(-np.clip(sums - data.against, -40, 40)))
        curvature = np.maximum(data.weights * likely * (1 - likely), 1e-7)
        goal = sums - data.weights * (likely - data.is_new) / curvature
        step = np.linalg.solve(products + np.diag(data.ridge / curvature), goal) - dual
        size = 1.0
        while loss(dual + size * step) > before and size > _SMALLEST:
            size /= 2
        dual = dual + size * step
        after = loss(dual)
        if before - after <= _ENOUGH * abs(before):
            break
        before = after
    return np.asarray(data.photos.T @ dual)
