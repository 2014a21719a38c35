"""Hand a model to somebody: the owner changes in the log, and a page says what a newcomer needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmlops.errors import Conflict, Invalid, NotFound
from nbmlops.governance import agreed_on, history
from nbmlops.governance.charter import Charter, charter
from nbmlops.monitoring import episodes
from nbmlops.quality import rulebook
from nbmlops.records import Finding, ModelVersion
from nbmlops.registry import fleet, lineage, models
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

__all__ = ["Handover", "handover", "ownerless", "page"]

MOST_CATEGORIES, MOST_OPEN = 6, 10


@dataclass(frozen=True)
class Handover:
    """Who gave a model to whom, and the page that was written."""

    model: str
    to: str
    before: str
    path: str


def handover(name: str, to: str, reason: str = "", path: str | Path | None = None) -> Handover:
    """Give a model to somebody, and write the page a newcomer needs.

    Every version of the model is theirs from then on, those registered later too. Handed to its present owner, nothing
    changes and only the page is written.

    Parameters
    ----------
    name : str
        The model's name.
    to : str
        The new owner, as people are named in the charter.
    reason : str
        Why, for those who read the log.
    path : path, optional
        Where the page goes; ``handover-NAME.md`` in the working folder when absent. Nothing is overwritten.

    Returns
    -------
    Handover

    Raises
    ------
    NotFound
        No such model, or no such folder for the page.
    Invalid
        No name of a person, or one who left by the charter.
    Conflict
        The page is there already.

    Examples
    --------
    >>> nb.handover("late-flights", to="grace@example.org", reason="ada moves to another team")  # doctest: +SKIP
    """
    from nbmlops.store.models import hand_over

    version = models.model_version(str(name).partition("@")[0])
    person = _person(to)
    place = Path(path or f"handover-{version.name}.md")
    if place.exists():
        raise Conflict(f"{place} is there already.", "Remove it, or name another file: -o FILE.")
    if not place.parent.is_dir():
        raise NotFound(f"There is no folder {place.parent}.", "Make it, or name another file: -o FILE.")
    if version.owner != person:
        with session.store().atomic() as change:
            agreed_on.record(change)
            hand_over(change, version.name, person, reason.strip(), identity.actor())
    place.write_text(page(version.name), encoding="utf-8")
    return Handover(version.name, person, version.owner, str(place))


def ownerless() -> tuple[Finding, ...]:
    """Return a finding for each model whose owner left by the charter."""
    agreed = charter()
    owners = {row["name"]: row["owner"] for row in fleet.rows()} if agreed and agreed.left else {}
    return tuple(
        Finding("owner", "issue", f"{name} is owned by {owner}, who left", name, detail={"owner": owner})
        for name, owner in owners.items()
        if agreed and owner in agreed.left
    )


def page(name: str) -> str:
    """Return what a newcomer needs to know of a model, as Markdown.

    Parameters
    ----------
    name : str
    """
    rows = fleet.rows(f"name = '{name}'")
    serving = next((r["version"] for r in rows if r["champion_at"]), rows[0]["version"])
    version, agreed = models.model_version(f"{name}@{serving}"), charter()
    facts = next(r for r in rows if r["version"] == serving)
    parts = (
        ("What it answers", _question(version, agreed)),
        ("Where it stands", _state(version, facts)),
        ("What it needs", _inputs(version, agreed)),
        ("How good it is", _quality(version, agreed)),
        ("Where it is weak", _weak(version, agreed)),
        ("Where its data comes from", _data(version)),
        ("Who moved it, and why", _moves(name)),
        ("How it was last found", _found(version, facts, agreed)),
        ("What you will do", _tasks(version, facts)),
        ("Whom to ask", _people(version, agreed)),
    )
    body = "\n".join(f"\n## {title}\n\n{chr(10).join(lines)}" for title, made in parts if (lines := list(made)))
    return f"# {_plain(name)}: for who takes it over\n{body}\n"


def _question(version: ModelVersion, agreed: Charter | None) -> Iterator[str]:
    about, classes = version.signature, ", ".join(map(str, version.signature.get("classes") or ()))
    said = [("The question", agreed.problem), ("What is done with an answer", agreed.decision)] if agreed else []
    said += [("Who uses it", ", ".join(agreed.users))] if agreed else []
    said += [("It predicts", f"{about.get('target') or 'a target nobody named'} ({about.get('task')})")]
    said += [("Its answers", classes)]
    yield from (f"- {label}: {_plain(value)}" for label, value in said if value)
    yield from (f"- Not for: {_plain(limit)}" for limit in (agreed.limits if agreed else ()))
    if agreed is None:
        yield "- There is no charter: nobody wrote down what it is for. Begin one: `nbmlops charter new`."


def _state(version: ModelVersion, facts: Mapping[str, Any]) -> Iterator[str]:
    since = f", champion since {facts['champion_at'][:16]} UTC" if facts["champion_at"] else ", no champion yet"
    yield f"- {version.ref}{since}; aliases: {facts['aliases'] or 'none'}"
    yield f"- {_plain(version.estimator)}, kept as {version.format}, SHA-256 {version.digest[:12]}"
    yield f"- registered {version.created_at[:16]} UTC" + (
        f", from run {version.run_id[-6:]}" if version.run_id else ""
    )
    yield f"- next review: {(facts['review_at'] or 'not agreed')[:10]}; job: {facts['job'] or 'none names it'}"


def _inputs(version: ModelVersion, agreed: Charter | None) -> Iterator[str]:
    words = rulebook.words()
    private = agreed.private if agreed else ()
    rows = []
    for column in version.signature["columns"]:
        name, known = column["name"], words.get(column["name"], {})
        seen = "private" if name in private else _range(column)
        meaning = f"{known.get('meaning') or '-'}{f', in {unit}' if (unit := known.get('unit')) else ''}"
        rows.append((name, column.get("kind") or "not known", meaning, seen, known.get("owner") or "-"))
    yield from _table(("column", "kind", "meaning", "seen", "whose"), rows)


def _quality(version: ModelVersion, agreed: Charter | None) -> Iterator[str]:
    if not version.metrics:
        yield "It was registered without an evaluation: nobody knows. `nbmlops evaluate` judges it on held-out rows."
        return
    rows = [(name, _measured(m), f"{m['n']:,}" if m.get("n") else "-") for name, m in version.metrics.items()]
    yield from _table(("metric", "value, 95 % interval", "rows"), rows)
    if agreed and agreed.metrics:
        yield ""
        yield from (f"- {_plain(f.message)}" for f in agreed.judge(version.metrics))


def _weak(version: ModelVersion, agreed: Charter | None) -> Iterator[str]:
    evaluation = models.evaluation_of(version)
    if evaluation is None:
        yield "Not known without an evaluation."
        return
    found = [f for f in evaluation["findings"] if f["outcome"] in ("issue", "warning")]
    yield from (f"- {_told(f['message'], agreed)}" for f in found)
    if not found:
        yield "Nothing was found; slices are looked at with `nbmlops evaluate --by COLUMN`."


def _data(version: ModelVersion) -> Iterator[str]:
    graph = lineage.lineage(version)
    before = max(
        (n["distance"] for n in graph.nodes if n["kind"] == "model" and n["distance"] < 0), default=-len(graph.nodes)
    )
    causes = [n for n in graph.nodes if before < n["distance"] < 0 and n["kind"] in ("source", "dataset", "data")]
    yield from (f"- {n['kind']}: {_plain(n['label'])}" for n in causes)
    yield f"- all of it: `nbmlops lineage {version.ref}`" if causes else "Its data was not tracked."


def _moves(name: str) -> Iterator[str]:
    rows = [
        (r["at"][:16], r["alias"], r["version"] or "nowhere", r["actor"], r["policy"] or "-", r["reason"] or "-")
        for r in history.rows(name)
    ]
    if rows:
        yield from _table(("when (UTC)", "alias", "to version", "by", "policy", "why"), rows)
    else:
        yield "No alias was ever moved."


def _found(version: ModelVersion, facts: Mapping[str, Any], agreed: Charter | None) -> Iterator[str]:
    checked = f"{facts['checked_at'][:16]} UTC: {facts['verdict']}" if facts["checked_at"] else "never"
    yield f"- last drift check of {version.ref}: {checked}"
    if facts["override"]:
        yield f"- moved against the policy, and nobody has reviewed that: {_plain(facts['override'])}"
    open_ = episodes.rows(version.ref, "open")
    yield f"- open episodes: {len(open_) or 'none'}"
    yield from (f"  - since {e['opened_on']}: {_told(e['message'], agreed)}" for e in open_[:MOST_OPEN])
    if len(open_) > MOST_OPEN:
        yield f"  - and {len(open_) - MOST_OPEN} more: `nbmlops episodes {version.name} --state open`"


def _tasks(version: ModelVersion, facts: Mapping[str, Any]) -> Iterator[str]:
    name, notebook = version.name, _notebook(version)
    retrain = facts["job"] or (f"`nbmlops run {notebook}`" if notebook else "")
    yield f"- retrain it: {retrain or 'no job or notebook is known; ask who trained it'}"
    yield f"- compare a challenger: `nbmlops gate {name}@challenger {name}@champion --on ROWS`"
    yield f'- make one champion: `nbmlops promote {name} VERSION --to champion --reason "..."`'
    yield f'- go back to the last good one: `nbmlops rollback {name} --reason "..."`'
    yield f"- look whether its data changed: `nbmlops drift data.csv --model {name}@champion`"
    yield f"- install what it was trained with: `nbmlops models lock {version.ref} > requirements.txt`"


def _people(version: ModelVersion, agreed: Charter | None) -> Iterator[str]:
    rows = _handovers(version.name)
    yield f"- it is {_plain(version.owner)}'s" + (f", given by {_plain(rows[-1]['actor'])}" if rows else "")
    for row in rows:
        why = f": {_plain(row['data']['reason'])}" if row["data"]["reason"] else ""
        yield f"  - {row['at'][:10]}: to {_plain(row['data']['to'])}{why}"
    left = agreed.left if agreed else ()
    moved = sorted({r["actor"] for r in history.rows(version.name)} - {version.owner})
    asked = [(f"{person} moved its aliases", person) for person in moved]
    asked += [
        (f"{role}: {person}", person) for role, people in (agreed.roles if agreed else {}).items() for person in people
    ]
    yield from (f"- {_plain(words)}{' (left)' if person in left else ''}" for words, person in asked)


def _told(message: str, agreed: Charter | None) -> str:
    """Return what was found, without values where it is about a private column."""
    return _plain(agreed.masked(message) if agreed else message)


def _handovers(name: str) -> list[dict[str, Any]]:
    from nbmlops.store import events

    with session.store().reading() as connection:
        return [e for e in events.listed(connection, name, "handover") if e["subject"] == name]


def _notebook(version: ModelVersion) -> str:
    from nbmlops.store.runs import load

    run = load(session.store(), version.run_id) if version.run_id else None
    return session.project().relative(Path(run["notebook"])) if run and run["notebook"] else ""


def _range(column: Mapping[str, Any]) -> str:
    if column.get("categories") is not None:
        more = f" and {left} more" if (left := column["distinct"] - MOST_CATEGORIES) > 0 else ""
        return ", ".join(map(str, column["categories"][:MOST_CATEGORIES])) + more
    return "-" if column.get("min") is None else f"{_short(column['min'])} to {_short(column['max'])}"


def _measured(metric: Mapping[str, Any]) -> str:
    low, high = metric.get("low"), metric.get("high")
    return _short(metric.get("value")) + ("" if low is None else f" [{_short(low)}, {_short(high)}]")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|" + " --- |" * len(heads)
    yield from (f"| {' | '.join(_plain(cell) for cell in row)} |" for row in rows)


def _plain(value: Any) -> str:
    """Return text that stays in its line and cell and is no markup."""
    text = " ".join(str(value).split())
    for mark in "\\`*_|[]<":
        text = text.replace(mark, f"\\{mark}")
    return text


def _person(to: Any) -> str:
    if not isinstance(to, str) or not to.strip() or len(to) > 200 or any(ord(c) < 32 for c in to):
        raise Invalid(f"{str(to)[:40]!r} names nobody.", 'Name the new owner: to="grace@example.org".')
    agreed = charter()
    if agreed and to.strip() in agreed.left:
        raise Invalid(f"{to.strip()} left, says {agreed.path}.", "Hand it to somebody who is here.")
    return to.strip()
