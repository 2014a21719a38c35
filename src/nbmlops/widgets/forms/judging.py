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
from nbmlops.widgets.forms.live import LABELS, LAYOUT, LiveForm, button, tell
from nbmlops.widgets.forms.static import code
from nbmlops.widgets.html import BAD, FONT, GOOD, QUIET, esc, number, percent, table

if TYPE_CHECKING:
    from nbmlops.widgets.forms.fields import Form

__all__ = ["LiveReview"]

SETTLE_S = 0.3  # a second click comes before anybody can have read the next row
LOOK = {"continuous_update": False, "style": LABELS, "layout": LAYOUT}
MOST_INPUTS = 30
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
        self.clock = clock
        self.rows: list[Mapping[str, Any]] = []
        self.place = 0
        self.given: dict[str, str] = {}
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
        super().__init__(make, run, show)
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
        self.label.options = tuple(self._labels())
        self._show_row()
        self.panel.layout.display = "flex"
        self.verdicts["agree"].focus()
        return f"{len(self.rows)} rows. {KEYS}"

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
            self.given[said["prediction_id"]] = verdict
            self.kept.value = tell("kept", GOOD) + code(f'nb.feedback({said!r}, source="review", kind="opinion")')
            self.go(1)
            self.verdicts["agree"].focus()
        self.answered_at = self.clock()

    def go(self, by: int) -> None:
        """Go to the next row or the one before."""
        self.place = min(max(self.place + by, 0), len(self.rows))
        self._show_row()

    def _said(self, verdict: str) -> dict[str, Any]:
        """Return the answer as feedback holds it."""
        row, label = self.rows[self.place], self.label.value.strip()
        expected = self._labels().get(label, value_of(label)) if label else None
        if verdict == "agree" and label and expected != row["prediction"]:
            raise Invalid(f"You agree with {row['prediction']}, and it should be {label}.", "Disagree, or clear it.")
        more = {"expected": expected, "reason": self.reason.value.strip() or None}
        about = {"prediction_id": row["prediction_id"], "verdict": verdict}
        return about | {name: value for name, value in more.items() if value is not None}

    def _labels(self) -> dict[str, Any]:
        """Return what was said of any row, by how it is shown."""
        return {str(row["prediction"]): row["prediction"] for row in self.rows}

    def _show_row(self) -> None:
        self.label.value = self.reason.value = ""
        self.back.disabled = self.place == 0
        over = self.place >= len(self.rows)
        self.skip.disabled = over
        for pressed in self.verdicts.values():
            pressed.disabled = over
        self.about.value = self._end() if over else self._row(self.rows[self.place])

    def _row(self, row: Mapping[str, Any]) -> str:
        before = f" (you said {self.given[row['prediction_id']]})" if row["prediction_id"] in self.given else ""
        chance = f", chance {percent(row['probability'])}" if row["probability"] is not None else ""
        outcome = "" if row["outcome"] is None else f", outcome {number(row['outcome'])}"
        head = f"{self.place + 1} of {len(self.rows)}{before}: said {number(row['prediction'])}{chance}{outcome}"
        inputs = [[name, "" if value is None else number(value)] for name, value in (row["inputs"] or {}).items()]
        more = f"<div>and {len(inputs) - MOST_INPUTS} more columns</div>" if len(inputs) > MOST_INPUTS else ""
        shown = table(["Column", "Value"], inputs[:MOST_INPUTS]) + more if inputs else "Its inputs are no longer kept."
        why = f"Listed because: {row['why']}"
        return f'<div role="status" style="{FONT}"><strong>{esc(head)}</strong><div>{esc(why)}</div></div>{shown}'

    def _end(self) -> str:
        counts = Counter(self.given.values())
        told = ", ".join(f"{counts[v]} {v}" for v in VERDICTS if counts[v]) or "none"
        name = self.values()["model"]
        words = f"The list ends. Judged: {told}. How often all are right:"
        return tell(words, QUIET) + code(f"%review {name} --estimate")
