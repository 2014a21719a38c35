"""Which predictions were drawn by chance to be looked at, with which probability, and who has looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.monitoring.returning.returned import Returned, experts
from nbmlops.records import BLOCK
from nbmlops.stats import sampling
from nbmlops.tracking import session

__all__ = ["Draw", "Judged", "judged_by", "kept_lists"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
VERDICTS = ("agree", "disagree")  # who is unsure has not judged


def kept_lists(model: str) -> list[dict[str, Any]]:
    """Return the lists of rows to review that were made of a model, oldest first."""
    from nbmlops.store.runs import results_of

    return [{**r["data"], "listed_at": r["at"]} for r in results_of(session.store(), kind="review_list", subject=model)]


@dataclass(frozen=True)
class Draw:
    """The rows of a model's predictions that were drawn by chance, in all its lists together.

    A list drew every row that was there with one probability (see :mod:`nbmlops.stats.sampling`), so a row's
    probability follows from the lists that could draw it; lists of one seed contain each other.
    """

    case: Returned
    lists: Sequence[Mapping[str, Any]]

    def of_seed(self, seed: int) -> Floats:
        """Return the probability with which the lists of a seed drew each row."""
        said, found = self.case.said, np.zeros(len(self.case.said))
        for one in self.lists:
            if one["seed"] == seed and one["threshold"] > 0:
                there = (said["at"] <= one["until"]).to_numpy(dtype=bool)
                if one["version"] is not None:
                    there = there & (said["version"] == one["version"]).to_numpy(dtype=bool)
                found = np.where(there, np.maximum(found, one["threshold"]), found)
        return found

    def numbers(self, seed: int) -> Floats:
        """Return each row's permanent number."""
        import pandas as pd

        ids = self.case.said["prediction_id"]
        block, names = pd.factorize(ids.str[:BLOCK])
        places = np.array([int(i[BLOCK:], 16) for i in ids], dtype=np.uint64)
        found, order = np.zeros(len(ids)), np.argsort(block, kind="stable")
        for name, rows in zip(names, np.split(order, np.cumsum(np.bincount(block))[:-1]), strict=True):
            found[rows] = sampling.numbers(str(name), places[rows], seed)
        return found

    @cached_property
    def probability(self) -> Floats:
        """The probability with which each row was drawn by any list; 0 of what no list could draw."""
        missed = np.ones(len(self.case.said))
        for seed in self._seeds:
            missed *= 1 - self.of_seed(seed)
        return 1 - missed

    @cached_property
    def drawn(self) -> Flags:
        """Which rows were drawn."""
        found = np.zeros(len(self.case.said), dtype=bool)
        for seed in self._seeds:
            found |= self.numbers(seed) < self.of_seed(seed)
        return found

    @property
    def _seeds(self) -> list[int]:
        return sorted({one["seed"] for one in self.lists if one["threshold"] > 0})


@dataclass(frozen=True)
class Judged:
    """What is known of each prediction: its outcome, and the verdict of who was asked to judge it."""

    known: Flags  # an outcome came, from wherever
    wrong: Flags  # the outcome is another than what was said
    answered: Flags  # somebody judged it after it was on a list, or an expert did
    disagrees: Flags  # who judged it last does not agree
    agrees: Flags


def judged_by(case: Returned, lists: Sequence[Mapping[str, Any]]) -> Judged:
    """Return what is known of each prediction of a case.

    Parameters
    ----------
    case : Returned
    lists : sequence of mapping
        The lists that were kept: what comes back after a row was listed is an answer.
    """
    truth = case.labels(case.said["outcome"])
    known = np.array([t is not None and t == t for t in truth], dtype=bool)
    wrong = case.wrong(case.labels(case.said["prediction"]), truth)
    verdicts = _answers(case, lists)
    said = [verdicts.get(i) for i in case.said["prediction_id"]]
    answered = np.array([v is not None for v in said], dtype=bool)
    agrees, disagrees = (np.array([v == word for v in said], dtype=bool) for word in VERDICTS)
    return Judged(known, wrong & known, answered, disagrees, agrees)


def _answers(case: Returned, lists: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return who answered: the newest verdict by prediction, each person's last, or *outcome* where that came."""
    listed: dict[str, str] = {}
    for one in lists:
        for prediction_id in one["ids"]:
            listed.setdefault(prediction_id, one["listed_at"])
    trusted = set(experts())
    found: dict[str, str] = {}
    columns = ["prediction_id", "kind", "verdict", "actor", "at"]
    newest = case.came.drop_duplicates(["prediction_id", "kind", "actor"], keep="last")
    for prediction_id, kind, verdict, actor, at in newest[columns].to_numpy().tolist():
        asked = prediction_id in listed and at >= listed[prediction_id]
        if kind == "opinion" and verdict in VERDICTS and (asked or actor in trusted):
            found[prediction_id] = verdict
        elif kind == "outcome" and asked:
            found.setdefault(prediction_id, "outcome")
    return found
