"""Models: the list, a version with all that is needed to decide on it, and the two decisions: answer and promote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tornado.web
from jupyter_server.auth.decorator import authorized

from nbmlops.errors import Conflict, Invalid, NbmlopsError
from nbmlops.server import threads, views
from nbmlops.server.asking import afterwards
from nbmlops.server.base import Handler, Here
from nbmlops.server.masks import Masks

if TYPE_CHECKING:
    from nbmlops.governance.charter import Charter
    from nbmlops.records import ModelVersion

__all__ = ["AnswerHandler", "ModelHandler", "ModelsHandler", "PromoteHandler", "name_of"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
DIGEST = re.compile(r"[0-9a-f]{64}")
CONDITION = ("what", "owner", "due")
ALIASES = ("champion", "challenger")
MOST_VERSIONS = 20  # of one model, the newest; those with an alias are listed, too
MOST_PHASED = 500  # versions in the store: to know the phases reads what each was fitted on
LONGEST_QUOTED = 300  # characters of what a report recommends
MOST_COUNTED = 12  # versions whose approvals a list counts, each with a look at its report
Json = dict[str, Any]


class ModelsHandler(Handler):
    """``GET models``: every model with its versions, the newest first."""

    @tornado.web.authenticated
    @authorized
    async def get(self) -> None:
        """Send ``{models: [...]}``."""
        await self.answer(_models, without={"models": []})


class ModelHandler(Handler):
    """``GET models/NAME/VERSION``: what somebody who decides has to see."""

    @tornado.web.authenticated
    @authorized
    async def get(self, name: str, version: str) -> None:
        """Send the version, its evidence, its approvals, and what who asks may do."""
        write = await self.may("write")

        def words() -> Json:
            return {**_named(name, version), "deciding": write and self.word("deciding", "", ("", "1")) == "1"}

        await self.answer(_model, words)


class AnswerHandler(Handler):
    """``POST models/NAME/VERSION/answer``: approve, reject, ask for changes."""

    @tornado.web.authenticated
    @authorized
    async def post(self, name: str, version: str) -> None:
        """Answer the report that was read, in the name of who asks."""
        kinds = {"outcome": str, "reason": str, "role": str, "conditions": list, "report_digest": str}
        await self.answer(_answered, lambda: {**_named(name, version), **self.body(**kinds)})


class PromoteHandler(Handler):
    """``POST models/NAME/VERSION/promote``: move an alias."""

    @tornado.web.authenticated
    @authorized
    async def post(self, name: str, version: str) -> None:
        """Move an alias if the charter allows it, in the name of who asks."""
        kinds = {"alias": str, "reason": str, "override": bool, "instead_of": int}
        await self.answer(_promoted, lambda: {**_named(name, version), **self.body(**kinds)})


def name_of(text: str) -> str:
    """Return the name of a model if it can be one."""
    if not NAME.fullmatch(text):
        raise Invalid(f"{text[:40]!r} is no name of a model.", "Take name from GET models.")
    return text


def _named(name: str, version: str) -> Json:
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise Invalid(f"{version[:40]!r} is no number of a version.", "Take version from GET models.")
    return {"name": name_of(name), "version": int(version)}


def _models(here: Here) -> Json:
    from nbmlops.registry import fleet

    rows: dict[str, list[Json]] = {}
    for row in fleet.rows():
        rows.setdefault(str(row["name"]), []).append(row)
    if not rows:
        return {"models": []}
    known = _Known(_phases() if sum(map(len, rows.values())) <= MOST_PHASED else {})
    return {"models": [known.model(name, found) for name, found in rows.items()]}


class _Known:
    """What the list says of versions beside their rows, each read once."""

    def __init__(self, phases: Mapping[str, str]) -> None:
        from nbmlops.store.runs import results_of
        from nbmlops.tracking import session

        gates = (r["data"] for r in results_of(session.store(), kind="gate"))
        self.gates = {
            g.get("challenger_digest"): {"verdict": g["verdict"], "ready": bool(g.get("ready"))} for g in gates
        }
        self.phases = phases
        self.agreed = _charter()
        self.measured: Mapping[str, str] = {}
        self.flags = _unsettled()
        self.answers = _answers()
        self.masks = Masks.now()
        self.counted = 0

    def model(self, name: str, rows: list[Json]) -> Json:
        """Return a model with its versions."""
        from nbmlops.tracking import headlines

        pointing = {alias: row["version"] for row in rows for alias in filter(None, row["aliases"].split(", "))}
        listed = [row for place, row in enumerate(rows) if place < MOST_VERSIONS or row["aliases"]]
        self.measured = headlines.measured_by([row["run_id"] for row in listed if row["run_id"]], self.masks.tells)
        shown = [self.version(row, newest=row is rows[0]) for row in listed]
        return {"name": name, "owner": rows[0]["owner"], "aliases": pointing, "versions": shown, "total": len(rows)}

    def version(self, row: Json, newest: bool) -> Json:
        ref = f"{row['name']}@{row['version']}"
        aliases = [a for a in row["aliases"].split(", ") if a]
        named = {k: row[k] for k in ("version", "created_at", "owner", "run_id", "override")}
        asked = newest or bool(aliases)
        counts = newest and ALIASES[0] not in aliases and self.counted < MOST_COUNTED
        self.counted += counts
        said = self.answers.get(ref, [])
        return {
            **named,
            "ref": ref,
            "aliases": aliases,
            "author": row["owner"],
            "metric": _metric(row, self.agreed, self.masks, self.measured.get(row["run_id"], "")),
            "gate": self.gates.get(row["digest"]),
            "approvals": _counted(ref, self.agreed) if counts else None,
            "answers": len(said),
            "refused": _refused(said),
            "flags": _flags(ref) if asked and self.flags else {"open": 0, "blocking": 0},
            "phase": self.phases.get(ref),
            "checked_at": row["checked_at"],
            "verdict": row["verdict"],
        }


def _answers() -> dict[str, list[Json]]:
    """Return what each version was answered, oldest first."""
    from nbmlops.store import events
    from nbmlops.tracking import session

    found: dict[str, list[Json]] = {}
    with session.store().reading() as connection:
        for event in events.listed(connection, action="approve"):
            found.setdefault(event["subject"], []).append(event)
    return found


def _refused(answers: list[Json]) -> str | None:
    """Return the newest no that nobody took back; whether it still holds, the version's approvals say."""
    last = {a["data"].get("by") or a["actor"]: str(a["data"].get("outcome")) for a in answers}
    return next((said for said in reversed(last.values()) if not said.startswith("approved")), None)


