"""Page one: what is asked, what is recommended, whether it is worth it, good enough and viable, and who decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Verdict
from nbmlops.report.page_one import answer, broken, decided, found, measured, upkeep, worth

__all__ = ["Decision", "Part", "decide"]

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """A titled part of page one; ``tally`` counts findings by outcome."""

    key: str
    title: str
    blocks: Sequence[Block]
    tally: Sequence[tuple[int, Verdict]] = ()


@dataclass(frozen=True)
class Decision:
    """The first page as data: what is asked, what is recommended, and its parts."""

    question: str
    answer: Verdict
    because: str
    parts: Sequence[Part]
    signed: bool = False  # there is something to sign for

    def part(self, key: str) -> Part:
        """Return a part by its key."""
        return next(p for p in self.parts if p.key == key)


def decide(snapshot: Json) -> Decision:
    """Return page one of a run's snapshot."""
    whole = snapshot["run"]["status"] not in broken.STATUSES
    first = _whole(snapshot) if whole else _broken(snapshot)
    every = facts.findings(snapshot)
    parts = [*first, Part("found", "What was found", found.blocks(every), found.tally(every))]
    if whole:
        parts.append(Part("viable", "Is it viable?", upkeep.blocks(snapshot)))
    parts.append(Part("decided", "Who decided", decided.blocks(snapshot)))
    return Decision(
        *answer.asked(snapshot), tuple(parts), signed=bool(facts.candidate(snapshot)) and not facts.gone(snapshot)
    )


def _whole(snapshot: Json) -> Iterator[Part]:
    yield Part("worth", "Is it worth it?", worth.blocks(snapshot))
    yield Part("metrics", "Is it good enough?", measured.blocks(snapshot))


def _broken(snapshot: Json) -> Iterator[Part]:
    yield Part("failed", "What failed", broken.blocks(snapshot))
    yield Part("meanwhile", "What serves meanwhile", broken.meanwhile(snapshot))
