"""Page one: what is asked, what is recommended, whether it is viable and worth it, and who decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Missing, Say, Table, Tone, Verdict, verdict
from nbmlops.report.text import as_float, count, duration, finite, joined, measured, number, signed, stamp, when

__all__ = ["Decision", "Part", "decide"]

Json = Mapping[str, Any]
OUTCOME_TONES: dict[str, Tone] = {"issue": "bad", "warning": "warn", "passed": "good"}
OUTCOME_WORDS = {
    "issue": "issue",
    "warning": "warning",
    "skipped": "skipped",
    "muted": "muted",
    "not_applicable": "not applicable",
    "passed": "passed",
}
ADVICE: dict[str, tuple[str, Tone, str]] = {
    "better": ("Recommended: yes", "good", "The challenger is better"),
    "non-inferior": ("No need to change", "quiet", "The challenger is not worse, and not shown to be better,"),
    "inconclusive": ("Not recommended yet", "warn", "The evidence does not decide: it could be better or worse"),
    "worse": ("Recommended: no", "bad", "The challenger is worse"),
}
MOST_OPEN = 5


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
    found = facts.findings(snapshot)
    parts = (
        Part("viable", "Is it viable?", _viable(snapshot)),
        Part("worth", "Is it worth it?", _worth(snapshot)),
        Part("found", "What was found", _open(snapshot, found), _tally(found)),
        Part("decided", "Who decided", _decided(snapshot)),
    )
    return Decision(*_asked(snapshot), parts, signed=bool(facts.made(snapshot)))


def _asked(snapshot: Json) -> tuple[str, Verdict, str]:
    run = snapshot["run"]
    if run["status"] in ("failed", "interrupted", "abandoned"):
        return _broken_off(snapshot)
    if run["status"] == "running":
        return "The run has not ended", verdict("running"), "What follows is what it had tracked so far; decide later."
    if gate := facts.newest(snapshot, "gate"):
        return _replaced(snapshot, gate)
    if versions := facts.made(snapshot):
        return _first(snapshot, versions[0])
    return _tracked(snapshot)


def _broken_off(snapshot: Json) -> tuple[str, Verdict, str]:
    """Say what failed, where, since when, and what serves meanwhile."""
    run, error = snapshot["run"], snapshot["run"].get("error") or {}
    at = f" in cell {error['cell']} of {error['cells']}" if error.get("cell") else _failed_part(snapshot)
    reason = (
        f"{error.get('name')}: {error.get('message')}" if error.get("name") else run.get("cause") or "no reason given"
    )
    since = f" Since {when(run.get('ended_at') or run['started_at'])}, after {duration(run.get('duration_s'))}."
    how = {"interrupted": "was interrupted", "abandoned": "was abandoned: its process is gone"}.get(
        run["status"], "failed"
    )
    return (
        f"{_title(run)} {how}{at}",
        verdict(run["status"]),
        f"{reason}.{since} {_meanwhile(snapshot)}".replace("..", "."),
    )


def _failed_part(snapshot: Json) -> str:
    part = next((p for p in snapshot["parts"] if p["status"] == "failed"), None)
    return f" in cell {part['name']!r}" if part else ""


def _meanwhile(snapshot: Json) -> str:
    serving = [f"{s['name']}@{s['version']}" for s in snapshot["serving"]]
    if not serving:
        return "No model has been made champion, so nothing serves meanwhile."
    return f"Nothing was changed by it: {joined(serving)} keep{'s' if len(serving) == 1 else ''} serving as champion."


def _replaced(snapshot: Json, gate: Json) -> tuple[str, Verdict, str]:
    champion, challenger = (_called(gate.get(k), k) for k in ("champion", "challenger"))
    question = f"Replace {champion} by {challenger}?"
    word, tone, says = ADVICE.get(
        str(gate.get("verdict")), ("Undecided", "warn", f"The gate says {gate.get('verdict')}")
    )
    where = (
        f" on the same {count(int(gate['rows']), 'held-out row')}" if gate.get("rows") else " on the same held-out rows"
    )
    because = f"{says}{where}{_difference(gate)}."
    if moved := _moved(snapshot, str(gate.get("challenger"))):
        tone = "good" if gate.get("verdict") in ("better", "non-inferior") else "warn"
        return question, Verdict("Done", tone), f"{because} Moved on {when(moved['at'])}."
    stays = "" if gate.get("verdict") == "better" else f" {champion[:1].upper()}{champion[1:]} stays."
    return question, Verdict(word, tone), because + stays


def _called(model: Any, role: str) -> str:
    """Return a version as people type it; an unregistered model has no name a reader could know."""
    text = str(model or "")
    if "@" in text:
        return f"champion {text}" if role == "champion" else text
    return "the champion" if role == "champion" else "the model trained here"


def _difference(gate: Json) -> str:
    """Return the difference the gate rests on, with its interval."""
    if not finite(as_float(gate.get("difference"))):
        return ""
    value, bounds = measured(gate["difference"], gate.get("low"), gate.get("high"), sign=True)
    return f" ({gate.get('metric') or 'difference'} {value} {bounds})"


def _first(snapshot: Json, version: Json) -> tuple[str, Verdict, str]:
    ref, judged = version["ref"], facts.evaluation(snapshot)
    question = f"Use {ref} as champion?"
    moved = _moved(snapshot, ref)
    if judged is None:
        evidence = "It was registered without an evaluation, so nothing shows how good it is."
    else:
        evidence = f"It was evaluated on {judged.get('rows', 0):,} rows it had not seen; no other version was compared."
    if moved:
        return (
            question,
            Verdict("Done", "good" if judged else "warn"),
            f"{evidence} Made champion on {when(moved['at'])}.",
        )
    return question, Verdict("Open", "warn"), f"{evidence} Nobody has decided yet."


def _tracked(snapshot: Json) -> tuple[str, Verdict, str]:
    run = snapshot["run"]
    seen = [
        count(len(run["params"]) + sum(len(p["params"]) for p in snapshot["parts"]), "setting"),
        count(sum(len(p["summary"]) for p in facts.all_parts(snapshot)), "metric"),
        count(len(snapshot["results"]), "result"),
    ]
    because = f"{_title(run)} tracked {joined(seen)} and registered no model."
    return "Nothing is asked to be decided", Verdict("For information", "quiet"), because


def _viable(snapshot: Json) -> list[Block]:
    judged, found = facts.evaluation(snapshot), targets_of(snapshot)
    if not found and judged is None:
        return [
            Missing("No evaluation on held-out rows, and no agreed targets", "%evaluate MODEL FRAME --target COLUMN")
        ]
    if not found and judged:
        missing = Missing("No targets were agreed to hold this against", "write metrics in charter.yaml")
        return [missing, Table("Measured on held-out rows", METRIC_HEADS, metric_rows(judged)[:4], numeric=(1, 3))]
    shown = [f for f in found if f.get("outcome") == "passed"]
    where = f" on {number(judged.get('rows'))} held-out rows" if judged else ""
    meanings = {t["name"]: str(t.get("meaning") or "") for t in (snapshot["charter"] or {}).get("metrics") or []}
    rows = [_target_row(f, judged or {}, meanings) for f in found]
    table = Table("Targets of the charter", TARGET_HEADS, rows, numeric=(1, 3), tight=(2, 4))
    if judged is None:
        return [Missing("No evaluation on held-out rows", "%evaluate MODEL FRAME --target COLUMN"), table]
    return [Say(f"{len(shown)} of {count(len(found), 'agreed target')} shown{where}."), table]


def targets_of(snapshot: Json) -> list[dict[str, Any]]:
    """Return the targets as judged when the model was evaluated, else against the charter as it is now."""
    judged = facts.evaluation(snapshot) or {}
    then = [dict(f) for f in judged.get("findings") or [] if f.get("code") == "target"]
    return then or [dict(f) for f in snapshot["targets"]]


TARGET_HEADS = ("Target", "Measured", "95 % interval", "Rows", "Verdict")
HEADLINES = ("roc_auc", "mae", "accuracy", "share_gap", "rmse", "r2")
METRIC_HEADS = ("Metric", "Measured", "95 % interval", "Rows")


def _target_row(finding: Json, judged: Json, meanings: Mapping[str, str]) -> tuple[str | Verdict, ...]:
    detail, name = finding.get("detail") or {}, str(finding.get("column") or "")
    bound = next((f" {w} {number(detail[k])}" for k, w in BOUNDS if detail.get(k) is not None), "")
    kept = (judged.get("metrics") or {}).get(name) or {}
    meaning = f": {meanings[name]}" if meanings.get(name) else ""
    value, bounds = measured(finding.get("effect"), detail.get("low"), detail.get("high"))
    return (
        f"{name}{bound}{meaning}",
        value,
        bounds,
        number(kept.get("n") or judged.get("rows")),
        verdict(detail.get("word") or finding.get("outcome")),
    )


BOUNDS = (("at_least", "at least"), ("at_most", "at most"))


def metric_rows(judged: Json) -> list[tuple[str, ...]]:
    """Return every metric with its interval and rows."""
    metrics = judged.get("metrics") or {}
    first = [name for name in HEADLINES if name in metrics]
    return [
        (name, *measured(m.get("value"), m.get("low"), m.get("high")), number(m.get("n")))
        for name, m in ((n, metrics[n]) for n in dict.fromkeys([*first, *metrics]))
    ]


def _worth(snapshot: Json) -> list[Block]:
    value = snapshot["value"]
    if not value:
        do = "write value in charter.yaml, and evaluate" if snapshot["charter"] else "nbmlops charter new"
        return [Missing("What it is worth is not known", do)]
    if value.get("unknown"):
        return [Missing(f"What it is worth is not known: {value['unknown']}".rstrip("."), "mend it and report again")]
    unit, per = str(value.get("unit") or "units"), number(value.get("per_rows"))
    numbers = [number(_rounded(value.get(k))) for k in ("low", "expected", "high")]
    rows = [(f"against {value.get('against')}", *numbers)]
    if champion := value.get("champion"):
        same = "" if champion.get("same_rows") else " (on other rows)"
        rows.append((f"against the champion{same}", "-", signed(_rounded(champion.get("difference"))), "-"))
    heads = (f"{unit} per {per} rows", "Low", "Expected", "High")
    blocks: list[Block] = [
        Table("Value by the charter, at the best threshold on these rows", heads, rows, numeric=(1, 2, 3))
    ]
    if volume := value.get("volume"):
        about = f"{number(volume.get('rows'))} rows a {volume.get('per')}"
        blocks.append(
            Say(f"At {about}: about {number(_rounded(volume.get('expected')))} {unit} a {volume.get('per')}.")
        )
    if not champion:
        blocks.append(Missing("Value against the champion", "%evaluate the champion on the same rows in this notebook"))
    return blocks


def _rounded(value: Any) -> Any:
    """Return a sum without cents, where it is large enough for that."""
    known = as_float(value)
    return float(f"{known:.3g}") if finite(known) else None


def _tally(found: Sequence[Json]) -> list[tuple[int, Verdict]]:
    counts = Counter(f.get("outcome") for f in found)
    return [(counts[o], Verdict(OUTCOME_WORDS[o], OUTCOME_TONES.get(o, "quiet"))) for o in facts.OUTCOMES]


def _open(snapshot: Json, found: Sequence[Json]) -> list[Block]:
    if not found:
        return [Missing("Nothing was checked", "%check FRAME and %drift FRAME in the notebook")]
    open_ones = [f for f in found if f.get("outcome") in ("issue", "warning")]
    if not open_ones:
        return [Say("No open issue and no warning.")]
    rows: list[tuple[str | Verdict, ...]] = [
        (verdict(f["outcome"]), _source(f), str(f.get("message"))) for f in open_ones
    ]
    more = len(rows) - MOST_OPEN
    blocks: list[Block] = [Table("Open findings, worst first", ("Outcome", "From", "Finding"), rows[:MOST_OPEN])]
    return [*blocks, Say(f"{count(more, 'more')} in the sections below.")] if more > 0 else blocks


def _source(finding: Json) -> str:
    """Return which result a finding comes from, and of what: a champion's issue is not the challenger's."""
    kind = "rules" if finding["kind"] == "check" else str(finding["kind"])
    return f"{kind} of {finding['subject']}" if finding.get("subject") else kind


def _decided(snapshot: Json) -> list[Block]:
    rows = [(stamp(e["at"]), event_words(e), f"{e['actor']} (by {e['known_by']})") for e in snapshot["events"]]
    moves = [row for e, row in zip(snapshot["events"], rows, strict=True) if e["action"] != "register"]
    blocks: list[Block] = []
    if moves:
        blocks.append(
            Table("Decisions, newest last", ("When (UTC)", "What", "Who, and how known"), moves[-4:], tight=(0,))
        )
    if not facts.made(snapshot):
        blocks.append(Say("No model was registered, so there is nothing to approve."))
    elif not any(e["action"] == "approve" for e in snapshot["events"]):
        blocks.append(Missing("Nobody has approved this", "sign below, or record it in the notebook"))
    return blocks


def event_words(event: Json) -> str:
    """Return an event as a sentence."""
    subject, data = str(event["subject"]), event.get("data") or {}
    if event["action"] == "alias":
        name, _, alias = subject.rpartition("@")
        before = f" (was {data['from']})" if data.get("from") else ""
        reason = f": {data['reason']}" if data.get("reason") else ""
        reason += f" (policy: {data['policy']})" if data.get("policy") else ""
        return f"{name}@{data.get('version')} became {alias}{before}{reason}"
    if event["action"] == "advice":
        return f"{subject}: advised, {data.get('advice')}. {data.get('because')}"
    if event["action"] == "reject":
        return f"{subject} was rejected: {data.get('reason')}"
    words = {"register": "was registered", "approve": "was approved", "flag": "was flagged"}
    return f"{subject} {words.get(event['action'], event['action'])}"


def _moved(snapshot: Json, ref: str) -> dict[str, Any] | None:
    """Return the event that made a version champion, unless it was taken back."""
    name, _, number_ = ref.rpartition("@")
    moves = [e for e in snapshot["events"] if e["action"] == "alias" and e["subject"] == f"{name}@champion"]
    return next((dict(e) for e in reversed(moves) if str(e["data"].get("version")) == number_), None)


def _title(run: Json) -> str:
    kind = {"notebook": "Notebook", "cell": "Cell", "script": "Script"}.get(run["kind"], "Run")
    return f"{kind} {run['name']!r}"