def _unsettled() -> bool:
    """Tell whether any flag may concern anything: to ask of each version costs a look at its run and data."""
    from nbmlops.store import flags
    from nbmlops.tracking import session

    return bool(flags.listed(session.store()))


def _phases() -> dict[str, str]:
    from nbmlops.governance.phase import status

    try:
        return {item.version: item.phase for item in status().items if item.version}
    except NbmlopsError:
        return {}


def _charter() -> Charter | None:
    """Return the charter; of one that cannot be read nothing is said in a list, and nothing is promoted by it."""
    from nbmlops.governance.charter import charter

    try:
        return charter()
    except NbmlopsError:
        return None


def _metric(row: Mapping[str, Any], agreed: Charter | None, masks: Masks, listed: str) -> Json | None:
    """Return the metric that counts: the charter's first, else the one its run is listed with, else its own first."""
    values = {k.partition(".")[2]: v for k, v in row.items() if k.startswith("metrics.") and v is not None}
    wanted = [t.name for t in agreed.for_model(str(row["name"])).metrics] if agreed else []
    name = next((n for n in [*wanted, listed, *values] if n in values and not masks.tells(n)), None)
    return {"name": name, "value": values[name]} if name else None


def _counted(ref: str, agreed: Charter | None) -> Json | None:
    """Return how many approvals a version has of those the policy of the champion asks for; None where it asks none."""
    from nbmlops.governance.approval import given, policy
    from nbmlops.governance.approval.standing import approvals

    try:
        asked = policy.of(agreed, ALIASES[0])
        found = approvals(ref) if asked.approvals else None
    except NbmlopsError as error:
        return {"state": error.message, "given": 0, "needed": 0}
    if found is None:
        return None
    people = {a["name"] for a in found.given if a["outcome"] in given.APPROVED and a["state"] == "valid"}
    return {"state": "complete" if found.met else "incomplete", "given": len(people), "needed": asked.approvals}


def _flags(ref: str) -> Json:
    from nbmlops.governance.flags.unsettled import open_flags

    found = open_flags(ref)
    return {"open": len(found), "blocking": sum(f.severity == "blocking" for f in found)}


def _model(here: Here, name: str, version: int, deciding: bool = False) -> Json:
    from nbmlops.registry import files
    from nbmlops.registry.models import evaluation_of, model_version

    if deciding:  # a reason is being written: what promotes it is loaded meanwhile
        threads.CHANGES.submit(files.ready)
    found = model_version(f"{name}@{version}")
    judged, gate = evaluation_of(found), _gate(found)
    aliases = _aliases()
    listed = [_approvals(found.ref, alias) for alias in aliases]
    conditions = [c for v in listed[:1] if v for c in v["data"]["conditions"]]
    report, quoted = _report(here, found)
    masks, said = Masks.now(), found.to_dict()
    return {
        "view": views.of_data("model", masks.model(said)),
        "evaluation": views.of_data("evaluation", masks.result(judged, said)) if judged else None,
        "gate": views.of_data("gate", masks.result(gate, said)) if gate else None,
        "approvals": [v for v in listed if v],
        "report": report,
        "says": None if masks.unread else quoted,
        "aliases": aliases,
        "named": _named_now(name),
        "conditions": conditions,
        "may": _may(found, aliases, report),
        "flags": _flags(found.ref),
    }


