"""Every field a reviewer may look for, once: who owns it, where it stands on the page, and what is known of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nbmlops.report import facts, known
from nbmlops.report.blocks import Block, Fold, Links, Missing, Say, Section, Table, Verdict
from nbmlops.report.text import count, joined

__all__ = ["BY_KEY", "FIELDS", "Field", "answers", "section"]

Json = Mapping[str, Any]
FIRST = ("decision", "The decision")  # page one, as a place to go to


@dataclass(frozen=True)
class Field:
    """One field: its title, the section that answers it, whose it is, how it comes to be known, what to do if not."""

    key: str
    title: str
    section: str
    owner: str  # a role
    how: Literal["computed", "written"]
    answer: known.Answer
    do: str

    @property
    def source(self) -> str:
        """Where what is known comes from, in words."""
        return "computed" if self.how == "computed" else "charter"


def _computed(key: str, title: str, section: str, owner: str, answer: known.Answer, do: str) -> Field:
    return Field(key, title, section, owner, "computed", answer, do)


def _written(key: str, title: str, section: str, owner: str, at: str, answer: known.Answer | None = None) -> Field:
    do = f"write `{at if ':' in at else at + ':'}` in charter.yaml"
    return Field(key, title, section, owner, "written", answer or known.written(at), do)


EVALUATE = "%evaluate MODEL FRAME --target COLUMN"
REGISTER = "%register MODEL NAME"
FIELDS = (
    _computed("model", "Name and version", "decision", "scientist", known.model, REGISTER),
    _computed("owner", "Owner", "audit", "manager", known.owner, REGISTER),
    _computed("made", "Date and origin", "reproducibility", "scientist", known.made, "%%track NAME"),
    _written("purpose", "Purpose", "limits", "stakeholder", "problem"),
    _written("users", "Intended users", "limits", "product", "users"),
    _written("use", "Decision it supports", "limits", "stakeholder", "decision"),
    _written("limits", "Where not to use it", "limits", "product", "limits"),
    _computed("how_to", "Instructions for use", "limits", "support", known.how_to, REGISTER),
    _written("worth", "Value", "decision", "stakeholder", "value", known.worth),
    _computed("training_data", "Training data", "data", "data_engineer", known.training_data,
              "name the frame in the tracked cell"),
    _computed("evaluation_data", "Evaluation data", "performance", "scientist", known.evaluation_data, EVALUATE),
    _computed("sources", "Sources and licences", "data", "data_engineer", known.sources,
              "write [sources.NAME] in nbmlops.toml, and load with nb.load_source"),
    _computed("quality", "Data quality", "checks", "data_engineer", known.quality, "%check FRAME"),
    _computed("dictionary", "Data dictionary", "glossary", "expert", known.dictionary,
              "write meaning and unit in rules/<dataset>.yaml"),
    _written("private", "Personal data", "limits", "compliance", "private", known.private),
    _computed("preparation", "How it works", "pipeline", "scientist", known.preparation, REGISTER),
    _computed("method", "Kind of model", "performance", "scientist", known.method, REGISTER),
    _computed("parameters", "Parameters", "parameters", "scientist", known.parameters, "set them in a %%track cell"),
    _computed("inputs", "Inputs and answer", "pipeline", "scientist", known.inputs, REGISTER),
    _computed("software", "Software and machine", "reproducibility", "backend_engineer", known.software,
              "track in a notebook or with nb.run"),
    _computed("code", "Code and seeds", "reproducibility", "software_engineer", known.code, "git init, then commit"),
    _computed("security", "Safe to load", "reproducibility", "software_engineer", known.security,
              REGISTER),
    _computed("metrics", "Metrics", "performance", "scientist", known.metrics, EVALUATE),
    _written("targets", "Targets", "decision", "scientist", "metrics", known.targets),
    _computed("baseline", "Baseline", "performance", "scientist", known.baseline,
              "%gate CHALLENGER CHAMPION"),
    _computed("subgroups", "Subgroups", "performance", "expert", known.subgroups,
              "%evaluate MODEL FRAME --by COLUMN"),
    _computed("calibration", "Calibration", "performance", "scientist", known.calibration,
              "%evaluate a model that gives probabilities"),
    _computed("errors", "Large errors", "performance", "expert", known.errors, EVALUATE),
    _computed("explanation", "Explanation", "explanations", "scientist", known.explanation, EVALUATE),
    _computed("drift", "Drift", "drift", "ml_engineer", known.drift, "%drift FRAME"),
    _computed("findings", "Findings", "decision", "scientist", known.findings, "%check FRAME"),
    _written("risk", "Risk tier", "limits", "compliance", "risk: {tier, why}", known.risk),
    _written("harms", "Possible harm", "limits", "compliance", "risk: {harms: []}", known.harms),
    _written("oversight", "Human oversight", "limits", "product", "oversight"),
    _written("standards", "Standards applied", "limits", "compliance", "standards"),
    _written("declaration", "Declaration of conformity", "limits", "compliance", "declaration"),
    _computed("trigger", "Reason for the run", "reproducibility", "manager", known.trigger,
              "run it by a job, or as a person git knows"),
    _computed("changes", "Changes", "changed", "manager", known.changes,
              "promote a version: the next report compares with it"),
    _computed("approvals", "Decisions and approvals", "audit", "manager", known.approvals, "%approve or %promote"),
    _computed("challenge", "Independent challenge", "audit", "compliance", known.challenge,
              "somebody else approves, reviews or flags it"),
    _computed("monitoring", "Monitoring", "monitoring", "ml_engineer", known.monitoring,
              "make a job that runs %drift MODEL"),
    _written("review", "Next review", "monitoring", "manager", "review_days", known.review),
    _written("stop", "End of use", "limits", "manager", "metrics: [{viable}]", known.stop),
    _computed("incidents", "Flags and open problems", "audit", "support", known.incidents, REGISTER),
    _written("roles", "Roles", "limits", "manager", "roles"),
)  # fmt: skip
BY_KEY = {field.key: field for field in FIELDS}


def answers(snapshot: Json) -> dict[str, str | None]:
    """Return what is known of each field, in one line; None where nothing is.

    Parameters
    ----------
    snapshot : mapping
        See :func:`nbmlops.report.snapshot.build`.
    """
    return {field.key: field.answer(snapshot) for field in FIELDS}


def section(snapshot: Json, places: Mapping[str, str]) -> Section:
    """Return every field with what is known of it, or that it is missing and whose it is.

    Parameters
    ----------
    snapshot : mapping
    places : mapping
        Key to title of the sections on the page.
    """
    found = answers(snapshot)
    here = [field for field in FIELDS if found[field.key] is not None]
    words = f"{len(here)} of {count(len(FIELDS), 'field')} known; a missing one says whose it is and what to do."
    rows = [_row(field, field.source, str(found[field.key]), snapshot, places) for field in here]
    table = Table("Known fields", ("Field", "From", "What is known", "Whose", "Where"), rows)
    known_ones: list[Block] = [Fold(f"{count(len(here), 'known field')}", [table])] if here else []
    gaps = [field for field in FIELDS if found[field.key] is None]
    return Section("fields", "Every field", words, [*_missing(gaps, snapshot, places), *known_ones])


def _missing(gaps: Sequence[Field], snapshot: Json, places: Mapping[str, str]) -> list[Block]:
    """Return what nobody has said or measured, with whose it is; how many each role owes first."""
    if not gaps:
        return [Say("Nothing is missing.")]
    owed = Counter(field.owner.replace("_", " ") for field in gaps)
    each = joined([f"{n} of {role}" for role, n in owed.most_common()])
    rows = [_row(field, Verdict("missing", "warn"), field.do, snapshot, places) for field in gaps]
    table = Table("Missing fields", ("Field", "State", "What to do", "Whose", "Where"), rows, tight=(1,))
    return [Missing(f"{count(len(gaps), 'field')}: {each}", "see the rows below"), table]


def _row(
    field: Field, state: str | Verdict, what: str, snapshot: Json, places: Mapping[str, str]
) -> tuple[str | Verdict, ...]:
    where = Links.to_those([field.section], places)
    return field.title, state, what, facts.whose(snapshot, field.owner), where


def where(keys: Sequence[str], places: Mapping[str, str]) -> Links:
    """Return the sections that answer some fields, in the order of the page."""
    wanted = {BY_KEY[key].section for key in keys}
    return Links.to_those([key for key in places if key in wanted], places)
