"""Page one of a project, for who pays for it: continue, pivot or stop, what it is worth, what is left, who decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Missing, Say, Table, Verdict
from nbmlops.report.decision import Decision, Part
from nbmlops.report.page_one.decided import event_words
from nbmlops.report.project.standing import TONES, because, recommended, rounded, standing, worth
from nbmlops.report.text import count, joined, number, stamp, when

__all__ = ["decide", "name"]

Json = Mapping[str, Any]
Cell = str | Verdict
DECISIONS = ("alias", "approve", "reject", "flag", "handover", "delete", "review", "job_paused", "job_resumed")
MOST = 3  # rows of a table on page one, which is one sheet of paper
STATES: Mapping[str, Verdict] = {
    "done": Verdict("done", "good"),
    "done late": Verdict("done late", "quiet"),
    "late": Verdict("late", "bad"),
    "open": Verdict("open", "quiet"),
}


def decide(snapshot: Json) -> Decision:
    """Return page one of a project's snapshot."""
    found = standing(snapshot)
    rule = recommended(found)
    parts = (
        Part("worth", "What it is worth", _worth(snapshot)),
        Part("plan", "Budget and deliverables", _plan(snapshot, found.budget)),
        Part("use", "Models", _models(snapshot)),
        Part("found", "What is open", _open(snapshot)),
        Part("decided", "Decisions", _decided(snapshot)),
    )
    known = rule.recommends != "insufficient data"
    word = f"Recommended: {rule.recommends}" if known else "Not known yet"
    return Decision(question(snapshot), Verdict(word, TONES[rule.recommends]), because(found, rule), parts, signed=True)


def name(snapshot: Json) -> str:
    """Return what the project is called: by its charter, else by its folder."""
    return str(_charter(snapshot).get("project") or snapshot["project"])


def question(snapshot: Json) -> str:
    """Return what is asked of who pays for it."""
    return f"Continue {name(snapshot)}, pivot or stop?"


def _charter(snapshot: Json) -> Json:
    """Return the charter; nothing where there is none or it cannot be read."""
    found = snapshot.get("charter") or {}
    return {} if found.get("unreadable") else found


def _unread(snapshot: Json, what: str) -> Missing | None:
    """Return that something the charter says is not known because it cannot be read; None where it can."""
    if not (snapshot.get("charter") or {}).get("unreadable"):
        return None
    return Missing(f"{what} is not known: charter.yaml cannot be read", "mend it: nbmlops charter check")


def _worth(snapshot: Json) -> list[Block]:
    """Return what each model was worth at the start and is now, in the charter's unit."""
    used = [m for m in snapshot["models"] if m.get("champion")]
    known = [m for m in used if worth(m.get("now")) or worth(m.get("start"))]
    if not known:
        return [_worth_unknown(snapshot, used)]
    blocks: list[Block] = [_sides(known) if len(known) < MOST else _rows(known)]
    if gaps := [m for m in used if not worth(m.get("now"))]:
        names = joined([m["champion"] for m in gaps[:MOST]])
        blocks.append(Missing(f"What {names} is worth now is not known: {_why(gaps[0])}", _evaluate(snapshot)))
    return [*blocks, *(Say(line) for m in known if len(known) < MOST and (line := _volume(m)))]


def _unit(models: Sequence[Json]) -> str:
    some = next(w for m in models for k in ("now", "start") if (w := worth(m.get(k))))
    return f"{some.get('unit') or 'units'} per {number(some.get('per_rows'))} rows, against the best without a model"


def _sides(models: Sequence[Json]) -> Table:
    """Return the start and the present of a few models, a row each."""
    rows = [
        (f"{word}: {side['ref']}, {_rests(side)}", *_numbers(found))
        for model in models
        for key, word in (("start", "At the start"), ("now", "Now"))
        if (found := worth(side := model.get(key) or {}))
    ]
    heads = ("When, and on what", "Low", "Expected", "High")
    return Table(f"Value by the charter, {_unit(models)}", heads, rows, numeric=(1, 2, 3))


