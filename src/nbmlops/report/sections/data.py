"""Which data a run rests on, where it comes from, and what becomes of it in the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nbmlops.report import evidence, facts
from nbmlops.report.blocks import Block, Facts, Fold, Missing, Say, Section, Table
from nbmlops.report.text import count, joined, number, stamp, when

__all__ = ["data", "pipeline"]

Json = Mapping[str, Any]
MOST_ROWS, MOST_STEPS, MOST_NAMED = 200, 12, 8


def data(snapshot: Json) -> Section:
    """Return which data went in and out, where it comes from, and how well its columns are described."""
    seen = _seen(snapshot)
    if not seen:
        missing = Missing("No data was tracked", "name the frame in the tracked cell")
        return Section("data", "Data", "Which data this rests on is not known.", [missing])
    heads = ("Name", "Role", "Rows", "Columns", "Fingerprint", "Of")
    table = Table("Data by fingerprint of its content", heads, [_row(d) for d in seen][:MOST_ROWS], numeric=(2, 3))
    words = f"{count(len(seen), 'data set')}; the same fingerprint means the same content."
    blocks: list[Block] = [table, *_sources(snapshot, seen), *_meanings(snapshot)]
    for result in facts.results(snapshot, "profile"):
        rows = number(result["data"].get("rows"))
        if found := result["data"].get("findings"):
            blocks += evidence.finding_tables(f"Profile of {rows} rows", facts.ordered(found))
    return Section("data", "Data", words, blocks)


def _seen(snapshot: Json) -> list[Json]:
    every = (d for part in facts.all_parts(snapshot) for d in part["datasets"])
    return list({(d["name"], d["fingerprint"], d["role"]): d for d in every}.values())


def _row(d: Json) -> tuple[str, ...]:
    return d["name"], d["role"], number(d["rows"]), str(len(d["columns"])), d["fingerprint"][:16], d["strength"]


def _sources(snapshot: Json, seen: Sequence[Json]) -> Iterator[Block]:
    """Say of each data set in a sentence or two what is recorded of it; and name those of which nothing is."""
    origins = snapshot.get("origins") or {}
    known = origins.get("known") or {}
    told = {d["fingerprint"]: d["name"] for d in seen}
    known = {fingerprint: about for fingerprint, about in known.items() if fingerprint in told}  # the rest is of before
    items = [(told[fingerprint], _sentences(about)) for fingerprint, about in known.items()]
    if items:
        yield Facts(items[:MOST_ROWS])
    do = facts.whose(snapshot, "data_engineer")
    if origins.get("unreadable"):
        yield Missing(f"The sources cannot be read: {origins['unreadable']}".rstrip("."), f"mend nbmlops.toml ({do})")
    read = {d["name"] for d in seen if d["role"] == "read" and d["fingerprint"] not in known}
    if read:
        yield Missing(f"No version is recorded of {_few(read)}", f"nb.load_source or nb.dataset records one ({do})")
    for key in ("owner", "licence"):
        if unsaid := {about["ref"] for about in known.values() if not about.get(key)}:
            yield Missing(f"No {key} is named of {_few(unsaid)}", f"write {key} under [sources] in nbmlops.toml ({do})")


def _sentences(about: Json) -> str:
    """Return what a version of a data set is, in sentences."""
    window, kept = about.get("window"), "are kept" if about.get("kept") else "are not kept"
    where = f", from {about['source']}" if about.get("source") else ""
    said = [f"{about['ref']}: {number(about['rows'])} rows{where}, recorded {when(about['created_at'])}; they {kept}."]
    if about.get("meaning"):
        said.append(f"It holds {about['meaning']}.")
    if window:
        said.append(f"By {window['column']} it reaches from {stamp(window['first'])} to {stamp(window['last'])} (UTC).")
    said += [f"{label}: {about[key]}." for key, label in (("owner", "Owner"), ("licence", "Licence")) if about.get(key)]
    if outcomes := about.get("outcomes"):
        rules = joined([f"{n} {word.replace('_', ' ')}" for word, n in outcomes.items()])
        said.append(f"Its rules then: {rules}.")
    return " ".join(said)


def _meanings(snapshot: Json) -> Iterator[Block]:
    """Say how many columns have a meaning written down: the words themselves stand in the glossary."""
    dictionary = snapshot.get("dictionary") or {}
    columns = dictionary.get("columns") or []
    if not columns:
        return
    unsaid = [str(c["column"]) for c in columns if not c.get("meaning")]
    yield Say(f"What {len(columns) - len(unsaid)} of {count(len(columns), 'column')} mean is said in the glossary.")
    if unsaid:
        do = f"write meaning: and unit: in rules/<dataset>.yaml ({facts.whose(snapshot, 'expert')})"
        yield Missing(f"Nobody wrote down what {_few(unsaid)} mean", do)


def _few(names: Sequence[str] | set[str]) -> str:
    chosen = sorted(names)
    more = [f"{len(chosen) - MOST_NAMED} more"] if len(chosen) > MOST_NAMED else []
    return joined([*chosen[:MOST_NAMED], *more])


def pipeline(snapshot: Json) -> Section:
    """Return what the model does with the data step by step, and what it was made from."""
    title, told = "Pipeline", snapshot.get("explained")
    if not told:
        missing = Missing("No model was registered here, so none can be described", "%register MODEL NAME")
        return Section("pipeline", title, "What becomes of the data is not known.", [missing])
    blocks: list[Block] = []
    if told["sentences"]:
        steps = [(str(place), sentence) for place, sentence in enumerate(told["sentences"], 1)]
        table = Table(f"What {told['ref']} does, step by step", ("Step", "What is done"), steps, numeric=(0,))
        blocks.append(table if len(steps) <= MOST_STEPS else Fold(f"{count(len(steps), 'step')}", [table]))
    else:
        reason = told.get("not_read") or "it has no steps"
        blocks.append(Missing(f"What {told['ref']} does was not read: {reason}", f"%explain {told['ref']}"))
    if told["lineage"]:
        rows = [(n["kind"] or "-", n["label"], n["what"] or "-") for n in told["lineage"]]
        blocks.append(Table("What it comes from, the nearest first", ("Kind", "What", "Tied by"), rows))
    else:
        blocks.append(Missing("What it comes from is not known", "train it in a %%track cell or a run of a notebook"))
    words = (
        f"What {told['ref']} does with a row, in {count(len(told['sentences']), 'step')}, and what it was made from."
    )
    return Section("pipeline", title, words, blocks)
