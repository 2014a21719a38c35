"""Predictions to be judged one by one: each answer is kept at once, as feedback."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets as iw

from nbmlops.errors import Invalid
from nbmlops.governance.flags.from_file import value_of
from nbmlops.monitoring.returning.feedback import VERDICTS, feedback
from nbmlops.widgets.forms.live import LABELS, LAYOUT, SETTLE_S, LiveForm, button, tell
from nbmlops.widgets.forms.static import code
from nbmlops.widgets.html import BAD, FONT, GOOD, QUIET, esc, number, percent, table

if TYPE_CHECKING:
    from nbmlops.widgets.forms.fields import Form

__all__ = ["LiveReview"]

LOOK = {"continuous_update": False, "style": LABELS, "layout": LAYOUT}
MOST_INPUTS = 30
MOST_LETTERS = 600  # of a value
MOST_LABELS = 50  # to choose from; numbers are typed
KEYS = "Tab moves, Enter answers: agree has the focus after each answer."


class LiveReview(LiveForm):
    """The form of ``%review``: choose a model, then answer row by row."""

    def __init__(
        self,
        make: Callable[[], Form],
        run: Callable[[str], Any],
        show: Callable[[str, Any], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rows: list[Mapping[str, Any]] = []
        self.place = 0
        self.given: dict[str, dict[str, Any]] = {}  # what was said of a row, and the text of what it should be
        self.answered_at = float("-inf")
        self.about, self.kept = iw.HTML(), iw.HTML()
        self.label = iw.Combobox(description="Should be", **LOOK)
        self.reason = iw.Text(description="Why", **LOOK)
        styles = dict(zip(VERDICTS, ("primary", "", ""), strict=True))
        self.verdicts = {verdict: button(verdict.capitalize(), style) for verdict, style in styles.items()}
        self.back, self.skip = button("Back"), button("Skip")
        for verdict, pressed in self.verdicts.items():
            pressed.on_click(lambda _, verdict=verdict: self.answer(verdict))
        self.back.on_click(lambda _: self.go(-1))
        self.skip.on_click(lambda _: self.go(1))
        controls = iw.HBox([*self.verdicts.values(), self.back, self.skip])
        self.panel = iw.VBox([self.about, self.label, self.reason, controls, self.kept])
        self.panel.layout.display = "none"  # not yet seen, but there: what is not there can take no focus
        super().__init__(make, run, show, clock)
        self.extra.children = (self.panel,)

    def work(self) -> str:
        """List rows, those drawn by chance among them, and show the first."""
        answers = self.values()
        if not (answers["most"].isdecimal() and int(answers["most"])):
            raise Invalid(f"{answers['most']!r} rows?", "Write a whole number, such as 20.")
        self.ran = self.form.line(answers)
        self.result = self.run(self.ran)
        self.rows, self.place, self.given = list(self.result.rows), 0, {}
        if not self.rows:
            self.panel.layout.display = "none"
            return "Nothing waits to be judged."
        labels = tuple(self._labels())
        self.label.options = labels if len(labels) <= MOST_LABELS else ()
        self._show_row()
        self.panel.layout.display = "flex"
        self._focus()
        drawn = sum(row["drawn_with"] is not None for row in self.rows)
        by_chance = f"{drawn:,} of them drawn by chance (seed {self.result.seed})"
        return f"{len(self.rows):,} rows, {by_chance}. {KEYS}"

    def answer(self, verdict: str) -> None:
        """Keep one answer and go on; what cannot be kept stays on the screen."""
        if self.clock() - self.answered_at < SETTLE_S or self.place >= len(self.rows):
            return
        try:
            said = self._said(verdict)
            feedback(said, source="review", kind="opinion")
        except Exception as error:
            self.kept.value = tell(str(error), BAD)
        else:
            self.given[said["prediction_id"]] = said | {"label": self.label.value.strip()}
            self.kept.value = tell("kept", GOOD) + code(f'nb.feedback({said!r}, source="review", kind="opinion")')
            self.go(1)
            self._focus()
        self.answered_at = self.clock()

    def go(self, by: int) -> None:
        """Go to the next row or the one before."""
        self.place = min(max(self.place + by, 0), len(self.rows))
        self._show_row()
        if self.place in (0, len(self.rows)):  # the button that was pressed rests now
            self._focus()

    def _said(self, verdict: str) -> dict[str, Any]:
        """Return the answer as feedback holds it."""
        row, label = self.rows[self.place], self.label.value.strip()
        expected = self._labels().get(label, value_of(label)) if label else None
        if verdict == "agree" and label and expected != row["prediction"]:
            raise Invalid(f"You agree with {row['prediction']}, and it should be {label}.", "Disagree, or clear it.")
        more = {"expected": expected, "reason": self.reason.value.strip() or None}
        about = {"prediction_id": row["prediction_id"], "verdict": verdict}
        return about | {name: value for name, value in more.items() if value is not None}

    def _focus(self) -> None:
        """Put the focus where the next answer is given; a button that rests could not keep it."""
        (self.verdicts["agree"] if self.place < len(self.rows) else self.back).focus()

    def _labels(self) -> dict[str, Any]:
        """Return what was said of any row, by how it is shown."""
        return {str(row["prediction"]): row["prediction"] for row in self.rows}

    def _show_row(self) -> None:
        over = self.place >= len(self.rows)
        before = {} if over else self.given.get(self.rows[self.place]["prediction_id"], {})
        self.label.value, self.reason.value = before.get("label", ""), before.get("reason", "")
        self.back.disabled = self.place == 0
        self.skip.disabled = over
        for pressed in self.verdicts.values():
            pressed.disabled = over
        self.about.value = self._end() if over else self._row(self.rows[self.place])

    def _row(self, row: Mapping[str, Any]) -> str:
        given = self.given.get(row["prediction_id"])
        before = f" (you said {given['verdict']})" if given else ""
        chance = f", chance {percent(row['probability'])}" if row["probability"] is not None else ""
        outcome = "" if row["outcome"] is None else f", outcome {number(row['outcome'])}"
        head = f"{self.place + 1} of {len(self.rows)}{before}: said {number(row['prediction'])}{chance}{outcome}"
        inputs = [[name, _value(value)] for name, value in (row["inputs"] or {}).items()]
        more = f"<div>and {len(inputs) - MOST_INPUTS} more columns</div>" if len(inputs) > MOST_INPUTS else ""
        shown = table(["Column", "Value"], inputs[:MOST_INPUTS]) + more if inputs else "Its inputs are no longer kept."
        why = f"Listed because: {row['why']}"
        return f'<div role="status" style="{FONT}"><strong>{esc(head)}</strong><div>{esc(why)}</div></div>{shown}'

    def _end(self) -> str:
        counts = Counter(said["verdict"] for said in self.given.values())
        told = ", ".join(f"{counts[v]} {v}" for v in VERDICTS if counts[v]) or "none"
        name = self.values()["model"]
        words = f"The list ends. Judged: {told}. How often all are right:"
        return tell(words, QUIET) + code(f"%review {name} --estimate")


def _value(value: Any) -> str:
    """Return a value as it is read; of a long text how it begins."""
    words = "" if value is None else number(value)
    return words if len(words) <= MOST_LETTERS else f"{words[:MOST_LETTERS]}… ({len(words):,} letters)"