def _rows(models: Sequence[Json]) -> Table:
    """Return many models, a row each; the rest is in the sections."""
    rows = [
        (f"{m['champion']}, {_rests(m['now'])}", _numbers(worth(m.get("start")))[1], *_numbers(worth(m["now"])))
        for m in sorted(models, key=lambda m: (worth(m["now"]) or {"low": 0.0})["low"])[:MOST]
    ]
    heads = ("Model", "At the start", "Low now", "Expected now", "High now")
    more = f"; the least first, {len(models) - MOST} more in the sections below" if len(models) > MOST else ""
    return Table(f"Value by the charter, {_unit(models)}{more}", heads, rows, numeric=(1, 2, 3, 4))


def _numbers(found: Json | None) -> tuple[str, str, str]:
    """Return low, expected and high to three digits."""
    low, expected, high = (rounded(found[k]) if found else "-" for k in ("low", "expected", "high"))
    return low, expected, high


def _rests(side: Json) -> str:
    """Return on what a figure rests: how many rows, of what, as of when."""
    if side.get("rests") == "outcomes":
        return f"{number(side.get('rows'))} answers whose outcome is known, {side.get('period')}"
    return (
        f"{number(side.get('rows'))} held-out rows, {stamp(side.get('at'))[:10]}"
        if side.get("at")
        else "never evaluated"
    )


def _why(model: Json) -> str:
    return str(((model.get("now") or {}).get("value") or {}).get("unknown") or "it is not known")


def _worth_unknown(snapshot: Json, used: Sequence[Json]) -> Missing:
    if unread := _unread(snapshot, "What it is worth"):
        return unread
    if not used:
        return Missing(
            "What it is worth is not known: no model is in use", "nbmlops promote NAME VERSION --to champion"
        )
    if not _charter(snapshot).get("value"):
        return Missing(
            "What it is worth is not known", f"{facts.whose(snapshot, 'stakeholder')}: write value in charter.yaml"
        )
    return Missing(f"What it is worth is not known: {_why(used[0])}", _evaluate(snapshot))


def _evaluate(snapshot: Json) -> str:
    return f"{facts.whose(snapshot, 'scientist')}: nbmlops evaluate"


def _volume(model: Json) -> str:
    found = worth(model.get("now")) or {}
    volume = found.get("volume") or {}
    if not volume.get("rows"):
        return ""
    amount, per = f"{rounded(volume['expected'])} {found.get('unit') or 'units'}", str(volume.get("per"))
    # reports of before know no interval of it
    between = f" ({rounded(volume['low'])} to {rounded(volume['high'])})" if "low" in volume else ""
    return f"{model['champion']}, at {number(volume['rows'])} rows a {per}: about {amount} a {per}{between}."


def _plan(snapshot: Json, budget: str) -> list[Block]:
    """Return what is left of the budget, and what is to be delivered."""
    if unread := _unread(snapshot, "What was agreed of budget and deliverables"):
        return [unread]
    whose = facts.whose(snapshot, "stakeholder")
    blocks: list[Block] = (
        [Say(f"{budget[0].upper()}{budget[1:]}.")]
        if budget
        else [Missing("No budget was agreed", f"{whose}: write budget in charter.yaml")]
    )
    due = list(snapshot.get("deliverables") or ())
    if not due:
        whose = facts.whose(snapshot, "manager")
        return [*blocks, Missing("No deliverables were agreed", f"{whose}: write deliverables in charter.yaml")]
    open_first = sorted(due, key=_is_done)
    rows = [(d["name"], d["due"] or "-", STATES[d["state"]], d["owner"] or "nobody") for d in open_first[:MOST]]
    done = sum(_is_done(d) for d in due)
    more = f"; the first {MOST} that are open" if len(due) > MOST else ""
    caption = f"Deliverables: {done} of {len(due)} done{more}"
    table = Table(caption, ("What", "Due", "State", "Owner"), rows, tight=(1,))
    return [*blocks, table, Say(f"{_as_of(snapshot)}: what was due or done since is not counted.")]


