"""The words a reader may not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.report.blocks import Facts, Section

__all__ = ["glossary"]

Json = Mapping[str, Any]


def glossary(snapshot: Json) -> Section:
    """Return the words a reader may not know."""
    return Section("glossary", "Glossary", "Words as they are used here.", [Facts(WORDS)])


WORDS = (
    ("champion, challenger", "The version whose predictions people get, and the one that may replace it."),
    ("held-out rows", "Rows kept away from training. What judges a model never saw its training rows."),
    ("95 % interval", "Where the true value plausibly lies. The fewer rows, the wider."),
    ("shown, not shown, broken", "The whole interval keeps the target; it crosses the target; all of it misses."),
    ("gate", "Champion and challenger on the same held-out rows, and what may be said of the difference."),
    ("drift", "A change larger than was agreed to be tolerable, not merely a difference."),
    ("roc_auc", "Chance that a case that came true is ranked above one that did not: 0.5 is guessing, 1 is perfect."),
    ("share_gap", "How far the predicted share is from the one observed."),
    ("calibration", "Whether, of cases predicted at 30 %, 30 % come true."),
    ("fingerprint", "A hash of content: the same fingerprint, the same data."),
    ("how known", "How far a name can be trusted: from the database, the CI, a login, git's setting, the computer."),
)
