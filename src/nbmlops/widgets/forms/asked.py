"""What each magic asks when it is typed alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbmlops.widgets.forms.choices import Known, columns, fitted, frames, known
from nbmlops.widgets.forms.fields import Field, Form, quoted, typed

__all__ = ["FORMS", "CellForm", "Cells", "RulesForm", "form"]

Names = Mapping[str, Any]
Cells = Mapping[str, str]  # what stands for a cell in a list, to its source

ALIASES = ("champion", "challenger")
FROM_NOW_ON = "every cell that fits or scores something, from now on"
NO_MORE = "no cell, but those that begin with %%track"
NO_FRAME = "make a DataFrame first"
NO_MODEL = "fit a model first"
REVIEWED = "Each is agree, disagree or unsure, with what it should be and why; some are drawn by chance."
NO_VERSION = "register one first: %register"


@dataclass(frozen=True, repr=False)
class CellForm(Form):
    """The form of ``%track``: a cell that ran here is run again below a header, or tracking is switched."""

    cells: Cells = field(default_factory=dict)

    def line(self, values: Mapping[str, str]) -> str:
        """Return what does the same when typed: a line, or a cell with its header."""
        what = values.get("cell", "")
        if what == NO_MORE:
            return f"{self.magic} off"
        if what not in self.cells:
            return f"{self.magic} on {typed(quoted(values.get('experiment', '')))}"
        asked = ("experiment", "name", "metric", "tag")
        by_name = {one.name: one for one in self.fields}
        pieces = [by_name[name].said(values.get(name, "")) for name in asked]
        return " ".join(["%%track", *filter(None, pieces)]) + "\n" + self.cells[what]

    def command(self) -> str:
        """Return the line to type; of a cell its header."""
        return super().command().partition("\n")[0]

    def missing(self, values: Mapping[str, str]) -> str:
        """Say what has to be answered yet: to stop, nothing."""
        return "" if values.get("cell") == NO_MORE else super().missing(values)


@dataclass(frozen=True, repr=False)
class RulesForm(Form):
    """The form of ``%check``: rules are proposed, some are accepted, and the frame is checked."""

    def line(self, values: Mapping[str, str]) -> str:
        """Return what proposes the rules; it writes nothing."""
        frame = values.get("frame", "")
        return f"nb.propose_rules({frame}, name={(values.get('rules') or frame)!r})"

    def command(self) -> str:
        """Return what to type: write the proposal, then accept of it and check."""
        frame = self.values()["frame"] or "FRAME"
        proposed = self.line({**self.values(), "frame": frame})
        return f"import nbmlops as nb\n{proposed}.save()\n\n{self.magic} {frame} --accept COLUMN"


@dataclass(frozen=True, repr=False)
class PromoteForm(Form):
    """The form of ``%promote``: it says who holds the alias, and moves it only from there."""

    held: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # model to alias to version

    def holds(self, values: Mapping[str, str]) -> int | None:
        """Return the version that has the alias; None where none has."""
        return self.held.get(values.get("name", ""), {}).get(values.get("to", ""))

    def line(self, values: Mapping[str, str]) -> str:
        """Return the line to type; where somebody else moved the alias since, it is refused."""
        now = self.holds(values)
        return super().line(values) + (f" --instead-of {now}" if now is not None else "")

    def about(self, values: Mapping[str, str]) -> str:
        """Say who holds the alias."""
        name, to, now = values.get("name", ""), values.get("to", ""), self.holds(values)
        if not (name and to):
            return ""
        return f"No version is {name}@{to} now." if now is None else f"{name}@{to} is version {now} now."


def form(magic: str, names: Names, cells: Cells | None = None) -> Form:
    """Return the form of a magic, filled in with what is likely meant.

    Parameters
    ----------
    magic : str
        Its name, such as ``drift``.
    names : mapping
        The variables of the notebook.
    cells : mapping, optional
        The cells that ran here, for ``track``.

    Returns
    -------
    Form
    """
    stored = known()
    return _track(stored, cells or {}) if magic == "track" else FORMS[magic](stored, names)


def _track(stored: Known, cells: Cells) -> Form:
    what = (*cells, FROM_NOW_ON, NO_MORE)
    return CellForm(
        "%track",
        "Track a cell as a run of an experiment",
        "Track",
        (
            Field("cell", "Cell", what, what[0], needed=True),
            Field("experiment", "Experiment", stored.experiments, _only(stored.experiments), needed=True, free=True),
            Field("name", "Name of the run", option="--name", free=True),
            Field("metric", "Metric that counts", option="--metric", free=True, placeholder="such as roc_auc"),
            Field("tag", "Tag", option="--tag", free=True, placeholder="KEY=VALUE"),
        ),
        _notes(stored),
        cells=cells,
    )


def _register(stored: Known, names: Names) -> Form:
    models, rows = fitted(names), frames(names)
    return Form(
        "%register",
        "Register a fitted model as the next version of a name",
        "Register",
        (
            Field("model", "Model", models, _first(models), needed=True, placeholder=NO_MODEL),
            Field("name", "Name", tuple(stored.versions), _only(stored.versions), needed=True, free=True),
            Field("background", "Background rows", rows, option="--background"),
        ),
        _notes(stored),
    )


def _drift(stored: Known, names: Names) -> Form:
    rows, refs = frames(names), stored.refs()
    champion = next((ref for ref in refs if ref.endswith("@champion")), _first(refs))
    by_frame = {name: columns(names, name) for name in rows}
    what = (*rows, *refs)
    against = champion or (rows[1] if len(rows) > 1 else "")
    return Form(
        "%drift",
        "Has a frame changed by more than is tolerable?",
        "Compare",
        (
            Field("frame", "Frame, or model used", what, _first(what), needed=True, placeholder=NO_FRAME),
            Field("against", "Against", (*refs, *rows), against if rows else "", option="--against"),
            *(Field(n, label, option=f"--{n}", of="frame", choices_of=by_frame) for n, label in COLUMNS.items()),
            Field("multivariate", "Columns together, too", option="--multivariate", tick=True),
        ),
        (*_notes(stored), *_unlisted(stored)),
    )


COLUMNS = {"target": "Column of the truth", "chunk": "One more row per", "by": "Segments by"}


def _promote(stored: Known, names: Names) -> Form:
    versions = {name: tuple(map(str, numbers)) for name, numbers in stored.versions.items()}
    name = _first(versions)
    held = stored.aliases.get(name, {})
    newest = next((n for n in versions.get(name, ()) if int(n) != held.get("champion")), "")
    to = tuple(dict.fromkeys([*ALIASES, *(alias for one in stored.aliases.values() for alias in one)]))
    return PromoteForm(
        "%promote",
        "Move an alias to a version, if the charter allows it",
        "Promote",
        (
            Field("name", "Model", tuple(versions), name, needed=True, placeholder=NO_VERSION),
            Field(
                "version", "Version", value=newest, needed=True, of="name", choices_of=versions, placeholder=NO_VERSION
            ),
            Field("to", "Becomes", to, "champion", option="--to", needed=True, free=True),
            Field(
                "reason",
                "Reason",
                option="--reason",
                needed=True,
                free=True,
                placeholder="for those who read the log",
            ),
        ),
        _notes(stored),
        fresh=True,
        held=stored.aliases,
    )


def _check(stored: Known, names: Names) -> Form:
    rows = frames(names)
    return RulesForm(
        "%check",
        "Propose rules from a frame, accept some, and check it",
        "Propose rules",
        (
            Field("frame", "Frame", rows, _first(rows), needed=True, placeholder=NO_FRAME),
            Field("rules", "Data set", option="--rules", free=True, placeholder="the frame's name if empty"),
        ),
        _notes(stored),
    )


def _review(stored: Known, names: Names) -> Form:
    models = tuple(stored.versions)
    return Form(
        "%review",
        "Judge predictions one by one",
        "Begin",
        (
            Field("model", "Model", models, _first(models), needed=True, placeholder=NO_VERSION),
            Field("most", "Rows", value="20", option="--most", free=True),
        ),
        (
            "Each is agree, disagree or unsure, with what it should be and why; some are drawn by chance.",
            *_notes(stored),
        ),
    )


FORMS: dict[str, Callable[[Known, Names], Form]] = {
    "register": _register,
    "drift": _drift,
    "promote": _promote,
    "check": _check,
    "review": _review,
}


def _first(names: Any) -> str:
    return next(iter(names), "")


def _only(names: Any) -> str:
    """Return the one name there is; where there are more a person chooses."""
    return _first(names) if len(names) == 1 else ""


def _unlisted(stored: Known) -> tuple[str, ...]:
    """Say that more versions exist than a list holds, and how they are named."""
    more = stored.unlisted()
    return (f"{more:,} more versions are not listed. Type: %drift FRAME --against NAME@VERSION",) if more else ()


def _notes(stored: Known) -> tuple[str, ...]:
    return (stored.fault,) if stored.fault else ()
