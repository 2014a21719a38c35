"""The signature page: who answered which report, in which role and how known; the report itself is never rewritten."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from nbmlops import __version__
from nbmlops.errors import Invalid, NotFound
from nbmlops.governance.approval import standing
from nbmlops.governance.approval.given import Answer
from nbmlops.governance.approval.policy import Policy
from nbmlops.hooks import Shown
from nbmlops.records import now
from nbmlops.report import kept, page, snapshot
from nbmlops.report.blocks import Block, Facts, Missing, Say, Section, Table, Verdict
from nbmlops.report.kinds.kind import subject_of
from nbmlops.report.page_one import decided
from nbmlops.report.text import count, is_over, joined, stamp, utc, when
from nbmlops.store import events, reports
from nbmlops.tracking import session

__all__ = ["APPROVED", "OUTCOMES", "Signatures", "render", "sections", "signatures"]

OUTCOMES = ("approved", "approved with conditions", "changes requested", "rejected")
APPROVED = OUTCOMES[:2]
BOUND = ("model", "data", "code")
SAID = ("role", "outcome", "condition", "comment", "expires_at")
TONES = {"approved": "good", "approved with conditions": "warn", "changes requested": "warn", "rejected": "bad"}
HEADS = ("Role", "Who, and how known", "Outcome", "Condition, comment", "When (UTC)", "Valid until", "Event")


@dataclass(frozen=True, repr=False)
class Signatures(Shown):
    """What people answered to the reports of one subject, the newest report first.

    ``reports`` are mappings with number, digest, made_at, as_of, question, answer, ``stale`` (a newer report has other
    facts) and ``signatures``, each with ``expired`` (an approval that held until a time that has passed), ``state`` and
    ``why`` (stale, withdrawn, void) and ``bound``, the hashes it is bound to; ``required`` are the roles the policy
    names, ``missing`` those in which somebody still has to approve; both are None where no policy is known. ``asks``
    says it in words.
    """

    shows: ClassVar[str] = "signatures"

    subject: str
    title: str
    project: str
    as_of: str
    reports: tuple[Mapping[str, Any], ...]
    required: tuple[str, ...] | None = None
    missing: tuple[str, ...] | None = None
    asks: str = ""
    path: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dataclasses.asdict(self) | {
            "reports": [dict(r) for r in self.reports],
            "required": None if self.required is None else list(self.required),
            "missing": None if self.missing is None else list(self.missing),
        }


def signatures(ref: Any, output: str | Path | None = None, at: str | None = None) -> Signatures:
    """Return who approved, rejected or asked to change the reports of a subject; write the page of it.

    Parameters
    ----------
    ref : str, Run or ModelVersion
        What :func:`report` takes.
    output : str or Path, optional
        The HTML file; none is written when absent.
    at : str, optional
        An ISO time: approvals that ended before it have expired. Now when absent.

    Returns
    -------
    Signatures

    Raises
    ------
    NotFound
        No report of it was made yet.
    Invalid
        ``at`` is no time.

    Examples
    --------
    >>> nb.signatures("late-flights@champion").missing  # doctest: +SKIP
    ('manager',)
    """
    found = _found(ref, _time(at))
    if output is None:
        return found
    target = page.place_of(f"signatures-{found.subject.rpartition(':')[2][-12:]}", output)
    page.write(target, render(found.to_dict()).encode("utf-8"))
    return dataclasses.replace(found, path=str(target))


def _time(at: str | None) -> str:
    """Return the time at which an approval has to hold."""
    found = utc(now() if at is None else at)
    if found is None:
        raise Invalid(f"{str(at)[:40]!r} is no time.", "Write such as 2026-03-03T14:03 (UTC).")
    return found


def _found(ref: Any, at: str) -> Signatures:
    subject = subject_of(ref)
    store = session.store()
    made = reports.listed(store, subject.key)
    if not made:
        raise NotFound(f"No report of {subject.name} was made yet.", f"nbmlops report {subject.name}")
    with store.reading() as connection:
        answers = {r.digest: events.naming(connection, "approve", r.digest) for r in made}
    newest, states = made[0], _states(answers.values(), at)
    listed = tuple(_of_report(r, newest, answers[r.digest], at, states) for r in made)
    asked = _asked(newest)
    about = subject.key, newest.title, session.project().name, _as_of(newest, listed)
    if asked is None:
        return Signatures(*about, listed)
    return Signatures(*about, listed, asked.roles, _missing(asked, listed), decided.asked_words(asked))


def _states(answers: Iterable[Iterable[Mapping[str, Any]]], at: str) -> dict[int, Answer]:
    """Return by its number each answer that is bound to something, as it stands."""
    subjects = {e["subject"] for found in answers for e in found if e["data"].get("bound")}
    return {a.seq: a for subject in sorted(subjects) for a in standing.judged(subject, at)}


def _as_of(newest: reports.Kept, listed: Iterable[Mapping[str, Any]]) -> str:
    """Return when the newest of what is said happened: a report was made, was answered, or an approval expired."""
    signed = [s for r in listed for s in r["signatures"]]
    ended = (utc(s["expires_at"]) for s in signed if s["expired"])
    return max([newest.made_at, *(str(s["at"]) for s in signed), *filter(None, ended)])


def _of_report(
    report: reports.Kept,
    newest: reports.Kept,
    answers: Iterable[Mapping[str, Any]],
    at: str,
    states: Mapping[int, Answer],
) -> dict[str, Any]:
    about = {k: getattr(report, k) for k in ("number", "digest", "made_at", "as_of")}
    says = {k: report.data.get(k, "") for k in ("question", "answer")}
    stale = report.data.get("facts") != newest.data.get("facts")
    named = [e for e in answers if e["data"].get("report") == report.digest]
    signed = [_signature(e, at, states.get(e["seq"])) for e in named]
    return {**about, **says, "stale": stale, "signatures": signed}


def _signature(event: Mapping[str, Any], at: str, answer: Answer | None) -> dict[str, Any]:
    data = event["data"]
    name = str(data.get("by") or event["actor"])
    who = {"name": name, "known_by": event["known_by"], "who": decided.who(event), "at": event["at"]}
    said = {k: data.get(k) or "" for k in SAID}
    over = said["outcome"] in APPROVED and bool(said["expires_at"]) and is_over(said["expires_at"], at)
    state, why = (answer.state, answer.why) if answer else ("expired" if over else "valid", "")
    stands = {"expired": over or state == "expired", "state": state, "why": why}
    bound = {k: v for k, v in (data.get("bound") or {}).items() if k in BOUND}
    policy = {"policy": data.get("policy_digest") or ""} if bound else {}
    return {**who, **said, **stands, "bound": bound | policy, "seq": event["seq"], "hash": event["hash"]}


def _asked(report: reports.Kept) -> Policy | None:
    """Return what the charter, as it was for a report, asks for; None without a charter."""
    facts = kept.load(report.digest)
    charter = facts.get("charter")
    if not isinstance(charter, Mapping) or charter.get("unreadable"):
        return None
    return decided.policy_of(facts)


def _missing(asked: Policy, listed: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the roles in which somebody still has to approve; without a number one of those named is enough."""
    wanted = dataclasses.replace(asked, approvals=asked.approvals or int(bool(asked.roles)))
    signed = [s for r in listed for s in r["signatures"] if s["bound"] or r is listed[0]]
    newest = {(s["name"], s["role"]): s for s in sorted(signed, key=lambda s: s["seq"])}  # the last word counts
    holding = [who for who, s in newest.items() if s["outcome"] in APPROVED and s["state"] == "valid"]
    return tuple(dict.fromkeys(role for roles in wanted.wanting(holding) for role in roles or ("anybody",)))


