"""The named checks a requirement of the charter may ask for, each answered from what the store knows of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nbmlops.governance.charter import Charter
from nbmlops.governance.written.plan import left, rest_in_words, rounded
from nbmlops.governance.written.requirements import Requirement
from nbmlops.records import Finding, ModelVersion, Outcome, now
from nbmlops.registry.judged import of_version
from nbmlops.tracking import session

__all__ = ["CHECKS", "Case", "Check", "run"]

FEWEST_PEOPLE = 2
Said = tuple[Outcome, str, float | None]


@dataclass(frozen=True)
class Case:
    """What a check is asked about: a version, the charter with its terms for the model, and the requirement."""

    version: ModelVersion
    charter: Charter
    requirement: Requirement

    @property
    def limit(self) -> float | None:
        """The bound the requirement names."""
        return self.requirement.limit


@dataclass(frozen=True)
class Check:
    """A named check: what it tells, what its limit is, and the function that answers it."""

    tells: str
    answer: Callable[[Case], Said]
    limit: str = ""


def run(version: ModelVersion, charter: Charter, requirement: Requirement) -> Finding:
    """Return what the check of a requirement says of a model version.

    Parameters
    ----------
    version : ModelVersion
    charter : Charter
    requirement : Requirement
        Its check is one of ``CHECKS``.

    Returns
    -------
    Finding
        Code ``requirement``: passed, warning, issue, or skipped with what is needed to know.
    """
    case = Case(version, charter.for_model(version.name), requirement)
    outcome, says, effect = CHECKS[requirement.check].answer(case)
    detail = {"check": requirement.check, "limit": requirement.limit, "says": requirement.says}
    words = f"requirement {requirement.name}: {says}"
    return Finding("requirement", outcome, words, requirement.name, effect, detail=detail)


def _targets(case: Case) -> Said:
    judged = of_version(case.version).data
    found = case.charter.judge(judged["metrics"]) if judged else ()
    if not found:
        needed = "a target: write metrics in charter.yaml" if judged else "an evaluation: nbmlops evaluate"
        return "skipped", f"whether the targets are kept is not known; needed is {needed}", None
    worst = _worst(found)
    told = "; ".join(f.message for f in found if f.outcome == worst.outcome)
    return worst.outcome, told if worst.outcome != "passed" else f"all {len(found)} targets are shown", None


def _worst(found: tuple[Finding, ...]) -> Finding:
    order = ("issue", "skipped", "warning", "passed")
    return min(found, key=lambda f: order.index(f.outcome) if f.outcome in order else len(order))


def _latency(case: Case) -> Said:
    ms = next((m for r in _gates(case.version) for m in [_ms(r["data"], case.version)] if m is not None), None)
    if ms is None:
        return "skipped", "the time of an answer is not known; needed is a gate: nbmlops gate", None
    return _at_most(case, ms, "ms for one row when it was gated")


def _ms(gate: Mapping[str, Any], version: ModelVersion) -> float | None:
    """Return how long one answer took in a gate, in milliseconds."""
    detail: Mapping[str, Any] = next((f["detail"] for f in gate["findings"] if f["code"] == "latency"), {})
    found = detail.get("ms" if gate.get("challenger_digest") == version.digest else "champion_ms")
    return None if found is None else float(found)


def _gate(case: Case) -> Said:
    mine = [r["data"] for r in _gates(case.version) if r["data"].get("challenger_digest") == case.version.digest]
    if not mine:
        return "skipped", "no gate held it against the champion; needed is one: nbmlops gate", None
    if mine[0]["ready"]:
        return "passed", f"ready: {mine[0]['verdict']} on {mine[0]['rows']:,} rows", None
    return "issue", f"not ready because {'; and '.join(mine[0]['because'])}", None


def _minimum(case: Case) -> Said:
    judged = of_version(case.version).data
    least = case.limit or case.charter.fewest(t.name for t in case.charter.metrics)
    if judged is None or least is None:
        needed = "an evaluation: nbmlops evaluate" if judged is None else "minimum in charter.yaml, or a limit here"
        return "skipped", f"whether enough rows judged it is not known; needed is {needed}", None
    rows = int(judged["rows"])
    return "passed" if rows >= least else "issue", f"judged on {rows:,} rows, {least:,.0f} are asked for", float(rows)


def _budget(case: Case) -> Said:
    known = left(case.charter.budget, now())["left"] if case.charter.budget else None
    if known is None:
        return "skipped", "what is left of the budget is not known; needed is budget with spent in charter.yaml", None
    return "passed" if known > 0 else "issue", rest_in_words(case.charter.budget, known), known


def _private(case: Case) -> Said:
    if not case.charter.private:
        return "skipped", "which columns are private is not said; needed is private in charter.yaml", None
    used = [c["name"] for c in case.version.signature.get("columns", ()) if c["name"] in case.charter.private]
    said = f"it is asked with {', '.join(used)}, which {'is' if len(used) == 1 else 'are'} private"
    return ("issue", said, None) if used else ("passed", "no private column is asked for", None)


def _explained(case: Case) -> Said:
    if case.version.signature.get("background") or case.version.format == "rules":
        return "passed", "an answer can be explained: nbmlops explain", None
    return "issue", "no rows were kept to explain its answers against: nb.register(..., background=rows)", None


def _reviewed(case: Case) -> Said:
    from nbmlops.governance.grounds import age

    found = age(case.version, case.charter.review_days, now())
    if case.charter.review_days is None:
        return "skipped", "how often it is reviewed is not said; needed is reviews in charter.yaml", None
    return ("issue" if found.outcome == "warning" else "passed"), found.message, found.effect


def _drift(case: Case) -> Said:
    from nbmlops.store.runs import results_of

    found = results_of(session.store(), kind="drift", subject=case.version.name)
    mine = [r for r in found if r["data"].get("reference") == case.version.ref]
    if not mine:
        return "skipped", f"its data was never checked; needed is nbmlops drift DATA --model {case.version.ref}", None
    verdict = str(mine[-1]["data"]["verdict"])
    outcome: Outcome = {"alert": "issue", "notice": "warning", "ok": "passed"}.get(verdict, "skipped")  # type: ignore[assignment]
    return outcome, f"the newest check of its data says {verdict} ({mine[-1]['at'][:10]})", None


def _flags(case: Case) -> Said:
    from nbmlops.governance.flags import open_flags

    count = len(list(open_flags(case.version.ref)))
    return "issue" if count else "passed", f"{count} open flag{'' if count == 1 else 's'}", float(count)


def _file(case: Case) -> Said:
    program = case.version.format in ("pickle", "source")
    return (
        "issue" if program else "passed",
        f"its file is {case.version.format}, {'a program' if program else 'data'}",
        None,
    )


def _team(case: Case) -> Said:
    there = {p for people in case.charter.roles.values() for p in people} - set(case.charter.left)
    least = FEWEST_PEOPLE if case.limit is None else case.limit
    return (
        "passed" if len(there) >= least else "issue",
        f"{len(there)} people, {least:g} are asked for",
        float(len(there)),
    )


def _at_most(case: Case, value: float, what: str) -> Said:
    if case.limit is None:
        return "skipped", f"{rounded(value)} {what}; needed is a limit in charter.yaml", value
    return (
        "passed" if value <= case.limit else "issue",
        f"{rounded(value)} {what}, at most {case.limit:,.10g} are asked for",
        value,
    )


def _gates(version: ModelVersion) -> list[dict[str, Any]]:
    """Return the gates this file was in, the newest first."""
    from nbmlops.store.runs import results_of

    sides = ("challenger_digest", "champion_digest")
    found = results_of(session.store(), kind="gate")
    return [r for r in reversed(found) if version.digest in [r["data"].get(side) for side in sides]]


CHECKS: Mapping[str, Check] = {
    "targets": Check("its evaluation keeps every target of the charter", _targets),
    "minimum": Check("enough rows judged it", _minimum, "rows; the charter's minimum when absent"),
    "gate": Check("its newest gate against the champion was ready", _gate),
    "latency": Check("one row is answered in time, as measured by its newest gate", _latency, "milliseconds"),
    "budget": Check("the budget is not spent", _budget),
    "private": Check("no private column is asked for", _private),
    "explained": Check("an answer can be explained", _explained),
    "reviewed": Check("its review is not due", _reviewed),
    "drift": Check("the newest check of its data is no alert", _drift),
    "flags": Check("no flag on it is open", _flags),
    "file": Check("its file is data, no program", _file),
    "team": Check("enough people play a role", _team, "people; 2 when absent"),
}
