"""The words a reader may not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Facts, Fold, Missing, Section, Table
from nbmlops.report.text import count, joined

__all__ = ["glossary"]

Json = Mapping[str, Any]


def glossary(snapshot: Json) -> Section:
    """Return the words a reader may not know, and what the columns named here mean."""
    words = "Words as they are used here, and what the columns mean."
    return Section("glossary", "Glossary", words, [Facts(WORDS), *_dictionary(snapshot)])


def _dictionary(snapshot: Json) -> list[Block]:
    """Return the data dictionary of the columns this report names; those nobody described are named."""
    found = snapshot.get("dictionary") or {}
    if found.get("unreadable"):
        return [Missing(f"What the columns mean cannot be read: {str(found['unreadable']).rstrip('.')}", "mend it")]
    columns = found.get("columns") or []
    if not columns:
        return []
    rows = [tuple(str(c.get(k) or "-") for k in ("column", "meaning", "unit", "owner")) for c in columns if _said(c)]
    open_ones = [str(c["column"]) for c in columns if not _said(c)]
    blocks: list[Block] = [_table(rows)] if rows else []
    return [*blocks, *_undescribed(open_ones, facts.whose(snapshot, "expert"))]


def _said(column: Json) -> bool:
    return bool(column.get("meaning") or column.get("unit"))


def _table(rows: list[tuple[str, ...]]) -> Block:
    table = Table("Columns named in this report", ("Column", "Meaning", "Unit", "Owner"), rows)
    return table if len(rows) <= MOST_ROWS else Fold(f"{count(len(rows), 'column')} and what they mean", [table])


def _undescribed(names: list[str], whose: str) -> list[Block]:
    if not names:
        return []
    more = len(names) - MOST_NAMES
    few = joined([*names[:MOST_NAMES], *([f"{more} more"] if more > 0 else [])])
    what = f"Nobody has said what {'this column means' if len(names) == 1 else 'these columns mean'}: {few}"
    return [Missing(what, f"{whose}: write meaning and unit in rules/<dataset>.yaml")]


MOST_ROWS, MOST_NAMES = 20, 12


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
