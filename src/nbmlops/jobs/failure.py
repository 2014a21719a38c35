"""What a person must know of an execution that did not finish: where, why, what it said last, how to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbmlops.tracking.runs import Run

__all__ = ["message", "rows"]

SHOWN_LINES = 10


def message(run: Run, error: BaseException | None = None) -> str:
    """Return an execution in some lines.

    Parameters
    ----------
    run : Run
        Of a notebook, however it ended.
    error : BaseException, optional
        What was raised, where the run itself does not say why.

    Examples
    --------
    >>> import nbmlops as nb
    >>> print(message(nb.get_run("retrain")))  # doctest: +SKIP
    notebook  retrain.ipynb
    """
    lines = []
    for name, value in rows(run, error):
        first, *more = value.split("\n")
        lines += [f"{name:<9} {first}".rstrip(), *(f"{'':<9} {line}".rstrip() for line in more)]
    return "\n".join(lines)


def rows(run: Run, error: BaseException | None = None) -> list[tuple[str, str]]:
    """Return the same as (what, text): of a run that finished, where it is; of another, also why and how to go on.

    Parameters
    ----------
    run : Run
    error : BaseException, optional
    """
    about, tags, ref = run.error or {}, run.tags, run.run_id[-6:]
    found = [("job", tags.get("job", "")), ("notebook", run.notebook or run.name), ("run", run.run_id)]
    found += [("status", _status(run)), ("cell", _cell(run)), ("error", _why(about, error))]
    if run.status != "finished":
        found.append(("said", _said(run)))
    found += [("output", tags.get("output", "none")), ("upload", _upload(run))]
    if run.status not in ("finished", "running"):
        found += [("report", f"nbmlops report {ref}")]
        goes_on = tags.get("checkpoint") and run.notebook
        found += [("go on", f"nbmlops run {run.notebook} --resume {ref}")] if goes_on else []
    return [(name, text) for name, text in found if text]


def _status(run: Run) -> str:
    why = f", {run.cause}" if run.cause else ""
    return f"{run.status}{why} after {run.duration_s:.1f} s" if run.duration_s else f"{run.status}{why}"


def _cell(run: Run) -> str:
    """Return which cell it is, and its first lines; while it runs, what is known so far."""
    about = run.error or {}
    if "cell" not in about:
        return str(run.tags.get("progress", "")).removeprefix("cell ") if run.status in ("running", "abandoned") else ""
    count = f", In [{about['count']}]" if about.get("count") else ""
    return "\n".join([f"{about['cell']} of {about['cells']}{count}", *(about.get("source") or "").splitlines()])


def _why(about: dict[str, str], error: BaseException | None) -> str:
    if about:
        return f"{about['name']}: {about['message']}".strip(": ")
    said = str(error).strip().splitlines() if error else []
    return said[-1] if said else type(error).__name__ if error else ""


def _said(run: Run) -> str:
    lines = (run.error or {}).get("output") or str(run.tags.get("last_lines", "")).splitlines()
    return "\n".join(lines[-SHOWN_LINES:])


def _upload(run: Run) -> str:
    address, state = run.tags.get("upload_to"), run.tags.get("upload")
    return f"{state}: {address}" if address else ""