def _is_done(deliverable: Json) -> bool:
    return str(deliverable["state"]).startswith("done")


def _as_of(snapshot: Json) -> str:
    """Return the project's time: a quiet project has an old one, and nothing gets late by it."""
    return f"As of {stamp(snapshot['as_of'])[:10]}, the newest thing known"


def _models(snapshot: Json) -> list[Block]:
    """Return which models there are, which version of each is in use, since when, and whose it is."""
    found = snapshot["models"]
    if not found:
        return [Missing("No model was registered yet", "%register MODEL NAME in the notebook that trains it")]
    first = sorted(found, key=lambda m: (not m.get("champion"), WORST.index(_state(m).tone)))
    rows = [
        (
            m["name"],
            m.get("champion") or "none",
            when(m["since"])[:-11] if m.get("since") else "-",
            m["owner"],
            _state(m),
        )
        for m in first
    ]
    heads = ("Model", "In use", "Since", "Owner", "State")
    more = f"; {len(rows) - MOST} more in the sections below" if len(rows) > MOST else ""
    return [Table(f"{count(len(found), 'model')}{more}", heads, rows[:MOST])]


WORST = ("bad", "warn", "quiet", "good")


def _state(model: Json) -> Verdict:
    """Return the worst that is known of a model in one word."""
    if not model.get("champion"):
        return Verdict("not in use", "quiet")
    outcomes = [t.get("outcome") for t in (model.get("now") or {}).get("targets") or ()]
    if "issue" in outcomes:
        return Verdict("target broken", "bad")
    if (model.get("check") or {}).get("verdict") == "alert":
        return Verdict("alert in its data", "bad")
    if "warning" in outcomes:
        return Verdict("target not shown", "warn")
    if "passed" not in outcomes:
        return Verdict("not judged", "warn")
    return Verdict("target not measured", "warn") if "skipped" in outcomes else Verdict("targets shown", "good")


def _open(snapshot: Json) -> list[Block]:
    """Return what somebody has to look at: episodes, and roles nobody plays."""
    episodes = snapshot.get("episodes") or {}
    blocks: list[Block] = []
    if episodes.get("count"):
        alerts = episodes["alerts"]
        what = [
            f"{' '.join([*e['code'].split('_'), *filter(None, [e['column']])])} of {e['model']}@{e['version']}"
            for e in episodes["open"][:3]
        ]
        blocks.append(Say(f"{count(episodes['count'], 'open episode')}, {alerts} at alert level: {joined(what)}."))
    if unread := _unread(snapshot, "What was agreed"):
        return [*blocks, unread]
    gaps = [m["key"] for m in _charter(snapshot).get("missing") or ()]
    if gaps:
        blocks.append(
            Missing(
                f"The charter does not say: {joined(gaps)}",
                f"{facts.whose(snapshot, 'manager')}: nbmlops charter check",
            )
        )
    if not snapshot.get("charter"):
        blocks.append(Missing("Nothing was agreed in writing", "nbmlops charter new"))
    return blocks or [Say("No open episode, and the charter says all it should.")]


def _decided(snapshot: Json) -> list[Block]:
    moves = [e for e in snapshot["events"] if e["action"] in DECISIONS]
    if not moves:
        return [Missing("Nobody has decided anything yet", "nbmlops promote records who, when and why")]
    rows = [(stamp(e["at"]), event_words(e), f"{e['actor']} (by {e['known_by']})") for e in moves[-MOST:]]
    return [Table("Decisions, newest last", ("When (UTC)", "What", "Who, and how known"), rows, tight=(0,))]