def render(data: Mapping[str, Any]) -> str:
    """Return the signature page: HTML, the same for the same facts.

    Parameters
    ----------
    data : mapping
        :class:`Signatures` as JSON, without its path.
    """
    facts = {k: v for k, v in data.items() if k != "path"}
    digest = hashlib.sha256(snapshot.canonical(facts)).hexdigest()
    return (
        page.environment()
        .get_template("signatures.html.j2")
        .render(
            title=f"Signatures: {data['title']}",
            project=data["project"],
            summary=summary(data),
            sections=sections(data),
            css=page.template("page.css"),
            generator=f"nbmlops {__version__}",
            as_of=when(data["as_of"]),
            digest=digest,
        )
    )


def summary(data: Mapping[str, Any]) -> list[Block]:
    """Return whether the newest report is approved, and what the policy still asks for."""
    newest = data["reports"][0]
    signed = len(newest["signatures"])
    said = f"Report {newest['number']} is the newest. It has {count(signed, 'answer') if signed else 'no answer yet'}."
    blocks: list[Block] = [Say(said)]
    if data["required"] is None:
        blocks.append(Missing("Whose approval it needs was not agreed", "write `policy:` in charter.yaml"))
    elif not data["required"] and not data["missing"]:
        blocks.append(Missing("The charter asks for nobody's approval", "write policy.champion.roles in charter.yaml"))
    else:
        blocks.append(Say(f"{data['asks'][:1].upper()}{data['asks'][1:]}."))
        if data["missing"]:
            blocks.append(Missing(f"Approval by {_roles(data['missing'])}", "approve the newest report"))
    blocks += [
        Missing(f"Another answer of {s['name']}, who said: {s['outcome']}", s["comment"] or "answer again")
        for s in newest["signatures"]
        if s["outcome"] in OUTCOMES[2:] and s["bound"] and s["state"] == "valid"
    ]
    blocks += [Say(f"The approval by {s['name']} expired on {when(s['expires_at'])}.") for s in _expired(newest)]
    return blocks


