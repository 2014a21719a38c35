"""A drift check: has the data changed beyond what is tolerable, what does that mean for answers, what is advised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nbmlops.errors import NbmlopsError, NotFound, unknown
from nbmlops.records import plain
from nbmlops.report import evidence, facts
from nbmlops.report.blocks import Block, Facts, Missing, Say, Section, Table, Verdict, verdict
from nbmlops.report.decision import Decision, Part
from nbmlops.report.gathered import flagged as gathered
from nbmlops.report.gathered.masked import answered, columns_of, hide, masked
from nbmlops.report.kinds.kind import Head, Kind, Subject
from nbmlops.report.page_one.decided import event_words
from nbmlops.report.sections.flagged import flagged
from nbmlops.report.sections.glossary import glossary
from nbmlops.report.sections.record import audit
from nbmlops.report.text import count, number, stamp, visible, when
from nbmlops.tracking import session

__all__ = ["KIND", "find"]

Json = Mapping[str, Any]
PREFIX = "drift:"
ANSWERS = ("performance", "performance_estimated", "charter_target", "prediction_drift", "target_drift")
MEASURED = (("performance", "charter_target"), "Measured on what came true")
ESTIMATED = (("performance_estimated",), "Estimated, for what came true is not known")
JUDGED = {  # the worst first
    "issue": "the answers are worse than is tolerable",
    "warning": "the answers are somewhat worse",
    "passed": "the answers are no worse than is tolerable",
}
MOST_OPEN, MOST_EVENTS, MOST_CHECKS = 5, 40, 12
EPISODE = ("code", "column", "level", "state", "opened_on", "opened_at", "last_on", "last_at", "checks", "message")
ANSWER = {
    "alert": ("Yes", "bad"),
    "notice": ("Somewhat", "warn"),
    "ok": ("No", "good"),
}


def find(ref: Any) -> Subject | None:
    """Return the newest kept drift check of ``drift:MODEL`` or ``drift:MODEL@3``, or that of a kept DriftReport.

    Raises
    ------
    NotFound
        No drift check of that name was kept, or not this one.
    """
    if getattr(ref, "shows", "") == "drift":  # a DriftReport, whose module takes a second to load
        return _subject(_same(ref.to_dict()))
    if isinstance(ref, str) and ref.startswith(PREFIX):
        return _subject(_newest(ref.removeprefix(PREFIX)))
    return None


def _subject(result: dict[str, Any]) -> Subject:
    return Subject("drift", f"drift:{result['result_id']}", f"drift-{result['subject']}", result)


def _same(data: Json) -> dict[str, Any]:
    """Return the kept result of a drift report."""
    wanted = plain(data)
    found = [r for r in _kept(str(data["subject"])) if plain(r["data"]) == wanted]
    if not found:
        raise NotFound("This drift report was not kept in this project.", "Check again with %drift, then report.")
    return found[-1]


def _newest(name: str) -> dict[str, Any]:
    """Return the newest check of a subject, or of one version of a model."""
    subject, at, _ = name.partition("@")
    found = _kept(subject)
    if found and at:
        from nbmlops.registry.models import model_version

        ref = model_version(name).ref
        found = [r for r in found if r["data"].get("reference") in (ref, name)]
    if not found:
        known = {r["subject"] for r in _every()}
        hint = f"Check it: %drift FRAME --against {name}" if name in known or not known else ""
        raise unknown("drift check of", name, known, hint)
    return found[-1]


def _kept(subject: str) -> list[dict[str, Any]]:
    from nbmlops.store.runs import results_of

    return results_of(session.store(), kind="drift", subject=subject)


def _every() -> list[dict[str, Any]]:
    from nbmlops.store.runs import latest_results

    return latest_results(session.store(), "drift")


def _gather(subject: Subject) -> dict[str, Any]:
    """Return the check, earlier ones of the same reference, its episodes, the newest advice and what people decided."""
    result = subject.about
    reference = str(result["data"].get("reference") or "")
    model, at, version = reference.rpartition("@")
    named = model if at else str(result["subject"])
    agreed = _charter()
    hidden = _private(named, version, agreed, [r["data"] for r in _kept(str(result["subject"]))])
    advice = _advice(named)
    events = _events(named)
    episodes = _episodes(named, version)
    signature = {"signature": _signature(named, version)}
    named_too = [*hidden, *answered([result], [signature], hidden)]
    times = [result["at"], *(e["last_at"] for e in episodes), *(e["at"] for e in events)]
    found = {
        "private": hidden,
        "charter": agreed if agreed.get("unreadable") else None,
        "result": masked(result, named_too),
        "model": reference if at else None,
        "earlier": [_short(r) for r in _kept(str(result["subject"])) if _before(r, result, reference)][-MOST_CHECKS:],
        "episodes": masked(episodes, named_too),
        "advice": masked(advice, named_too) if advice else None,
        "flags": _flags(named, version, reference, named_too),
        "events": events,
    }
    return {**found, "as_of": max(map(str, [*times, *([advice["at"]] if advice else [])]))}


def _charter() -> dict[str, Any]:
    """Return what is private by the charter, or why it cannot be read."""
    from nbmlops.registry.kept import private

    try:
        return {"private": list(private())}
    except NbmlopsError as error:
        return {"unreadable": str(error)}


def _private(model: str, version: str, agreed: Json, results: Iterable[Json]) -> list[str]:
    """Return the columns whose values nobody is shown: the charter's, and those of the version.

    Every one that a check was about, where the charter cannot be read.
    """
    signature = _signature(model, version)
    every: set[str] = set()
    if agreed.get("unreadable"):
        every = {str(c["name"]) for c in signature.get("columns") or ()} | {str(signature.get("target") or "")}
        every |= {name for data in results for name in columns_of(data)}
        every |= {str(e["column"]) for e in _episodes(model, version)}
    return sorted({*(agreed.get("private") or ()), *(signature.get("private") or ()), *every} - {""})


def _signature(model: str, version: str) -> Json:
    from nbmlops.store.models import find as version_of

    found = version_of(session.store(), model, version) if version.isdigit() else None
    return found.signature if found else {}


def _before(one: Json, other: Json, reference: str) -> bool:
    return (one["at"], one["result_id"]) < (other["at"], other["result_id"]) and one["data"].get(
        "reference"
    ) == reference


def _short(result: Json) -> dict[str, Any]:
    data = result["data"]
    levels = Counter(f.get("level") for f in data.get("findings") or ())
    about = {k: data.get(k) for k in ("verdict", "rows")}
    return {"at": result["at"], **about, "alerts": levels["alert"], "notices": levels["notice"]}


def _episodes(model: str, version: str) -> list[dict[str, Any]]:
    from nbmlops.store.episodes import listed

    rows = listed(session.store(), model, int(version)) if version.isdigit() else []
    return [{k: plain(row.get(k)) for k in EPISODE} for row in rows if row["state"] != "closed"]


def _flags(model: str, version: str, reference: str, hidden: list[str]) -> dict[str, Any]:
    """Return the flags on the version the data was held against, and on what it was made of; else on the data set."""
    from nbmlops.governance.flags.unsettled import names_of
    from nbmlops.store.models import find as version_of

    found = version_of(session.store(), model, version) if version.isdigit() else None
    told = gathered.listed(names_of(found) if found else {reference, model})
    return {**told, "listed": [{**f, "text": hide(f["text"], hidden)} for f in told["listed"]]}


def _advice(model: str) -> dict[str, Any] | None:
    """Return the newest advice on a model; asking for one would be a change."""
    from nbmlops.store.runs import results_of

    found = results_of(session.store(), kind="advice", subject=model)
    if not found:
        return None
    kept = ("ref", "advice", "because", "needed", "do", "decides")
    return {"at": found[-1]["at"], **{k: found[-1]["data"].get(k) for k in kept}}


def _events(model: str) -> list[dict[str, Any]]:
    from nbmlops.store.events import listed

    with session.store().reading() as connection:
        return listed(connection, f"{model}@")[-MOST_EVENTS:]


def _head(taken: Json) -> Head:
    result = taken["result"]
    data = result["data"]
    title = f"Drift report: {visible(result['subject'])}"
    meta = (
        f"{number(data.get('rows'))} rows against {number(data.get('reference_rows'))} rows of {data.get('reference')}"
    )
    return Head(title, "drift check", f"{meta} · checked {when(result['at'])}")


def _decide(taken: Json) -> Decision:
    found = facts.ordered(_findings(taken))
    counts = Counter(f.get("outcome") for f in found)
    tally = [(counts[o], verdict(o)) for o in facts.OUTCOMES]
    parts = (
        Part("changed", "What has changed", _changed(found), tally),
        Part("answers", "What it means for the answers", _answers(found)),
        Part("advised", "What is advised", _advised(taken)),
        Part("decided", "Who decided", _decided(taken)),
    )
    return Decision(*_asked(taken, found), parts)


def _findings(taken: Json) -> list[Json]:
    return list(taken["result"]["data"].get("findings") or ())


def _asked(taken: Json, found: Sequence[Json]) -> tuple[str, Verdict, str]:
    """Return the question, the check's verdict, and what it rests on."""
    data = taken["result"]["data"]
    question = f"Has the data of {visible(data.get('subject'))} changed beyond what is tolerable?"
    word, tone = ANSWER.get(str(data.get("verdict")), ("Not known", "quiet"))
    answer = Verdict(word, tone)  # type: ignore[arg-type]
    worst = [f for f in found if f.get("outcome") in ("issue", "warning")]
    rows = f"on {number(data.get('rows'))} rows against {data.get('reference')}"
    if data.get("verdict") == "insufficient data":
        needs = next((str(f["message"]) for f in found if f.get("outcome") == "skipped"), "too few rows")
        return question, answer, f"There is not enough data to say, {rows}: {needs}."
    if not worst:
        return question, answer, f"No change is larger than was agreed to be tolerable, {rows}."
    more = f", and {count(len(worst) - 1, 'more finding')}" if worst[1:] else ""
    return question, answer, f"{str(worst[0].get('message')).rstrip('.')}{more}, {rows}."


