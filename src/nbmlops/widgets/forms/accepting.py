"""Proposed rules to be ticked: what is accepted goes into the file of the data set, then the frame is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets as iw

from nbmlops.errors import Invalid
from nbmlops.quality.proposals import Proposal, propose_rules
from nbmlops.widgets.forms.fields import quoted, typed
from nbmlops.widgets.forms.live import LiveForm, button
from nbmlops.widgets.html import FONT, esc
from nbmlops.widgets.rules import setting

if TYPE_CHECKING:
    from nbmlops.widgets.forms.fields import Form

__all__ = ["LiveRules"]

MOST_TICKS = 200  # more of them stop the page


class LiveRules(LiveForm):
    """The form of ``%check``: propose, tick, accept."""

    def __init__(
        self,
        make: Callable[[], Form],
        run: Callable[[str], Any],
        show: Callable[[str, Any], None],
        names: Mapping[str, Any],
    ) -> None:
        self.names = names
        self.proposal: Proposal | None = None
        self.seen: Any = None  # of the frame the rules were proposed from
        self.ticks: dict[str, iw.Checkbox] = {}
        super().__init__(make, run, show)

    def work(self) -> str:
        """Propose rules and show them to be ticked; nothing is written."""
        answers = self.values()
        frame = self._frame()
        self.proposal, self.seen = propose_rules(frame, name=answers["rules"] or answers["frame"]), _mark(frame)
        if not (groups := _groups(self.proposal)):
            raise Invalid("Nothing can be proposed from this frame.", "It may have too few rows.")
        self.ticks = {name: _tick(name) for name in list(groups)[:MOST_TICKS]}
        accept, every = button("Accept the ticked ones and check", "primary"), button("Tick all")
        accept.on_click(lambda _: self.carry_out(accept, self.accept))
        every.on_click(lambda _: self._tick_all())
        for tick in self.ticks.values():
            tick.observe(lambda _: self._ticked(accept), "value")
        rows = [iw.HBox([tick, _told(groups[name])]) for name, tick in self.ticks.items()]
        self.extra.children = (*rows, iw.HBox([accept, every]))
        more = len(groups) - len(self.ticks)
        rest = f" {more:,} more are not shown: %check {answers['frame']} --accept COLUMN." if more else ""
        return f"{len(self.ticks)} to look at; nothing is written yet.{rest}"

    def accept(self) -> str:
        """Write what is proposed, accept what is ticked, check the frame: two lines that could be typed."""
        assert self.proposal is not None
        answers, name = self.values(), self.proposal.dataset
        ticked = [about for about, tick in self.ticks.items() if tick.value]
        if not ticked:
            raise Invalid("No rule is ticked.", "Tick what holds; the rest stays proposed.")
        if _mark(self._frame()) != self.seen:  # nothing is written for what cannot be checked
            raise Invalid(
                f"{answers['frame']} is not what the rules were proposed from.", "Look again, and propose anew."
            )
        self.proposal.save()
        rules = "" if name == answers["frame"] else f" --rules {typed(quoted(name))}"
        line = f"%check {answers['frame']}{rules} --accept {typed(' '.join(map(quoted, ticked)))}"
        self.result = self.run(line)
        self.ran = f"{self.form.line(answers)}.save()\n{line}"
        self.show(self.ran, self.result)
        return f"{len(ticked)} accepted in rules/{name}.yaml."

    def _frame(self) -> Any:
        name = self.values()["frame"]
        if (frame := self.names.get(name)) is None:
            raise Invalid(f"No variable {name!r} any more.", "Look again, or run the cell that makes it.")
        return frame

    def _ticked(self, accept: iw.Button) -> None:
        accept.disabled, self.failed_at = False, float("-inf")

    def _tick_all(self) -> None:
        for tick in self.ticks.values():
            tick.value = True

    def _changed(self, change: Mapping[str, Any]) -> None:
        if not self._filling:
            self.extra.children = ()  # what is ticked belonged to another frame
        super()._changed(change)


def _mark(frame: Any) -> Any:
    """Return by what another frame of the same name is told from this one, without holding it."""
    return id(frame), getattr(frame, "shape", None), tuple(map(str, getattr(frame, "columns", ())))


def _groups(proposal: Proposal) -> dict[str, list[str]]:
    """Return what can be accepted by name (a column, a kind of table rule, a comparison) with its rules in words."""
    groups: dict[str, list[str]] = {}
    for one in proposal.proposed:
        name = one.column or (str(one.setting) if one.code == "compare" else one.code)
        groups.setdefault(name, []).append(f"{one.code} {setting(one.setting)} ({one.evidence})")
    return groups


def _tick(name: str) -> Any:
    return iw.Checkbox(value=False, description=name, indent=False, layout=iw.Layout(width="14em"))


def _told(rules: list[str]) -> Any:
    return iw.HTML(f'<div style="{FONT}">{"<br>".join(map(esc, rules))}</div>')