def _expired(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [s for s in report["signatures"] if s["expired"]]


def _roles(names: Sequence[str]) -> str:
    return joined([name.replace("_", " ") for name in names], "or")


def sections(data: Mapping[str, Any]) -> list[Section]:
    """Return a section for each report, the newest first."""
    return [_section(report) for report in data["reports"]]


def _section(report: Mapping[str, Any]) -> Section:
    outdated = " What is signed here is outdated: a newer report has other facts." if report["stale"] else ""
    about = Facts(
        [
            ("Asked", report["question"]),
            ("Answer", report["answer"]),
            ("Facts as of", when(report["as_of"])),
            ("SHA-256 of its facts", report["digest"]),
        ]
    )
    blocks: list[Block] = [about, *_table(report["signatures"])]
    if not report["signatures"]:
        blocks.append(Missing("Nobody has answered this report", "approve it, reject it, or ask for changes"))
    number = report["number"]
    return Section(f"report-{number}", f"Report {number}", f"Made {when(report['made_at'])}.{outdated}", blocks)


def _table(signed: Sequence[Mapping[str, Any]]) -> list[Block]:
    rows = [
        (
            (s["role"] or "-").replace("_", " "),
            s["who"],
            _outcome(s),
            " ".join(filter(None, (s["condition"], s["comment"]))) or "-",
            stamp(s["at"]),
            _until(s),
            f"{s['seq']}, {s['hash'][:12]}",
        )
        for s in signed
    ]
    return [Table("Who answered", HEADS, rows), *_bound(signed)] if rows else []


def _bound(signed: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Return what each answer is bound to, and whether that is still so."""
    rows = [
        (
            f"{s['seq']}, {s['name']}",
            f"{s['state']}: {s['why']}" if s["why"] else s["state"],
            *(str(s["bound"].get(k) or "-")[:12] for k in BOUND),
            str(s["bound"].get("policy") or "-")[:12],
        )
        for s in signed
        if s["bound"]
    ]
    heads = ("Event", "State", "Model", "Data", "Code", "Policy")
    return [Table("What each answer is bound to (SHA-256, first 12)", heads, rows)] if rows else []


def _outcome(signed: Mapping[str, Any]) -> Verdict:
    word = signed["outcome"] or "unknown"
    past = "expired" if signed["expired"] else "" if signed["state"] == "valid" else signed["state"]
    return Verdict(f"{word}, {past}" if past else word, "warn" if past else TONES.get(word, "quiet"))  # type: ignore[arg-type]


def _until(signed: Mapping[str, Any]) -> str:
    return stamp(signed["expires_at"]) if signed["expires_at"] else "-"
