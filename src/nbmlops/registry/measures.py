"""How well answers fit the truth: every number with its interval and the rows behind it.

Written on arrays and without ``sklearn.metrics``: an evaluation inside a tracked cell leaves no stray metrics there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nbmlops.errors import Invalid
from nbmlops.registry.chosen import chosen
from nbmlops.stats import intervals
from nbmlops.stats.intervals import Interval

__all__ = [
    *("Answers", "ask", "calibration", "confusion", "loss", "loss_name", "measure", "quality", "quality_of"),
    *("surprise", "worst"),
]

Array = NDArray[Any]
Task = Literal["binary", "multiclass", "regression"]
CHUNK_ROWS = 100_000
SMALLEST = 1e-15  # probabilities are kept this far from 0 and 1, or one row could cost infinitely much


@dataclass(frozen=True)
class Answers:
    """What a model said of rows and, where known, what came true."""

    task: Task
    predicted: Array
    probability: Array | None = None  # (n, classes)
    score: Array | None = None  # (n,): ranks rows where there are two classes
    classes: tuple[Any, ...] = ()
    truth: Array | None = None

    @property
    def positive(self) -> Any:
        """The class whose probability is meant where there are two: the second in order."""
        return self.classes[1] if self.task == "binary" else None

    @property
    def happened(self) -> Array:
        """True where the positive class came true."""
        return np.asarray(self.truth == self.positive, dtype=bool)

    @property
    def chance(self) -> Array | None:
        """Probability of the positive class, or None."""
        return None if self.probability is None or self.task != "binary" else self.probability[:, 1]

    def take(self, rows: Array) -> Answers:
        """Return the answers of some rows."""
        probability, score, truth = (None if v is None else v[rows] for v in (self.probability, self.score, self.truth))
        return replace(self, predicted=self.predicted[rows], probability=probability, score=score, truth=truth)


def ask(model: Any, features: Any, truth: Array | None = None) -> Answers:
    """Return what a fitted model says of rows, asked in chunks of at most 100,000.

    Parameters
    ----------
    model : object
        Anything fitted with ``predict``.
    features : pandas.DataFrame of shape (n, columns)
    truth : array of shape (n,), optional
    """
    parts = [_ask(model, features[i : i + CHUNK_ROWS]) for i in range(0, max(len(features), 1), CHUNK_ROWS)]
    predicted, probability, score = (_join([p[i] for p in parts]) for i in range(3))
    classes = tuple(np.asarray(getattr(model, "classes_", ())).tolist()) if _is_classifier(model) else ()
    if not classes and _is_classifier(model, predicted):
        classes = tuple(sorted({*np.unique(predicted).tolist(), *(() if truth is None else np.unique(truth).tolist())}))
    task: Task = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
    if task == "binary" and score is None and probability is not None:
        score = probability[:, 1]
    if classes and truth is not None:
        _same_labels(truth, classes)
    return Answers(task, predicted, probability, score, classes, truth)


def measure(answers: Answers) -> dict[str, dict[str, float | int | None]]:
    """Return each metric of the task as ``{"value", "low", "high", "n"}``.

    Binary: ``roc_auc``, ``log_loss``, ``brier``, ``accuracy``, ``observed_share``, ``predicted_share`` and
    ``share_gap``, the distance of these two. Multiclass: ``accuracy``, ``log_loss``. Regression: ``mae``, ``rmse``,
    ``r2``.
    """
    found = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}[answers.task](answers)
    n = len(answers.predicted)
    return {name: {**_finite(interval), "n": n} for name, interval in found.items() if interval is not None}


def loss(answers: Answers) -> Array:
    """Return each row's loss: -log of the truth's probability, else 0 or 1, else the absolute error."""
    truth = np.asarray(answers.truth)
    if answers.task == "regression":
        return np.asarray(np.abs(answers.predicted.astype(float) - truth.astype(float)))
    if answers.probability is None:
        return np.asarray(answers.predicted != truth, dtype=float)
    place = {label: i for i, label in enumerate(answers.classes)}
    columns = np.array([place[label] for label in truth.tolist()])
    chosen = answers.probability[np.arange(len(truth)), columns]
    return np.asarray(-np.log(np.clip(chosen, SMALLEST, 1.0)))


def surprise(answers: Answers) -> Array:
    """Return each row's loss above what the model itself expects of it: log loss less the entropy of its answer.

    So rows of the rarer class, which cost more by nature, are no weakness. Without probabilities it is the loss.
    """
    if answers.probability is None or answers.task == "regression":
        return loss(answers)
    p = np.clip(answers.probability, SMALLEST, 1.0)
    return np.asarray(loss(answers) + (p * np.log(p)).sum(axis=1))


def loss_name(answers: Answers) -> str:
    """Return what :func:`loss` measures."""
    if answers.task == "regression":
        return "absolute error"
    return "log loss" if answers.probability is not None else "share wrong"


def dummy_loss(answers: Answers) -> Array:
    """Return each row's loss of the best constant answer: the classes' own shares, the commonest class, the median."""
    truth = np.asarray(answers.truth)
    n = len(truth)
    if answers.task == "regression":
        return loss(replace(answers, predicted=np.full(n, np.median(truth.astype(float)))))
    shares = np.array([np.mean(truth == label) for label in answers.classes])
    commonest = np.array([answers.classes[int(shares.argmax())]] * n)
    constant = None if answers.probability is None else np.tile(shares, (n, 1))
    return loss(replace(answers, predicted=commonest, probability=constant))


def quality(answers: Answers) -> float:
    """Return one number, higher is better: AUC, else accuracy, else minus the mean absolute error."""
    if answers.task == "binary" and answers.score is not None and 0 < answers.happened.mean() < 1:
        return intervals.auc(answers.happened, answers.score).value
    if answers.task == "regression":
        return -float(loss(answers).mean())
    return float(np.mean(answers.predicted == answers.truth))


def quality_of(model: Any, features: Any, truth: Array, like: Answers) -> float:
    """Return :func:`quality` of a model on other rows than those it answered before, asking it no more than that takes.

    Parameters
    ----------
    model : object
    features : pandas.DataFrame of shape (n, columns)
    truth : array of shape (n,)
    like : Answers
        What it said before: by it is known what it can be asked.
    """
    happened = np.asarray(truth == like.positive, dtype=bool)
    if like.task != "binary" or like.score is None or not 0 < happened.mean() < 1:
        return quality(ask(model, features, truth))
    asked = model.decision_function if like.probability is None else model.predict_proba
    said = np.asarray(asked(features), dtype=float)
    return intervals.auc(happened, said if said.ndim == 1 else said[:, 1]).value


def calibration(answers: Answers, bins: int = 10) -> list[dict[str, Any]]:
    """Return predicted mean and observed share, with interval, in bins of equally many rows."""
    if answers.chance is None:
        return []
    order = np.argsort(answers.chance, kind="stable")
    happened, rows = answers.happened, []
    for part in np.array_split(order, min(bins, len(order))):
        seen = intervals.share(int(happened[part].sum()), len(part))
        rows.append(
            {
                "predicted": float(answers.chance[part].mean()),
                "observed": seen.value,
                "low": seen.low,
                "high": seen.high,
                "n": len(part),
            }
        )
    return rows


def confusion(answers: Answers) -> dict[str, list[float]] | None:
    """Return the four counts at each threshold from 0.01 to 0.99, for what a decision is worth."""
    if answers.chance is None:
        return None
    thresholds = np.round(np.arange(1, 100) / 100, 2)
    up, down = (np.sort(answers.chance[answers.happened == side]) for side in (True, False))
    false_negative, true_negative = np.searchsorted(up, thresholds), np.searchsorted(down, thresholds)
    return {
        "threshold": thresholds.tolist(),
        "true_positive": (len(up) - false_negative).tolist(),
        "false_positive": (len(down) - true_negative).tolist(),
        "false_negative": false_negative.tolist(),
        "true_negative": true_negative.tolist(),
    }


def far_off(answers: Answers) -> dict[str, Any]:
    """Return how many rows are confidently wrong, and what counts as that; never which."""
    losses = loss(answers)
    if answers.task == "regression":
        limit, means = 3 * float(losses.mean()), "error over three times the mean error"
    elif answers.probability is not None:
        limit, means = float(-np.log(0.1)), "less than 10 % given to what came true"
    else:
        limit, means = 0.5, "wrong class"
    n = int((losses > limit).sum())
    return {"n": n, "share": n / len(losses), "means": means}


def worst(answers: Answers, most: int = 20) -> list[dict[str, Any]]:
    """Return the places (``iloc``) of the rows that cost the most, and what they cost, the worst first; no value."""
    losses = loss(answers)
    order = np.argsort(-losses, kind="stable")[:most]
    return [{"row": int(i), "loss": float(losses[i])} for i in order if losses[i] > 0]


def _binary(answers: Answers) -> dict[str, Interval | None]:
    y, p = answers.happened, answers.chance
    both = 0 < int(y.sum()) < len(y)
    found: dict[str, Interval | None] = {
        "roc_auc": intervals.auc(y, answers.score) if both and answers.score is not None else None,
        "accuracy": _accuracy(answers),
        "observed_share": intervals.share(int(y.sum()), len(y)),
    }
    if p is None:
        return found
    return found | {
        "log_loss": intervals.mean(loss(answers)),
        "brier": intervals.mean((p - y) ** 2),
        "predicted_share": intervals.mean(p),
        "share_gap": _distance(intervals.mean(p - y)),
    }


def _multiclass(answers: Answers) -> dict[str, Interval | None]:
    known = answers.probability is not None
    return {"accuracy": _accuracy(answers), "log_loss": intervals.mean(loss(answers)) if known else None}


def _regression(answers: Answers) -> dict[str, Interval | None]:
    y, errors = np.asarray(answers.truth, dtype=float), loss(answers)
    squared = intervals.mean(errors**2)
    spread = float(np.var(y))
    return {
        "mae": intervals.mean(errors),
        "rmse": Interval(*(float(np.sqrt(max(v, 0.0))) for v in squared)),
        # the spread of the truth is taken as known, so the bounds are those of the squared error
        "r2": Interval(*(1 - v / spread for v in (squared.value, squared.high, squared.low))) if spread else None,
    }


def _accuracy(answers: Answers) -> Interval:
    right = np.asarray(answers.predicted == answers.truth)
    return intervals.share(int(right.sum()), len(right))


def _distance(gap: Interval) -> Interval:
    """Return how far a signed gap is from zero, with bounds."""
    low, high = sorted((abs(gap.low), abs(gap.high)))
    return Interval(abs(gap.value), 0.0 if gap.low <= 0 <= gap.high else low, high)


def _finite(interval: Interval) -> Mapping[str, float | None]:
    return {k: float(v) if np.isfinite(v) else None for k, v in interval._asdict().items()}


def _ask(model: Any, features: Any) -> tuple[Array | None, Array | None, Array | None]:
    if not len(features):
        return np.empty(0), None, None
    if _is_classifier(model) and hasattr(model, "predict_proba"):
        probability = np.asarray(model.predict_proba(features), dtype=float)
        said = chosen(model, features, probability)
        return said, probability, probability[:, 1] if probability.shape[1] == 2 else None
    predicted = np.asarray(model.predict(features))
    if not _is_classifier(model):
        return predicted, None, None
    if not hasattr(model, "decision_function"):
        return predicted, None, None
    score = np.asarray(model.decision_function(features), dtype=float)
    return predicted, None, score if score.ndim == 1 else None


def _join(parts: Sequence[Array | None]) -> Any:
    known = [p for p in parts if p is not None]
    return np.concatenate(known) if len(known) == len(parts) else None


def _is_classifier(model: Any, predicted: Array | None = None) -> bool:
    """Tell whether a model names classes; one without any is judged by what it predicted."""
    if hasattr(model, "classes_") or hasattr(model, "predict_proba"):
        return True
    return predicted is not None and predicted.dtype.kind in "bOUS"


def _same_labels(truth: Array, classes: tuple[Any, ...]) -> None:
    strange = sorted({str(v) for v in np.unique(truth).tolist() if v not in classes})
    if strange:
        raise Invalid(
            f"The target holds {', '.join(strange[:5])}, which the model never saw.",
            f"It knows: {', '.join(map(str, classes[:8]))}.",
        )
