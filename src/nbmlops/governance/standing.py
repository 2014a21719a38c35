"""What the store knows of two models and of the rows they are compared on: drift, rules, flags, earlier gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nbmlops.governance.flags import open_flags
from nbmlops.governance.flags.flag import SEVERITIES
from nbmlops.governance.terms import Terms
from nbmlops.records import Finding, ModelVersion, Outcome
from nbmlops.registry.subject import Subject
from nbmlops.stats.paired import ALPHA
from nbmlops.tracking import session

__all__ = ["drifted", "earlier", "file", "flagged", "reused", "ruled"]

WORN = 10  # comparisons on the same rows: by then chance alone promotes in up to 22 of 100 cases
Json = dict[str, Any]


def drifted(challenger: Subject, champion: Subject) -> Iterator[Finding]:
    """Yield what the newest drift report against each model says.

    An alert against the challenger's own reference is an issue. One against the champion's is a reason to replace it,
    and a warning.
    """
    for role, subject in (("challenger", challenger), ("champion", champion)):
        if subject.version is None:
            yield Finding("drift", "not_applicable", f"Drift: the {role} is not registered", role)
        else:
            yield _drift(role, subject.version)


def ruled(challenger: Subject, dataset: str, fingerprint: str) -> Iterator[Finding]:
    """Yield what the newest check of the rows, and of the data the challenger was trained on, says."""
    found = [*_of_versions(dataset, fingerprint), *_of_runs(challenger.version)]
    if not found:
        yield Finding("rules", "skipped", "Rules: no check of these rows or of the training data is known")
    for name, findings in found:
        broken = [f for f in findings if f["outcome"] == "issue"]
        outcome: Outcome = "issue" if broken else "passed"
        says = f"{len(broken)} broken, such as {broken[0]['message']}" if broken else "none is broken"
        yield Finding("rules", outcome, f"Rules of {name}: {says}", name, detail={"broken": len(broken)})


def flagged(challenger: Subject) -> Finding:
    """Return whether somebody flagged the challenger, or what it was made of, and it is not settled yet."""
    if challenger.version is None:
        return Finding("flag", "not_applicable", "Flags: the challenger is not registered")
    found = open_flags(challenger.version.ref)
    if not found:
        return Finding("flag", "passed", f"No open flags on {challenger.name}", effect=0)
    worst = max(found, key=lambda flag: SEVERITIES.index(flag.severity))
    outcome: Outcome = "issue" if worst.severity in ("high", "blocking") else "warning"
    whose = f" (owner: {worst.owner})" if worst.owner else ""
    count = f"{len(found)} open flag{'s' * (len(found) != 1)} on {challenger.name}"
    message = f"{count}, the worst is {worst.severity}{whose}: {worst.text}"
    return Finding("flag", outcome, message, effect=len(found), detail={"flags": [f.flag_id for f in found]})


def file(challenger: Subject, terms: Terms) -> Finding:
    """Return whether the challenger's file is data; one that could run code passes only where the charter says so."""
    form = challenger.version.format if challenger.version else ""
    if not form:
        return Finding("file", "not_applicable", "File: the challenger is not registered")
    if form == "source":
        return Finding("file", "passed", "File: a function that somebody other than its author has read", form)
    if form != "pickle":
        return Finding("file", "passed", f"File: {form}, which holds data only", form)
    if "pickle" in terms.exceptions:
        return Finding("file", "warning", "File: a pickle, which can run code; the charter allows it", form)
    return Finding("file", "issue", "File: a pickle, which can run code, and the charter allows none", form)


def earlier(truth: str) -> int:
    """Return how many different comparisons were made on rows with this very truth."""
    from nbmlops.store.runs import results_of

    found = {
        (d.get("challenger_digest") or r["result_id"], d.get("champion_digest"), d.get("metric"))
        for r in results_of(session.store(), kind="gate")
        if (d := r["data"]).get("truth") == truth
    }
    return len(found)


def reused(before: int) -> Finding:
    """Return how often the rows have judged, and what that costs: each look is another chance to be lucky."""
    count = before + 1
    chance = 1 - (1 - ALPHA) ** count
    outcome: Outcome = "warning" if count >= WORN else "passed"
    message = (
        f"Comparison {count} on these rows: some worthless challenger is called better in up to {100 * chance:.2g} %"
    )
    if outcome == "warning":
        message += f" of such series (told from {WORN} on); keep new rows back"
    return Finding("reuse", outcome, message, effect=float(count), detail={"comparisons": count, "chance": chance})


def _drift(role: str, version: ModelVersion) -> Finding:
    from nbmlops.store.runs import results_of

    found = results_of(session.store(), kind="drift", subject=version.name)
    found = [r for r in found if r["data"].get("reference") == version.ref]
    if not found:
        return Finding("drift", "skipped", f"Drift: no report against {version.ref} yet", role)
    level = found[-1]["data"]["verdict"]
    bad: Outcome = "issue" if role == "challenger" else "warning"
    message = f"Drift: the newest report against {version.ref} says {level}"
    return Finding("drift", bad if level == "alert" else "passed", message, role, detail={"at": found[-1]["at"]})


def _of_versions(dataset: str, fingerprint: str) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Yield what the rules found in the newest data set version with these very rows, where some were applied."""
    from nbmlops.store import datasets

    kept = datasets.listed(session.store(), dataset.partition("@")[0] or None)
    same = [v for v in kept if v["fingerprint"] == fingerprint and v["findings"]]
    yield from ((f"{v['name']}@{v['version']}", v["findings"]) for v in same[:1])


def _of_runs(version: ModelVersion | None) -> Iterable[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Return the newest check of each subject in the run that fitted a model, the run around it and the open run."""
    from nbmlops.store.runs import load, results_of

    fitted = version.run_id if version else None
    around = (load(session.store(), fitted) or {}).get("parent") if fitted else None
    opened = session.current()
    runs = [r for r in {fitted, around, opened.run_id if opened else None} if r]
    found = results_of(session.store(), runs, kind="check") if runs else []
    newest = {r["subject"]: r["data"]["findings"] for r in found}
    return newest.items()
