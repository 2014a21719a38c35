"""The sections behind page one of a project; each a function of the snapshot.

Keys are those of a run's page where they answer the same question, so that each role finds its own first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbmlops.governance.charter import ROLES
from nbmlops.report import charts, facts
from nbmlops.report.blocks import Block, Facts, Figure, Missing, Say, Section, Table, Verdict, verdict
from nbmlops.report.known import agreed, line
from nbmlops.report.page_one.decided import event_words
from nbmlops.report.project.standing import sentence, worth
from nbmlops.report.sections.flagged import flagged
from nbmlops.report.text import count, duration, joined, measured, number, percent, stamp, when

__all__ = ["build"]

Json = Mapping[str, Any]
MOST, MOST_MODELS = 200, 20


def build(snapshot: Json, notebook: bytes | None = None) -> list[Section]:
    """Return every section of a project's report, also those that can only say what is missing.

    Parameters
    ----------
    snapshot : mapping
        See :func:`nbmlops.report.snapshot.build`.
    notebook : bytes, optional
        A project has none.
    """
    return [
        models(snapshot),
        activity(snapshot),
        throughput(snapshot),
        problem(snapshot),
        roles(snapshot),
        episodes(snapshot),
        *flagged(snapshot),
        data(snapshot),
        audit(snapshot),
        glossary(snapshot),
    ]


def models(snapshot: Json) -> Section:
    """Return each model: its versions, why this one is in use, its targets, what is advised."""
    title, found = "Models one by one", snapshot["models"]
    if not found:
        missing = Missing("No model was registered", "%register MODEL NAME in the notebook that trains it")
        return Section("performance", title, "There is no model yet.", [missing])
    used = sum(bool(m.get("champion")) for m in found)
    first = sorted(found, key=lambda m: not m.get("champion"))[:MOST_MODELS]
    blocks: list[Block] = [block for m in first for block in _model(m)]
    if more := len(found) - len(first):
        blocks.append(Say(f"{count(more, 'more model')}: nbmlops models"))
    return Section("performance", title, f"{count(len(found), 'model')}, {used} in use.", blocks)


def _model(model: Json) -> list[Block]:
    now, check, advice = (model.get(k) or {} for k in ("now", "check", "advice"))
    items: list[tuple[str, str | Verdict]] = [
        ("Model", f"{model['name']}: {count(int(model['versions']), 'version')}, the newest is {model['newest']}"),
        ("Owner", str(model["owner"])),
        ("In use", _in_use(model)),
        ("Worth at the start", _worth(model.get("start"))),
        ("Worth now", _worth(now)),
        ("Last check of its data", f"{check['verdict']}, {when(check['at'])}" if check else "never"),
        (
            "Last advice",
            f"{advice['advice']} ({advice['ref']}, {when(advice['at'])})" if advice else "none was asked for",
        ),
    ]
    blocks: list[Block] = [Facts(items)]
    if rows := [_target(t) for t in now.get("targets") or ()]:
        rests = f"on {number(now['rows'])} rows" if now.get("rows") else "never evaluated"
        caption = f"Targets of {model['champion']}, {rests}"
        blocks.append(Table(caption, ("Target", "Measured", "95 % interval", "Verdict"), rows, numeric=(1,)))
    blocks += _over_time(model)
    if advice.get("because"):
        blocks.append(Say(f"Advised: {advice['because']}"))
    return blocks


def _over_time(model: Json) -> list[Block]:
    """Return what each champion was worth when it came, where more than one is known."""
    known = [(c, w) for c in model.get("champions") or () if (w := worth(c))]
    if len(known) < 2:
        return []
    unit = f"{known[0][1].get('unit') or 'units'} per {number(known[0][1].get('per_rows'))} rows"
    labels = [f"{c['ref']} {stamp(c['since'])[:10]}" for c, _ in known]
    low, value, high = ([w[k] for _, w in known] for k in ("low", "expected", "high"))
    drawn = charts.intervals(labels, value, low, high, title=f"Worth of each champion of {model['name']}, {unit}")
    return [Figure(drawn, "By the evaluation each was registered with, on the rows it had then.")]


def _in_use(model: Json) -> str:
    if not model.get("champion"):
        return "no version is champion"
    reason = f": {model['reason']}" if model.get("reason") else ""
    return f"{model['champion']} since {when(model['since'])}{reason}"


def _worth(side: Json | None) -> str:
    if not side:
        return "not known: no version was champion"
    found = worth(side)
    if found is None:
        return f"not known: {(side.get('value') or {}).get('unknown') or 'it was not measured'}"
    return f"{side['ref']}: {sentence(found)}, against {found.get('against') or 'no model'}"


def _target(finding: Json) -> tuple[str | Verdict, ...]:
    detail = finding.get("detail") or {}
    bound = next((f" {w} {number(detail[k])}" for k, w in BOUNDS if detail.get(k) is not None), "")
    value, bounds = measured(finding.get("effect"), detail.get("low"), detail.get("high"))
    return (f"{finding.get('column')}{bound}", value, bounds, verdict(detail.get("word") or finding.get("outcome")))


BOUNDS = (("at_least", "at least"), ("at_most", "at most"))


def activity(snapshot: Json) -> Section:
    """Return how many runs and works of jobs there were lately, by what became of them."""
    lately = snapshot["lately"]
    title = f"The last {lately['days']} days"
    runs, works = lately["runs"], lately["works"]
    total = sum(runs.values())
    span = f"From {when(lately['since'])} to {when(snapshot['as_of'])}"
    blocks: list[Block] = []
    if runs:
        rows = [(verdict(status), str(n), percent(n / total)) for status, n in runs.items()]
        blocks.append(Table(count(total, "run"), ("Status", "Runs", "Share"), rows, numeric=(1, 2)))
    else:
        blocks.append(Say("Nothing was run."))
    if works:
        states = [(w["job"], verdict(w["state"]), str(w["count"]), stamp(w["last_at"])) for w in works[:MOST]]
        blocks.append(Table("Works of jobs", ("Job", "State", "Works", "Last ended"), states, numeric=(2,), tight=(3,)))
    else:
        blocks.append(Missing("No job has run", "nbmlops jobs: a notebook on a schedule"))
    failed = sum(w["count"] for w in works if w["state"] == "failed")
    words = f"{span}: {count(total, 'run')}, {count(sum(w['count'] for w in works), 'work')} of jobs, {failed} failed."
    return Section("activity", title, words, blocks)


def throughput(snapshot: Json) -> Section:
    """Return how fast versions come into use, how often one is taken back, how long a loss lasts."""
    found = snapshot["throughput"]
    rows = [(words, *_measure(found[key], shown)) for key, words, shown in MEASURES]
    heads = ("Measure", "Value", "95 % interval", "Of")
    blocks: list[Block] = [Table("Throughput", heads, rows)]
    for key, caption, columns in EACH:
        if each := found[key]["each"]:
            blocks.append(_each(caption, columns, each[-MOST:]))
    known = sum(found[key]["value"] is not None for key, _, _ in MEASURES)
    words = f"{known} of {len(MEASURES)} measures are known; under three of a kind nothing is said."
    return Section("throughput", "Throughput", words, blocks)


def _days(seconds: Any) -> str:
    """Return a time in days where it is that long."""
    return f"{number(seconds / 86_400)} days" if seconds >= 2 * 86_400 else duration(seconds)


MEASURES: Sequence[tuple[str, str, Callable[[Any], str]]] = (
    ("time_to_market", "Time to market: first run to first day as champion, median", _days),
    ("rolled_back", "Share of promotions to champion that were rolled back", percent),
    ("time_to_restore", "Time to restore: from a loss until it is mended, median", _days),
)
EACH = (
    ("time_to_market", "Each version's way to market", ("Version", "From", "To", "Took")),
    ("rolled_back", "Each promotion, and what took it back", ("Version", "Promoted", "Taken back", "After")),
    ("time_to_restore", "Each loss", ("Model", "From", "Mended", "Took")),
)


def _measure(found: Json, shown: Callable[[Any], str]) -> tuple[str, str, str]:
    of = str(found["n"]) + (f", and {found['open']} still open" if found["open"] else "")
    if found["value"] is None:
        return f"insufficient data: {found['needed']} more needed", "-", of
    low, high = found["low"], found["high"]
    return shown(found["value"]), "-" if low is None else f"{shown(low)} to {shown(high)}", of


def _each(caption: str, heads: tuple[str, ...], each: Sequence[Json]) -> Table:
    rows = [(e["what"], f"{stamp(e['began_at'])} {e['begun_by']}", _ended(e), _took(e)) for e in each]
    return Table(caption, heads, rows)


def _ended(went: Json) -> str:
    return f"{stamp(went['ended_at'])} {went['ended_by']}" if went["ended_at"] else "-"


def _took(went: Json) -> str:
    return "-" if went["seconds"] is None else _days(went["seconds"])


def problem(snapshot: Json) -> Section:
    """Return what the project is for, from the vision down to what must not be done, in the words of the charter."""
    title, charter = "What it is for", snapshot.get("charter") or {}
    if charter.get("unreadable"):
        return Section(
            "limits",
            title,
            "The charter cannot be read.",
            [Missing(str(charter["unreadable"]), "mend it: nbmlops charter check")],
        )
    items = [(label, said) for key, label, _ in TREE if (said := _said(charter, key))]
    gaps: list[Block] = [
        Missing(f"{label}: nobody has said", f"{facts.whose(snapshot, role)}: write {key} in charter.yaml")
        for key, label, role in TREE
        if not _said(charter, key)
    ]
    words = "From the vision down to what it must not be used for, in the words of the charter."
    return Section("limits", title, words, [Facts(items), *gaps] if items else gaps)


TREE = (
    ("vision", "Vision", "stakeholder"),
    ("problem", "Problem", "stakeholder"),
    ("users", "Who has it", "product"),
    ("decision", "What is done differently", "stakeholder"),
    ("value", "What an answer is worth", "stakeholder"),
    ("metrics", "How good it has to be", "scientist"),
    ("limits", "Not to be used for", "product"),
    ("risk", "What can go wrong", "compliance"),
    ("oversight", "Who can decide otherwise", "product"),
)


def _said(charter: Json, key: str) -> str | None:
    if key == "value":
        return _outcomes(charter.get(key) or {})
    if key == "metrics":
        return line([f"{t['text']}{': ' + t['meaning'] if t.get('meaning') else ''}" for t in charter.get(key) or ()])
    return line(charter.get(key))


def _outcomes(agreed_on: Json) -> str | None:
    """Return what each outcome is worth, in a sentence."""
    per, volume = agreed_on.get("per") or {}, agreed_on.get("volume") or {}
    said = [f"a {outcome.replace('_', ' ')} {number(per[outcome])}" for outcome in OUTCOMES if outcome in per]
    about = f"; {number(volume.get('rows'))} rows a {volume.get('per')}" if volume else ""
    return f"{joined(said)} {agreed_on.get('unit') or 'units'}{about}" if said else None


OUTCOMES = ("true_positive", "false_positive", "false_negative", "true_negative")


def roles(snapshot: Json) -> Section:
    """Return who plays which role, and which nobody plays."""
    if (snapshot.get("charter") or {}).get("unreadable"):
        missing = Missing("Who plays which role is not known", "mend charter.yaml: nbmlops charter check")
        return Section("roles", "Who does what", "The charter cannot be read.", [missing, *_owners(snapshot)])
    named = agreed(snapshot).get("roles") or {}
    rows = [(role.replace("_", " "), ", ".join(named[role])) for role in ROLES if named.get(role)]
    open_ones = [role.replace("_", " ") for role in ROLES if not named.get(role)]
    blocks: list[Block] = [Table("Roles by the charter", ("Role", "People"), rows)] if rows else []
    if open_ones:
        what = f"Nobody is named as {joined(open_ones, 'or')}"
        blocks.append(Missing(what, f"{facts.whose(snapshot, 'manager')}: write roles in charter.yaml"))
    words = f"{len(rows)} of {len(ROLES)} roles have people."
    return Section("roles", "Who does what", words, [*blocks, *_owners(snapshot)])


def _owners(snapshot: Json) -> list[Block]:
    owners = Counter(str(m["owner"]) for m in snapshot["models"])
    return [Say(f"{owner} owns {count(n, 'model')}.") for owner, n in sorted(owners.items())]


def episodes(snapshot: Json) -> Section:
    """Return what was found again and again about versions in use and is still open."""
    found = snapshot["episodes"]
    title, old = "Open episodes", found.get("replaced") or 0
    others = [Say(f"{count(old, 'other')} of versions that were replaced.")] if old else []
    if not found["count"]:
        return Section(
            "monitoring", title, "Nothing is open.", [Say("No episode of a version in use is open."), *others]
        )
    rows = [
        (verdict(e["level"]), f"{e['model']}@{e['version']}", f"{e['code'].replace('_', ' ')} {e['column']}".strip(),
         str(e["opened_on"]), str(e["checks"]), str(e["message"]))
        for e in found["open"]
    ]  # fmt: skip
    heads = ("Level", "Model", "What", "Since", "Checks", "Last said")
    table = Table("Alerts before notices", heads, rows, numeric=(4,))
    more = found["count"] - len(rows)
    words = f"{count(found['count'], 'episode')} of versions in use, {found['alerts']} at alert level."
    return Section("monitoring", title, words, [table, *([Say(f"{more:,} more.")] if more else []), *others])


def data(snapshot: Json) -> Section:
    """Return where the data comes from, whose it is, how it came last, and which versions are kept."""
    found, kept = snapshot["sources"], snapshot["datasets"]
    blocks: list[Block] = []
    if found.get("unreadable"):
        blocks.append(Missing(f"The sources cannot be read: {found['unreadable']}".rstrip("."), "mend nbmlops.toml"))
    elif not found["rows"]:
        whose = facts.whose(snapshot, "data_engineer")
        blocks.append(Missing("No source was named", f"{whose}: [sources.NAME] in nbmlops.toml"))
    else:
        heads = ("Source", "Owner", "Licence", "Last loaded", "Rows", "State")
        blocks.append(Table("Sources", heads, [_source(r) for r in found["rows"][:MOST]], numeric=(4,), tight=(3,)))
    if kept:
        rows = [
            (f"{d['name']}@{d['version']}", number(d["rows"]), stamp(d["created_at"]), str(d["fingerprint"])[:16])
            for d in kept
        ]
        heads_kept = ("Newest version", "Rows", "Recorded", "Fingerprint")
        blocks.append(Table("Data sets", heads_kept, rows, numeric=(1,), tight=(2,)))
    words = f"{count(len(found['rows']), 'source')}, {count(len(kept), 'data set')}."
    return Section("data", "Data", words, blocks)


def _source(row: Json) -> tuple[str | Verdict, ...]:
    state = {"fresh": "passed", "stale": "warning", "overdue": "warning", "failed": "issue"}.get(row["state"], "")
    word = Verdict(row["state"], verdict(state).tone)
    return (
        row["name"],
        row["owner"] or "nobody",
        row["licence"] or "not said",
        stamp(row["loaded_at"]),
        number(row["rows"]),
        word,
    )


def audit(snapshot: Json) -> Section:
    """Return every governed change, with its place in the chain."""
    title, events = "Audit trail", snapshot["events"]
    if not events:
        missing = Missing("No governed change yet", "nbmlops register and promote leave one each")
        return Section("audit", title, "Nothing governed has happened.", [missing])
    rows = [
        (str(e["seq"]), stamp(e["at"]), event_words(e), f"{e['actor']} (by {e['known_by']})", str(e["hash"])[:12])
        for e in events[-MOST:]
    ]
    heads = ("No.", "When (UTC)", "What", "Who, and how known", "Hash")
    earlier = int(snapshot.get("events_before") or 0)
    words = f"{count(len(events) + earlier, 'event')}, each bound to the one before by its hash."
    blocks: list[Block] = [Table("Events of the store's chain, newest last", heads, rows, numeric=(0,), tight=(1,))]
    more = [Say(f"{count(earlier, 'earlier event')}: nbmlops audit")] if earlier else []
    return Section("audit", title, words, [*blocks, *more])


def glossary(snapshot: Json) -> Section:
    """Return the words a reader of a project may not know."""
    return Section("glossary", "Glossary", "Words as they are used here.", [Facts(WORDS)])


WORDS = (
    ("champion", "The version of a model whose predictions people get."),
    (
        "worth",
        "What acting on the answers gains over the best without a model (acting on none, or on all), by the charter.",
    ),
    ("held-out rows", "Rows kept away from training. What judges a model never saw its training rows."),
    ("low, expected, high", "The 95 % interval of the worth. It lies above nothing where a gain is shown."),
    ("shown, not shown, broken", "The whole interval keeps the target; it crosses the target; all of it misses."),
    ("episode, alert", "Something found in check after check until it passes; an alert asks somebody to look now."),
    ("time to market", "From the first run a version came from until it was champion for the first time."),
    ("rolled back", "A promotion that was taken back: the version before it is in use again."),
    (
        "time to restore",
        "From an alert about the champion until it is closed or another version is champion, by rollback too.",
    ),
    ("insufficient data", "Too few of a kind to say anything of it; what is needed is said."),
    ("how known", "How far a name can be trusted: from the database, the CI, a login, git's setting, the computer."),
)