def _aliases() -> list[str]:
    """Return the aliases one may promote to: those the charter has a policy for, and the usual ones."""
    agreed = _charter()
    return list(dict.fromkeys([*ALIASES, *(agreed.policy if agreed else ())]))


def _named_now(name: str) -> dict[str, int]:
    """Return which version each alias of a model names."""
    from nbmlops.store import models
    from nbmlops.tracking import session

    return dict(models.aliases(session.store(), name).get(name, {}))


def _gate(version: ModelVersion) -> Json | None:
    from nbmlops.store.runs import results_of
    from nbmlops.tracking import session

    found = [r["data"] for r in results_of(session.store(), kind="gate")]
    return next((g for g in reversed(found) if g.get("challenger_digest") == version.digest), None)


def _approvals(ref: str, alias: str) -> Json | None:
    from nbmlops.governance.approval.standing import approvals

    try:
        return views.of(approvals(ref, alias))
    except NbmlopsError:
        return None


def _report(here: Here, version: ModelVersion) -> tuple[Json | None, str | None]:
    """Return the newest report that asks about a version, and what its first page recommends."""
    from nbmlops.governance.approval.reported import reported
    from nbmlops.server.reports import address

    try:
        found = reported(version)
    except NbmlopsError:
        return None, None
    kept = found.row
    named = {"url": address(here, kept), "ref": version.ref, "number": kept.number, "digest": kept.digest}
    return named, _quoted(found.about["answer"], found.about["because"])


def _quoted(answer: str, because: str) -> str:
    """Return a recommendation in one line."""
    line = " ".join(f"{answer}: {because}".removesuffix(": ").split())
    return line if len(line) <= LONGEST_QUOTED else f"{line[: LONGEST_QUOTED - 1]}…"


def _may(version: ModelVersion, aliases: list[str], report: Json | None) -> Json:
    """Return of each decision None, or why who asks cannot take it."""
    from nbmlops.governance.approval.approve import roles_for
    from nbmlops.governance.promotion import refusal

    may: Json = {"approve": None, "reject": None, "roles": [], "outdated": False}
    try:
        if report is None:
            raise Conflict(
                f"No report of {version.ref} was made yet.", f"Make it and read it: nbmlops report {version.ref}"
            )
        may["roles"] = list(roles_for(report["digest"]))
    except NbmlopsError as error:
        outdated = report is not None and isinstance(error, Conflict)  # the next one may be answered
        may |= {"approve": str(error), "reject": str(error), "outdated": outdated}
    told = {alias: refusal(version, alias) for alias in aliases}
    return {**may, "promote": {alias: str(error) if error else None for alias, error in told.items()}}


def _answered(
    here: Here,
    name: str,
    version: int,
    outcome: str | None,
    reason: str | None,
    role: str | None,
    conditions: list[Any] | None,
    report_digest: str | None,
) -> Json:
    from nbmlops.governance.approval.approve import approve
    from nbmlops.governance.approval.reported import reported

    if not (reason or "").strip():
        raise Invalid("The answer has no reason.", "Say why in a sentence: reason.")
    if not DIGEST.fullmatch(report_digest or ""):
        raise Invalid("report_digest names no report.", "Send the digest of the report that was read.")
    asked = reported(report_digest)
    if asked.subject != f"{name}@{version}":
        raise Conflict(
            f"This report asks about {asked.subject}, not {name}@{version}.", "Read and answer its own report."
        )
    approve(report_digest, outcome or "", role or None, reason or "", [_condition(c) for c in conditions or ()])
    return afterwards(lambda: _model(here, name, version))


def _condition(said: Any) -> dict[str, str]:
    """Return a condition as :func:`approve` takes it."""
    if not isinstance(said, dict) or set(said) - set(CONDITION) or not all(isinstance(v, str) for v in said.values()):
        raise Invalid(f"{str(said)[:80]!r} is no condition.", "Each has what, owner and due (a day), as text.")
    return {"text": said.get("what", ""), "owner": said.get("owner", ""), "due": said.get("due", "")}


def _promoted(
    here: Here,
    name: str,
    version: int,
    alias: str | None,
    reason: str | None,
    override: bool | None,
    instead_of: int | None,
) -> Json:
    from nbmlops.governance.promotion import promote

    promote(name, version, alias or "", reason or "", bool(override), instead_of)
    return afterwards(lambda: _model(here, name, version))
