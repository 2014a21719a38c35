"""Which data a run rests on, where it comes from, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.report import evidence, facts
from nbmlops.report.blocks import Block, Missing, Section, Table
from nbmlops.report.text import count, number

__all__ = ["data"]

Json = Mapping[str, Any]
MOST_ROWS = 200


def data(snapshot: Json) -> Section:
    """Return which data went in and out, by fingerprint."""
    seen: dict[tuple[str, ...], tuple[str, ...]] = {}
    for part in facts.all_parts(snapshot):
        for d in part["datasets"]:
            key = (d["name"], d["fingerprint"], d["role"])
            about = (
                d["name"],
                d["role"],
                number(d["rows"]),
                str(len(d["columns"])),
                d["fingerprint"][:16],
                d["strength"],
            )
            seen.setdefault(key, about)
    heads = ("Name", "Role", "Rows", "Columns", "Fingerprint", "Of")
    if not seen:
        missing = Missing("No data was tracked", "name the frame in the tracked cell")
        return Section("data", "Data", "Which data this rests on is not known.", [missing])
    table = Table("Data by fingerprint of its content", heads, list(seen.values())[:MOST_ROWS], numeric=(2, 3))
    words = f"{count(len(seen), 'data set')}; the same fingerprint means the same content."
    blocks: list[Block] = [table]
    for result in facts.results(snapshot, "profile"):
        rows = number(result["data"].get("rows"))
        if found := result["data"].get("findings"):
            blocks += evidence.finding_tables(f"Profile of {rows} rows", facts.ordered(found))
    return Section("data", "Data", words, blocks)