def _changed(found: Sequence[Json]) -> list[Block]:
    rows = [_row(f) for f in found if f.get("outcome") in ("issue", "warning")]
    if not rows:
        return [Say("No issue and no warning.")]
    blocks: list[Block] = [Table("Open findings, worst first", ("Outcome", "Column", "Finding"), rows[:MOST_OPEN])]
    more = len(rows) - MOST_OPEN
    return [*blocks, Say(f"{more:,} more in the sections below.")] if more > 0 else blocks


def _row(finding: Json) -> tuple[str | Verdict, ...]:
    return verdict(finding.get("outcome")), str(finding.get("column") or "-"), str(finding.get("message"))


def _answers(found: Sequence[Json]) -> list[Block]:
    """Return what is known of answers: realised first, then estimated, then how they and the truth moved."""
    told = [f for code in ANSWERS for f in found if f.get("code") == code and f.get("outcome") != "not_applicable"]
    table = Table("Answers and outcomes", ("Outcome", "Column", "Finding"), [_row(f) for f in told])
    blocks: list[Block] = [table] if told else []
    for codes, how in (MEASURED, ESTIMATED):
        judged = [str(f["outcome"]) for f in told if f.get("code") in codes and f.get("outcome") in JUDGED]
        if judged:
            return [Say(f"{how}: {next(JUDGED[word] for word in JUDGED if word in judged)}."), *blocks]
    do = "nbmlops feedback FILE brings what came true; then check the model: %drift MODEL"
    return [*blocks, Missing("Whether the answers are still as good is not known", do)]


