"""The datasheet of a data set, in the seven parts of Gebru et al.: computed, written, or missing with its owner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nbmlops.errors import Invalid, NbmlopsError, unknown
from nbmlops.report import facts
from nbmlops.report.as_markdown import escaped, table
from nbmlops.report.gathered import masked, origins
from nbmlops.report.known import line
from nbmlops.report.papers.written import Item, part, saved, tally
from nbmlops.report.text import count, joined, number, percent, when
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.quality.versions import DatasetVersion
    from nbmlops.records import ModelVersion

__all__ = ["FOLDER", "QUESTIONS", "datasheet", "sheet"]

FOLDER = "datasheets"  # of the project: what only people know
LARGEST_BYTES = 200_000
DAY_S = 86_400.0
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Known:
    """What is known of a version of a data set."""

    version: DatasetVersion
    charter: Json
    said: Json  # datasheets/NAME.yaml

    @cached_property
    def hidden(self) -> list[str]:
        """The columns nobody is shown a value of; all where the charter cannot be read."""
        if self.charter.get("unreadable"):
            return [str(c["name"]) for c in self.version.columns]
        return [*(self.charter.get("private") or ())]

    @cached_property
    def origin(self) -> Json:
        """Where it comes from: owner, licence, meaning of the source, the window of time."""
        run = {"datasets": [{"fingerprint": self.version.fingerprint}]}
        found = {"run": run, "parts": [], "models": [], "results": [], "charter": {"private": self.hidden}}
        return dict(origins.gather(found)["origins"]["known"].get(self.version.fingerprint) or {})

    @cached_property
    def source(self) -> Any:
        """The source of its name in ``nbmlops.toml``; None where there is none, or it cannot be read."""
        from nbmlops.quality import sources

        try:
            return sources.known(session.project()).get(self.version.name)
        except NbmlopsError:
            return None

    @cached_property
    def words(self) -> Mapping[str, Mapping[str, str]]:
        """What its rules say of each column."""
        from nbmlops.quality import rulebook

        try:
            return {row["column"]: row for row in rulebook.dictionary(self.version.name)}
        except NbmlopsError:
            return {}

    @cached_property
    def rules(self) -> Any:
        """Its rules file as it is read; None without one."""
        from nbmlops.quality import rules

        try:
            return rules.load(self.version.name)
        except NbmlopsError:
            return None

    @cached_property
    def models(self) -> list[ModelVersion]:
        """The model versions that were fitted on it."""
        from nbmlops.store.models import listed

        found = listed(session.store())
        return [v for v in found if self.version.ref in (v.signature.get("datasets") or ())]

    @cached_property
    def every(self) -> list[Json]:
        """Every version of its name, newest first."""
        from nbmlops.store import datasets

        return [*datasets.listed(session.store(), self.version.name)]


class Question(NamedTuple):
    """A question of the datasheet: its part, whose it is, how it is answered, what to do where it is not."""

    key: str
    part: str
    title: str
    owner: str
    answer: Callable[[Known], str | None] | None
    do: str = ""


def datasheet(ref: str, output: str | Path | None = None) -> Path:
    """Write the datasheet of a version of a data set, with what only people know from ``datasheets/NAME.yaml``.

    Parameters
    ----------
    ref : str
        ``flights@7``, or ``flights`` for the newest.
    output : str or Path, optional
        The ``.md`` file or its folder; ``outputs/reports`` of the project when absent.

    Returns
    -------
    Path
        The same facts give the same bytes. No value of a private column is in it.

    Raises
    ------
    NotFound
        No such version or folder, or ``datasheets/NAME.yaml`` has a key that is no question.
    Invalid
        That file is broken, or the file to write has no Markdown's name.

    Examples
    --------
    >>> nb.datasheet("flights@7", "flights.md")  # doctest: +SKIP
    PosixPath('flights.md')
    """
    from nbmlops.quality.versions import dataset_version

    version = dataset_version(ref)
    return saved(sheet(version), f"datasheet-{version.name}-{version.version}", output)


def sheet(version: DatasetVersion) -> str:
    """Return the text of a datasheet."""
    found = Known(version, _charter(), _said(version.name))
    items = {q.key: _item(q, found) for q in QUESTIONS}
    lines = [
        f"# Datasheet: {escaped(version.ref)}",
        escaped(f"Project: {session.project().name}. Content {version.fingerprint}."),
        escaped(tally(items.values())),
    ]
    for title in dict.fromkeys(q.part for q in QUESTIONS):
        lines += part(title, [items[q.key] for q in QUESTIONS if q.part == title])
        lines += _columns(found) if title == "Composition" else ()
    lines += [
        "---",
        f"Recorded {when(version.created_at)} by {escaped(version.author)}. Questions: Gebru et al., 2021.",
    ]
    return "\n\n".join(lines) + "\n"


def _charter() -> Json:
    from nbmlops.governance.charter import charter

    try:
        found = charter()
    except NbmlopsError as error:
        return {"unreadable": str(error)}
    return found.to_dict() if found else {}


def _said(name: str) -> Json:
    """Return what people wrote about a data set, each key checked."""
    import yaml

    path = session.project().root / FOLDER / f"{name}.yaml"
    if not path.is_file():
        return {}
    where = f"{FOLDER}/{name}.yaml"
    if path.stat().st_size > LARGEST_BYTES:
        raise Invalid(f"{where} is larger than {LARGEST_BYTES:,} bytes.", "Name a document instead of copying it.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Invalid(f"{where} is not valid YAML: {' '.join(str(error).split())}.", "Mend it.") from error
    if not isinstance(content or {}, Mapping):
        raise Invalid(f"{where} holds no keys with values.", "Write such as: purpose: to warn before a late flight")
    for key in content or {}:
        if str(key) not in KEYS:
            raise unknown("question", str(key), KEYS, where=f"in {where}")
    return {str(key): value for key, value in (content or {}).items()}


def _item(question: Question, found: Known) -> Item:
    where = f"{FOLDER}/{found.version.name}.yaml"
    written = line(found.said.get(question.key))
    computed = question.answer(found) if question.answer else None
    do = " or ".join(filter(None, [question.do, f"write `{question.key}:` in {where}"]))
    whose = facts.whose({"charter": found.charter}, question.owner)
    if written is not None:
        return Item(question.title, " ".join(filter(None, [written, computed])), where, whose, do)
    return Item(question.title, line(computed), "computed", whose, do)


def _columns(found: Known) -> list[str]:
    """Return each column with its type, what it means, its rules and how much of it is missing."""
    rows = [
        (
            str(c["name"]),
            str(c.get("dtype") or ""),
            said.get("meaning") or "not written down",
            said.get("unit") or "",
            "private" if c["name"] in found.hidden else said.get("rules") or "none",
        )
        for c in found.version.columns
        for said in [found.words.get(str(c["name"]), {})]
    ]
    return [table(("Column", "Type", "Meaning", "Unit", "Rules"), rows)] if rows else []


def _agreed(key: str) -> Callable[[Known], str | None]:
    return lambda found: line(found.charter.get(key))


def _origin(key: str) -> Callable[[Known], str | None]:
    return lambda found: line(found.origin.get(key) or getattr(found.source, key, ""))


def _about(found: Known) -> str | None:
    return line(getattr(found.rules, "table", {}).get("meaning") or found.origin.get("meaning"))


def _size(found: Known) -> str:
    return f"{number(found.version.rows)} rows, {count(len(found.version.columns), 'column')}"


def _missing(found: Known) -> str | None:
    """Return how much is missing, of the profile."""
    from nbmlops.drift.profile import Profile

    try:
        profile = Profile.from_json(session.artifacts().get(found.version.profile))
    except NbmlopsError:
        return None
    shares = {name: profile.missing(name) or 0.0 for name in profile.columns}
    lacking = sorted((name for name, share in shares.items() if share > 0), key=lambda name: (-shares[name], name))
    named = [f"{name} {percent(shares[name])}" for name in lacking[:8]]
    more = f" and {len(lacking) - 8} more columns" if len(lacking) > 8 else ""
    return f"Missing values: {joined(named)}{more}" if lacking else "No value is missing"


def _errors(found: Known) -> str | None:
    """Return how its rules came out; of private columns only that something was found."""
    outcomes = Counter(f.outcome for f in found.version.findings)
    if not outcomes:
        return None
    told = joined([f"{n} {word}" for word, n in sorted(outcomes.items())])
    bad = [masked.masked(f.to_dict(), found.hidden) for f in found.version.findings if f.outcome == "issue"]
    return line(f"Rules: {told}. {' '.join(str(f['message']) for f in bad[:3])}")


def _private(found: Known) -> str | None:
    if not found.charter.get("private"):
        return None
    here = [str(c["name"]) for c in found.version.columns if c["name"] in found.hidden]
    return f"{joined(here)}: no value is shown anywhere" if here else "No column here is one the charter calls private"


def _target(found: Known) -> str | None:
    targets = sorted({str(v.signature["target"]) for v in found.models if v.signature.get("target")})
    return f"Models learnt {joined(targets)}" if targets else None


def _came(found: Known) -> str | None:
    version = found.version
    asked = f"asked by: {version.query}" if version.query else ""
    return line([f"from {version.source}", asked]) if version.source else None


def _window(found: Known) -> str | None:
    window = found.origin.get("window")
    return f"{window['column']} from {when(window['first'])} to {when(window['last'])}" if window else None


def _fixed(found: Known) -> str | None:
    columns = getattr(found.rules, "columns", None)
    if columns is None:
        return None
    fixed = {name: about["fix"] for name, about in columns.items() if about.get("fix")}
    fixes = [f"{name}: {'private' if name in found.hidden else line(fix)}" for name, fix in fixed.items()]
    return line(fixes) if fixes else "The rules name no correction"


def _raw(found: Known) -> str:
    return "The rows of this version are kept" if found.version.digest else "Only its profile is kept, no rows"


def _used(found: Known) -> str | None:
    return (
        line(f"{count(len(found.models), 'model version')}: {joined([v.ref for v in found.models[:8]])}")
        if (found.models)
        else None
    )


def _updated(found: Known) -> str:
    every = found.every
    often = getattr(found.source, "every_s", None)
    said = f"; expected every {number(often / DAY_S)} days" if often else ""
    return f"{count(len(every), 'version')}, the newest of {when(every[0]['created_at'])}{said}"


def _owner(found: Known) -> str | None:
    return line(getattr(found.rules, "table", {}).get("owner") or found.origin.get("owner"))


SOURCE = "under [sources.NAME] in nbmlops.toml"
WHY, WHAT, HOW = "Motivation", "Composition", "Collection process"
CLEAN, USES, GIVEN, KEPT = "Preprocessing, cleaning, labeling", "Uses", "Distribution", "Maintenance"
QUESTIONS = (
    Question("purpose", WHY, "Why it was made", "stakeholder", _agreed("problem"), "write `problem:` in charter.yaml"),
    Question("creator", WHY, "Who made it", "data_engineer", _origin("owner"), f"write `owner` {SOURCE}"),
    Question("funding", WHY, "Who paid for it", "manager", None),
    Question("instances", WHAT, "What a row is", "expert", _about, "write `meaning:` in rules/NAME.yaml"),
    Question("size", WHAT, "How many rows and columns", "data_engineer", _size),
    Question("sample", WHAT, "Whether it is all there is, or a sample, and of what", "data_engineer", None),
    Question("labels", WHAT, "What is learnt from it", "scientist", _target, "register a model fitted on it"),
    Question("missing", WHAT, "What is missing", "data_engineer", _missing),
    Question("errors", WHAT, "Errors and noise", "data_engineer", _errors, "nbmlops dataset NAME FILE --rules NAME"),
    Question("splits", WHAT, "How it is split to judge models", "scientist", _agreed("groups"),
             "write `groups:` in charter.yaml"),
    Question("confidential", WHAT, "What is personal or confidential", "compliance", _private,
             "write `private:` in charter.yaml"),
    Question("subpopulations", WHAT, "Groups of people in it", "expert", _agreed("slices"),
             "write `slices:` in charter.yaml"),
    Question("acquired", HOW, "Where the rows came from", "data_engineer", _came, "load it by nb.load_source"),
    Question("window", HOW, "Over which time", "data_engineer", _window),
    Question("collectors", HOW, "Who collected it, and how they were paid", "data_engineer", None),
    Question("consent", HOW, "What the people in it were told and agreed to", "compliance", None),
    Question("ethics", HOW, "Which review it passed", "compliance", None),
    Question("cleaning", CLEAN, "What was corrected", "data_engineer", _fixed, "write `fix:` in rules/NAME.yaml"),
    Question("raw", CLEAN, "Whether the rows are kept", "data_engineer", _raw),
    Question("uses", USES, "What it was used for", "scientist", _used, "register a model fitted on it"),
    Question("not_for", USES, "What it must not be used for", "product", _agreed("limits"),
             "write `limits:` in charter.yaml"),
    Question("harm", USES, "Whom a use of it can harm",
             "compliance", lambda found: line((found.charter.get("risk") or {}).get("harms")),
             "write `risk: {harms: []}` in charter.yaml"),
    Question("shared", GIVEN, "To whom it is given, and how", "manager", None),
    Question("licence", GIVEN, "Under which licence", "compliance", _origin("licence"), f"write `licence` {SOURCE}"),
    Question("maintainer", KEPT, "Whose it is", "data_engineer", _owner, "write `owner:` in rules/NAME.yaml"),
    Question("updates", KEPT, "How often it changes", "data_engineer", _updated),
    Question("retention", KEPT, "How long it is kept, and how a person is taken out", "compliance", None),
)  # fmt: skip
KEYS = tuple(q.key for q in QUESTIONS)
