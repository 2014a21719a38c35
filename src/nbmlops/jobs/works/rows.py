"""Rows of a fan-out: from a file, a grid or Python, each checked against the notebook before any of them starts."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid, MissingPackage, NbmlopsError, NotFound

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.jobs.parameters import Known

__all__ = ["Row", "checked", "crossed", "grid", "of_file", "of_python"]

OPENING, CLOSING, QUOTES = "[{(", "]})", "\"'"
MOST_SAID = 5  # rows that do not fit, named one by one


@dataclass(frozen=True)
class Row:
    """What one run gets: texts to be read as the notebook's types, and values that have types already."""

    texts: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""

    def with_(self, other: Row) -> Row:
        """Return both together; a name may come from one place only."""
        twice = sorted({*self.texts, *self.values} & {*other.texts, *other.values})
        if twice:
            raise Invalid(f"Parameter {twice[0]!r} is given in two places.", "Leave it out of one of them.")
        where = ", ".join(w for w in (self.where, other.where) if w)
        return Row({**self.texts, **other.texts}, {**self.values, **other.values}, where)


def of_file(path: str | Path) -> list[Row]:
    """Return the rows of a CSV, JSON lines or Parquet file; its columns are parameters.

    Parameters
    ----------
    path : str or Path
        An empty cell of a CSV file and a null of a Parquet file mean the notebook's default.

    Raises
    ------
    NotFound
        There is no such file.
    Invalid
        Its format is not known, it is damaged, or it has no row.

    Examples
    --------
    >>> of_file("shops.csv")  # doctest: +SKIP
    [Row(texts={'shop': '17', 'city': 'Ulm'}, values={}, where='line 2')]
    """
    path = Path(path)
    if not path.is_file():
        raise NotFound(f"There is no file {str(path)!r}.", "Name a CSV, JSON lines or Parquet file.")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise Invalid(f"The format of {path.name!r} is not known.", f"It ends in one of {', '.join(READERS)}.")
    try:
        rows = list(reader(path))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid(f"{path.name} is not readable ({type(error).__name__}).", "Save it as UTF-8.") from None
    if not rows:
        raise Invalid(f"{path.name} has no rows.", "One row is one run.")
    return rows


def of_python(rows: Iterable[Mapping[str, Any]] | pd.DataFrame) -> list[Row]:
    """Return rows from mappings or a frame; a missing value of a frame means the notebook's default."""
    if hasattr(rows, "to_dict"):
        return [Row(values=_present(r), where=f"row {n}") for n, r in enumerate(rows.to_dict("records"))]
    return [Row(values=dict(r), where=f"row {n}") for n, r in enumerate(rows)]


def grid(axes: Sequence[str]) -> list[Row]:
    """Return every combination of the values of ``NAME=VALUE,VALUE``.

    >>> [row.texts for row in grid(["C=0.1,1", "months=[1,2],[3]"])][1]
    {'C': '0.1', 'months': '[3]'}
    """
    read = [_axis(axis) for axis in axes]
    names = [name for name, _ in read]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise Invalid(f"The grid names {twice!r} twice.", f"Write all its values once: --grid {twice}=1,2,3")
    return [Row(dict(zip(names, each, strict=True))) for each in itertools.product(*(values for _, values in read))]


def crossed(*parts: Sequence[Row]) -> list[Row]:
    """Return each row of one part with each of the others."""
    rows = [Row()]
    for part in parts:
        rows = [row.with_(other) for row in rows for other in part] if part else rows
    return rows


def checked(notebook: str, rows: Sequence[Row], known: Known | None) -> list[dict[str, Any]]:
    """Return the parameters of every row; nothing may start while one of them does not fit.

    Parameters
    ----------
    notebook : str
        Its name, for messages.
    rows : sequence of Row
    known : mapping or None
        The notebook's parameters; None where its language has no way to tell.

    Raises
    ------
    Invalid
        Rows that do not fit; the first few are named.
    """
    fitting, wrong = [], []
    for number, row in enumerate(rows):
        try:
            fitting.append(_fitting(notebook, row, known))
        except NbmlopsError as error:
            wrong.append((number, row, error))
    if wrong:
        raise _refusal(notebook, len(rows), wrong)
    return fitting