def _advised(taken: Json) -> list[Block]:
    """Return the newest advice, and what was found again and again."""
    advice, model = taken["advice"], taken["model"]
    if why := (taken.get("charter") or {}).get("unreadable"):
        what = "charter.yaml cannot be read, so nothing is advised and every column is taken for private"
        return [Missing(what, f"mend it: {why}")]
    name = str(model).partition("@")[0] if model else "MODEL"
    blocks: list[Block] = []
    if advice:
        said = f"{_sentence(advice['advice'])} {_sentence(advice['because'])} As of {when(advice['at'])}."
        blocks.append(Say(f"{said} It is for a person to decide ({advice['decides'] or 'no owner'})."))
        blocks += [Say(str(line)) for line in [*(advice["needed"] or ()), *(advice["do"] or ())]]
    else:
        blocks.append(Missing("No advice was asked for", f"nbmlops advise {name}"))
    return [*blocks, *_open_episodes(taken)]


def _sentence(text: Any) -> str:
    words = str(text or "").strip().rstrip(".")
    return f"{words[:1].upper()}{words[1:]}."


def _open_episodes(taken: Json) -> list[Block]:
    rows = [
        (
            str(e["column"] or e["code"]),
            verdict(e["level"]),
            f"{e['opened_on']}",
            number(e["checks"]),
            str(e["message"]),
        )
        for e in taken["episodes"]
    ]
    if rows:
        heads = ("What", "Level", "Since", "Checks", "Finding")
        return [Table("Open episodes: what was found and has not gone since", heads, rows[:MOST_OPEN], numeric=(3,))]
    if taken["model"]:
        return [Say("No episode is open: nothing was found again and again.")]
    return [
        Missing("Checks against a frame open no episodes", "hold the data against a model: --against MODEL@champion")
    ]


