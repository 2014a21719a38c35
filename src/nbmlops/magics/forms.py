"""A magic that is typed alone opens its form: live where somebody can fill it in, else as what it would ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmlops.capture.secrets import redact
from nbmlops.errors import Invalid, NbmlopsError, NotFound
from nbmlops.magics.front import Below, is_live

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from nbmlops.widgets.forms.fields import Form

__all__ = ["opened", "run_line"]

MOST_CELLS = 8
LONGEST = 60  # characters of a cell in a list


def opened(shell: InteractiveShell, name: str) -> Any:
    """Return the form of a magic, to be shown.

    Without a front end it is the static one: a notebook that is executed keeps no widget.
    """
    from nbmlops.widgets.forms import asked

    def make() -> Form:
        cells = _cells(shell) if name == "track" else {}
        return _named(shell, name, asked.form(name, shell.user_ns, cells))

    live = _view(name) if is_live(shell) else None
    if live is None:
        return make()
    below = Below(shell)

    def run(line: str) -> Any:
        with below.here():
            return run_line(shell, line)

    def show(line: str, result: Any) -> None:
        if result is not None and not line.startswith("%%"):  # a tracked cell has shown its card
            below.show(Ran(line), result)

    more = {"names": shell.user_ns} if name == "check" else {}
    return live(make, run, show, **more)


def run_line(shell: InteractiveShell, line: str) -> Any:
    """Run a line as if it were typed, and return its result; what goes wrong is raised."""
    if line.startswith("%%track"):
        return _run_cell(shell, line)
    magic, _, rest = line.removeprefix("%").partition(" ")
    return shell.run_line_magic(magic, rest)


@dataclass(frozen=True)
class Ran:
    """The line a form ran, for those who read the notebook."""

    line: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from nbmlops.widgets.forms.static import code

        return {"text/plain": f"Ran: {self.line}", "text/html": f"<div>Ran: {code(self.line)}</div>"}


def _view(name: str) -> Callable[..., Any] | None:
    """Return the live view of a form; None where ipywidgets is not there or does not load."""
    try:
        if name == "check":
            from nbmlops.widgets.forms.accepting import LiveRules

            return LiveRules
        if name == "review":
            from nbmlops.widgets.forms.judging import LiveReview

            return LiveReview
        from nbmlops.widgets.forms.live import LiveForm
    except ImportError:
        return None
    return LiveForm


def _named(shell: InteractiveShell, name: str, form: Form) -> Form:
    """Return the form with the name its magic can be typed by: where another has it, ours is below ``%nbmlops``."""
    from dataclasses import replace

    there = shell.magics_manager.magics["line"].get(name)
    ours = getattr(there, "of_nbmlops", False) or there is None
    return form if ours else replace(form, magic=f"%nbmlops {name}")


def _cells(shell: InteractiveShell) -> dict[str, str]:
    """Return the cells that ran here, the newest first, by number and last line; magics alone are none."""
    ran = list(enumerate(getattr(shell.history_manager, "input_hist_raw", None) or []))
    found: dict[str, str] = {}
    for number, source in reversed(ran[1:]):
        lines = [line.strip() for line in source.splitlines() if line.strip()]
        if lines and not lines[0].startswith(("%", "!", "?")) and source not in found.values():
            last = redact(lines[-1])  # a list is kept in the notebook, and drawn in reports
            found[f"[{number}] {last[:LONGEST]}{'…' if len(last) > LONGEST else ''}"] = source
        if len(found) == MOST_CELLS:
            break
    return found


def _run_cell(shell: InteractiveShell, source: str) -> Any:
    """Run a tracked cell and return its run; its error is shown below the form as it is below a cell, and raised."""
    from nbmlops.magics.track import header_line, parse
    from nbmlops.tracking.runs import get_run

    lines = source.splitlines(keepends=True)
    found = header_line(lines)
    experiment = parse(found[1] if found else "").experiment
    if _has_to_wait(shell, "".join(lines[found[0] + 1 :] if found else lines)):
        raise Invalid("A form cannot wait for a cell with await at its top.", f"Type %%track {experiment} above it.")
    before = _newest(experiment)
    done = shell.run_cell(source, store_history=False)
    if error := done.error_in_exec or done.error_before_exec:
        if isinstance(error, (NbmlopsError, KeyboardInterrupt)):
            raise error
        kept = "Its run is kept, as failed." if _newest(experiment) != before else "It did not run."
        raise NbmlopsError(f"The cell failed: {type(error).__name__}: {str(error).rstrip('.')}.", kept)
    return get_run(experiment)


def _has_to_wait(shell: InteractiveShell, source: str) -> bool:
    """Tell whether a cell can be run by the kernel's own loop only, which runs the form now."""
    return asyncio._get_running_loop() is not None and shell.should_run_async(
        source, transformed_cell=shell.transform_cell(source)
    )


def _newest(experiment: str) -> str | None:
    """Return the newest run of an experiment; None where it has none."""
    from nbmlops.tracking.runs import get_run

    with suppress(NotFound):
        return str(get_run(experiment).run_id)
    return None