def _fitting(notebook: str, row: Row, known: Known | None) -> dict[str, Any]:
    from nbmlops.jobs.parameters import given, required

    values = {**given(notebook, row.texts, known, True), **given(notebook, row.values, known, False)}
    required(notebook, values, known)
    return values


def _refusal(notebook: str, count: int, wrong: Sequence[tuple[int, Row, NbmlopsError]]) -> Invalid:
    """Return one error for all rows that do not fit; where they all say the same it is said once."""
    said = list(dict.fromkeys(str(error) for _, _, error in wrong))
    if len(said) == 1:
        first = wrong[0][2]
        return Invalid(f"{len(wrong)} of {count} rows do not fit {notebook}: {first.message}", first.hint)
    lines = [f"  row {n}{f' ({row.where})' if row.where else ''}: {error}" for n, row, error in wrong[:MOST_SAID]]
    more = [f"  and {len(wrong) - MOST_SAID} more"] if len(wrong) > MOST_SAID else []
    head = f"{len(wrong)} of {count} rows do not fit {notebook}:"
    return Invalid("\n".join([head, *lines, *more]), "Nothing was started.")


def _csv(path: Path) -> Iterator[Row]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        names = next(reader, [])
        _check_heads(path.name, names)
        for cells in (cells for cells in reader if cells):
            if len(cells) != len(names):
                raise Invalid(
                    f"Line {reader.line_num} of {path.name} has {len(cells)} cells, its head {len(names)}.",
                    "Put values with commas into quotes.",
                )
            given = {n: text for n, text in zip(names, cells, strict=True) if text != ""}
            yield Row(given, where=f"line {reader.line_num}")


def _check_heads(name: str, heads: Sequence[str]) -> None:
    odd = next((h for h in heads if not h.strip() or heads.count(h) > 1), None)
    if odd is not None:
        says = f"names {odd!r} twice" if odd.strip() else "has a column without a name"
        raise Invalid(f"The first line of {name} {says}.", "It names the notebook's parameters, each once.")


def _json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise Invalid(f"Line {number} of {path.name} is no JSON object.", 'Write {"shop": 17} on each line.')
        yield Row(values=values, where=f"line {number}")


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingPackage("Parquet files need pyarrow.", "pip install 'nbmlops[export]'") from error
    try:
        found = pq.read_table(path).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise Invalid(f"{path.name} is no readable Parquet ({type(error).__name__}).", "Write it again.") from None
    for number, values in enumerate(found):
        yield Row(values={n: v for n, v in values.items() if v is not None}, where=f"row {number}")


READERS = {".csv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines, ".parquet": _parquet, ".pq": _parquet}


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a frame's row that are there, as Python's own."""
    import pandas as pd

    held = {str(n): v for n, v in values.items() if not (pd.api.types.is_scalar(v) and pd.isna(v))}
    return {n: v.item() if hasattr(v, "item") else v for n, v in held.items()}


def _axis(text: str) -> tuple[str, list[str]]:
    name, sign, values = text.partition("=")
    found = list(_split(values)) if sign and name.strip() else []
    if not found or "" in found:
        raise Invalid(f"--grid {text!r} is no axis.", "Write a name and its values: --grid C=0.1,1,10")
    return name.strip(), found


def _split(text: str) -> Iterator[str]:
    """Yield the parts between commas that are outside brackets and quotes."""
    depth, quote, begin = 0, "", 0
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in QUOTES:
            quote = character
        elif character in OPENING or character in CLOSING:
            depth += 1 if character in OPENING else -1
        elif character == "," and depth <= 0:
            yield text[begin:place].strip()
            begin = place + 1
    yield text[begin:].strip()
