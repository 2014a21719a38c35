"""A form in a live notebook: widgets to fill in, the line it will run, a button. The work is the magic's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets as iw

from nbmlops.errors import NbmlopsError
from nbmlops.widgets.forms.static import code
from nbmlops.widgets.html import BAD, FONT, GOOD, QUIET, SHAPES, esc

if TYPE_CHECKING:
    from nbmlops.widgets.forms.fields import Field, Form

__all__ = ["LiveForm", "button", "one_line", "said"]

NOTHING = "-"
LABELS = {"description_width": "11em"}
LAYOUT = {"width": "36em", "max_width": "calc(100% - 4px)"}
MOST_LINES = 6  # of a cell that is shown before it runs
LONGEST = 300  # characters of an error
SETTLE_S = 0.3  # a second click comes before anybody can have read what the first one said


class LiveForm:
    """One form that is filled in and pressed; ``result`` is what the line returned last.

    Parameters
    ----------
    make : callable
        Returns the form of what the notebook and the store hold now.
    run : callable
        Runs a line as if it were typed, and returns its result.
    show : callable
        Shows the line and its result below the form.
    clock : callable, optional
        Seconds that only grow.
    """

    def __init__(
        self,
        make: Callable[[], Form],
        run: Callable[[str], Any],
        show: Callable[[str, Any], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.make, self.run, self.show, self.clock = make, run, show, clock
        self.failed_at = float("-inf")
        self.form = make()
        self.result: Any = None
        self.ran = ""
        self._filling = False
        self.inputs = {one.name: _input(one) for one in self.form.fields}
        self.preview, self.message, self.extra = iw.HTML(), iw.HTML(), iw.VBox()
        self.press, self.again = button(self.form.button, "primary"), button("Look again")
        self.again.tooltip = "read the variables and the store again"
        for widget in self.inputs.values():
            widget.observe(self._changed, "value")
        self.press.on_click(lambda _: self.pressed())
        self.again.on_click(lambda _: self.refresh())
        self.fill(self.form.values())
        head = iw.HTML(f'<div style="{FONT};white-space:normal"><strong>{esc(self.form.title)}</strong></div>')
        rows = [head, *self.inputs.values(), self.preview, iw.HBox([self.press, self.again]), self.message, self.extra]
        self.view = iw.VBox(rows, layout=iw.Layout(padding="4px 8px", width="100%"))
        self.view.add_class("nbmlops-form")

    def values(self) -> dict[str, str]:
        """Return the answers as they stand."""
        return {name: _text(widget.value) for name, widget in self.inputs.items()}

    def fill(self, values: Mapping[str, str]) -> None:
        """Set the answers; what can no longer be chosen becomes what the form begins with, or nothing."""
        self._filling = True
        try:
            for one in self.form.fields:
                _fill(self.inputs[one.name], one, one.choices_at(self.values()), values.get(one.name, ""))
        finally:
            self._filling = False
        self._preview()

    def refresh(self) -> None:
        """Read what there is again; what was filled in stays where it can, and may be run once more."""
        kept = self.values()
        self._awake()
        self.form = self.make()
        begun = self.form.values()
        self.fill({name: kept.get(name) or value for name, value in begun.items()})
        self._tell("; ".join(self.form.notes))

    def pressed(self) -> None:
        """Run the line, once: a second click on the same answers is none."""
        if gap := self.form.missing(self.values()):
            self._tell(gap, BAD)
            return
        self.carry_out(self.press, self.work)

    def carry_out(self, pressed: iw.Button, work: Callable[[], str]) -> None:
        """Do what a button stands for; it rests when that is done, until an answer changes, and stays when it fails."""
        if pressed.disabled or self.clock() - self.failed_at < SETTLE_S:
            return
        pressed.disabled = True
        self._tell("running ...")
        try:
            self._tell(work(), GOOD)
            return
        except KeyboardInterrupt:
            self._tell("Interrupted; what was filled in is still there.", BAD)
        except Exception as error:
            self._tell(one_line(error), BAD)
        pressed.disabled, self.failed_at = False, self.clock()

    def work(self) -> str:
        """Run the line and show what came of it; what to say then."""
        line = self.form.line(self.values())
        self.result = self.run(line)
        self.ran = line
        if self.form.fresh:
            self.form = self.make()
        self.show(line, self.result)
        return f"Done: {said(self.result)}" if self.result is not None else "Done."

    def _changed(self, change: Mapping[str, Any]) -> None:
        if self._filling:
            return
        self.fill(self.values())  # what depends on another answer
        self._awake()

    def _awake(self) -> None:
        """Take the next click for a new wish."""
        self.press.disabled, self.failed_at = False, float("-inf")

    def _preview(self) -> None:
        needed = {one.name: one.name.upper() for one in self.form.fields if one.needed}
        line = self.form.line({**needed, **_given(self.values())})
        first = "\n".join(line.splitlines()[:MOST_LINES]) + ("\n…" if line.count("\n") >= MOST_LINES else "")
        about = f"<div>{esc(words)}</div>" if (words := self.form.about(self.values())) else ""
        self.preview.value = f'<div style="{FONT};line-height:1.6">{about}Runs: {code(first)}</div>'

    def _tell(self, words: str, colour: str = QUIET) -> None:
        self.message.value = tell(words, colour)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        view = self.view._repr_mimebundle_()
        return {**self.form._repr_mimebundle_(), **{k: v for k, v in view.items() if "widget-view" in k}}

    def __repr__(self) -> str:
        return repr(self.form)


def button(words: str, style: str = "") -> iw.Button:
    """Return a button as wide as its words."""
    return iw.Button(description=words, button_style=style, layout=iw.Layout(width="auto"))


def tell(words: str, colour: str = QUIET) -> str:
    """Return one line for the person, as HTML that is read out; colour comes with a shape."""
    if not words:
        return ""
    role = "alert" if colour == BAD else "status"
    ground = f"color:{colour};background:#fff;padding:0 6px;border-radius:3px" if colour != QUIET else ""
    said = f'<span style="{ground}">{SHAPES[colour]} {esc(words)}</span>'
    return f'<div role="{role}" style="{FONT};white-space:normal">{said}</div>'


def one_line(error: Exception) -> str:
    """Return what went wrong in one line."""
    words = str(error) if isinstance(error, NbmlopsError) else f"{type(error).__name__}: {error}"
    words = " ".join(words.split())
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"


def said(result: Any) -> str:
    """Return a result in one line: how its text begins."""
    return next(iter(repr(result).strip().splitlines()), "")[:LONGEST]


def _input(one: Field) -> Any:
    """Return the widget of a question; what is typed counts when it is left, so that no letter comes after a click."""
    common = {"description": one.label, "style": LABELS, "layout": iw.Layout(**LAYOUT)}
    if one.tick:
        return iw.Checkbox(value=False, description=one.label, indent=True, style=LABELS, layout=iw.Layout(**LAYOUT))
    if not one.free:
        return iw.Dropdown(options=[], **common)
    typed = {"placeholder": one.placeholder, "continuous_update": False, **common}
    return iw.Combobox(ensure_option=False, **typed) if one.choices else iw.Text(**typed)


def _fill(widget: Any, one: Field, choices: tuple[str, ...], value: str) -> None:
    if one.tick:
        widget.value = bool(value)
        return
    if isinstance(widget, iw.Dropdown):
        _choose(widget, one, choices, value)
        return
    if isinstance(widget, iw.Combobox) and widget.options != choices:
        widget.options = choices
    widget.value = value


def _choose(widget: iw.Dropdown, one: Field, choices: tuple[str, ...], value: str) -> None:
    """Offer the choices, and nothing where that is one; an answer that is gone becomes what the form begins with."""
    sure = one.needed and bool(choices)
    options = [*([] if sure else [(NOTHING, "")]), *((name, name) for name in choices)]
    if list(widget.options) != options:
        widget.options = options
    wanted = [*(name for name in (value, one.value) if name in choices), *(choices[:1] if sure else ()), ""]
    widget.value = wanted[0]


def _text(value: Any) -> str:
    return ("yes" if value else "") if isinstance(value, bool) else str(value or "").strip()


def _given(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