def _decided(taken: Json) -> list[Block]:
    moves = [e for e in taken["events"] if e["action"] != "register"]
    if not moves:
        return [Missing("Nobody has decided anything about it", "nbmlops flag, or promote another version")]
    rows = [(stamp(e["at"]), event_words(e), f"{e['actor']} (by {e['known_by']})") for e in moves[-4:]]
    return [Table("Decisions, newest last", ("When (UTC)", "What", "Who, and how known"), rows, tight=(0,))]


def _sections(taken: Json, notebook: bytes | None) -> list[Section]:
    return [
        evidence.drift({"results": [taken["result"]]}),
        *flagged(taken),
        _history(taken["earlier"]),
        _reproducibility(taken),
        audit(taken),
        glossary(taken),
    ]


def _history(earlier: Iterable[Json]) -> Section:
    """Return the checks before this one against the same reference."""
    heads = ("When (UTC)", "Rows", "Alerts", "Notices", "Verdict")
    rows = [
        (stamp(e["at"]), number(e["rows"]), number(e["alerts"]), number(e["notices"]), verdict(e["verdict"]))
        for e in earlier
    ]
    title = "Earlier checks"
    if not rows:
        missing = Missing("There is no earlier check against this reference", "check again when there is new data")
        return Section("earlier", title, "Whether it comes and goes is not known.", [missing])
    table = Table("Against the same reference, oldest first", heads, rows, numeric=(1, 2, 3), tight=(0,))
    return Section("earlier", title, f"{count(len(rows), 'check')} before this one.", [table])


def _reproducibility(taken: Json) -> Section:
    result = taken["result"]
    data = result["data"]
    items = [
        ("Check", str(result["result_id"])),
        ("Run", str(result.get("run_id") or "outside any run")),
        ("Checked", when(result["at"])),
        ("Rows", number(data.get("rows"))),
        ("Reference", f"{data.get('reference')}, {number(data.get('reference_rows'))} rows"),
        ("Periods by", str(data.get("chunk") or "no column")),
        ("Segments by", str(data.get("by") or "no column")),
    ]
    do = "nb.dataset(NAME, FRAME, keep=True) keeps a data set with its version"
    missing = Missing("Which rows these were is not kept with a check", do)
    return Section("reproducibility", "Reproducibility", "What was compared.", [Facts(items), missing])


KIND = Kind(find, _gather, _head, _decide, _sections)
