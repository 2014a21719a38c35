"""What is logged into a run: metrics, params, files, results."""

from __future__ import annotations

import contextlib
import json
import operator
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbmlops.capture import secrets
from nbmlops.errors import Invalid
from nbmlops.records import Dataset, Origin, new_id, now, plain
from nbmlops.store import waiting
from nbmlops.store.summary import IN_FILE
from nbmlops.tracking.opened import OpenRun, artifacts, current, find, write, write_text

__all__ = ["keep", "log", "log_artifact", "log_dataset", "log_figure", "log_params", "log_stored", "point"]

LARGEST_STEP = 2**63 - 1
LONG = 4_000  # characters of a param's JSON; a longer one is a file of the run, and reads back whole
BEGINS = 200


def log(
    values: Mapping[str, Any] | None = None,
    *,
    step: int | None = None,
    context: Mapping[str, str] | None = None,
    run_id: str | None = None,
    **named: Any,
) -> None:
    """Log metrics into the open run.

    Parameters
    ----------
    values : mapping, optional
        Metric name to number; names that are no Python names go here.
    step : int, optional
    context : mapping, optional
        What tells two series of one name apart, such as ``{"split": "test"}``.
    **named
        Metric name to number.

    Raises
    ------
    Invalid
        A value is no number, or no run is open.

    Examples
    --------
    >>> nb.log(loss=0.3, step=1)  # doctest: +SKIP
    """
    opened = find(run_id) if run_id else _target("nb.log(loss=0.3)")
    if step is not None and not (type(step) is int and -LARGEST_STEP <= step <= LARGEST_STEP):
        step = _whole(step)
    for name, value in (named if values is None else {**values, **named}).items():
        if not isinstance(name, str) or not name:
            raise Invalid(f"A metric's name is text, not {name!r}.", "Write nb.log(loss=0.3).")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise Invalid(
                f"Metric {name!r} is {str(value)[:60]!r}.", "A metric is a number; text belongs in tags."
            ) from None
        point(opened, name, number, step, context)
    if opened.listener is not None:
        opened.listener()


def point(opened: OpenRun, name: str, value: float, step: int | None = None, context: Any = None) -> None:
    """Write one value of a metric: the path of every logged point, so its JSON is put together by hand."""
    at, points = time.time(), opened.fold.points(name, context)
    write_text(points.text(value, step, at))
    points.add(value, step, at)


def log_params(run_id: str, params: Mapping[str, Any], origin: Origin = "logged") -> None:
    """Write params of a run: secrets masked, and of a table or an array its shape, for rows are not settings.

    A long value is kept as a file of the run; the param says where, and how it begins.
    """
    for name, value in params.items():
        shown = plain(secrets.redact_value(name, _without_rows(value)))
        if isinstance(shown, (str, list, dict)) and len(text := json.dumps(shown, ensure_ascii=False)) > LONG:
            begins = shown[:BEGINS] if isinstance(shown, str) else text[:BEGINS]
            digest = log_artifact(
                f"params/{secrets.redact(str(name))}.json", text.encode("utf-8", "replace"), run_id=run_id
            )
            shown = {IN_FILE: digest, "begins": begins}
        write({"t": "param", "run_id": run_id, "name": secrets.redact(str(name)), "value": shown, "origin": origin})


def _without_rows(value: Any) -> Any:
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__} of shape {shape}" if isinstance(shape, tuple) and shape else value


def log_artifact(name: str, data: bytes | str | Path, media_type: str = "", run_id: str | None = None) -> str:
    """Keep a file with the open run and return its digest.

    Parameters
    ----------
    name : str
        The name it is found by, such as ``confusion.png``.
    data : bytes, str or Path
        The content, or the path of a file.
    media_type : str, optional
        Guessed from the name when absent.

    Raises
    ------
    Invalid
        No run is open, or the name is empty.
    NotFound
        There is no such file. Where object storage is away, the file waits in the project, with one warning.

    Examples
    --------
    >>> nb.log_artifact("notes.txt", b"tried a lower rate")  # doctest: +SKIP
    """
    import mimetypes

    target = run_id or _target("nb.log_artifact('notes.txt', b'...')").run_id
    if not isinstance(name, str) or not name:
        raise Invalid(f"A file's name is text, not {name!r}.", "Write nb.log_artifact('notes.txt', b'...').")
    kind = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
    digest, size_bytes = waiting.keep(artifacts(), data if isinstance(data, bytes) else Path(data))
    log_stored(target, name, digest, size_bytes, kind)
    return digest


def log_stored(run_id: str, name: str, digest: str, size_bytes: int, media_type: str) -> None:
    """Name a file that is stored already as one of a run's."""
    about = {"name": secrets.redact(name), "digest": digest, "size_bytes": size_bytes, "media_type": media_type}
    write({"t": "artifact", "run_id": run_id, **about})


def log_dataset(run_id: str, dataset: Dataset) -> None:
    """Write which data a run read or wrote; a name that is a secret is masked, for a table may have them as columns."""
    columns = [{**column, "name": secrets.redact(column["name"])} for column in dataset.columns]
    about = {**plain(dataset), "name": secrets.redact(dataset.name), "columns": columns}
    write({"t": "dataset", "run_id": run_id, **about})


def log_figure(name: str, figure: Any) -> str:
    """Keep a matplotlib figure with the open run, as PNG; return its digest.

    Examples
    --------
    >>> nb.log_figure("roc", figure)  # doctest: +SKIP
    """
    import io

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    return log_artifact(name if name.endswith(".png") else f"{name}.png", buffer.getvalue(), "image/png")


def keep(kind: str, subject: str, data: Mapping[str, Any], run_id: str | None = None) -> str:
    """Keep the JSON of a result (evaluation, drift, check, gate, profile) with the open run; return its id.

    A result outside any run is kept too, without one.
    """
    opened = current()
    result_id = new_id()
    target = run_id or (opened.run_id if opened else None)
    write(
        {
            "t": "result",
            "result_id": result_id,
            "run_id": target,
            "kind": kind,
            "subject": subject,
            "at": now(),
            "data": dict(data),
        }
    )
    return result_id


def _whole(step: Any) -> int:
    """Return a step that came as another type, such as NumPy's."""
    with contextlib.suppress(TypeError):
        whole = operator.index(step)
        if -LARGEST_STEP <= whole <= LARGEST_STEP:
            return whole
    raise Invalid(f"The step is {step!r}.", "A step is a whole number of at most 64 bits.")


def _target(example: str) -> OpenRun:
    opened = current()
    if opened is None:
        raise Invalid("No run is open.", f"Write {example} in a %%track cell or inside `with nb.run('name'):`.")
    return opened
