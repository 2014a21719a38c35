"""Flags by the hundred from a CSV, and one from a few-line text form: all are kept or none, every bad line is named."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nbmlops.errors import Conflict, Invalid, NbmlopsError, NotAllowed, NotFound
from nbmlops.governance.flags import flag as flags
from nbmlops.governance.flags.flag import Flag
from nbmlops.quality.versions import load_dataset
from nbmlops.tracking.actor import INVENTED

__all__ = ["from_csv", "from_form", "new_form"]

NEEDED = ("subject", "text")
COLUMNS = (*NEEDED, "kind", "severity", "to", "question", "where", "evidence", "value")
MOST_LINES = 20  # bad lines named in one refusal; all are counted
LARGEST_BYTES = 20_000_000
TRUE, FALSE = ("yes", "true", "1", "y"), ("", "no", "false", "0", "n")
FORM = """\
# A flag. Fill in, save, and give it back: nbmlops flag --form THIS_FILE
# about: a model (late-flights@3), row (flights@7#17), prediction, feature (late-flights@3:hour), run or report.
about: {about}
where:
says:
should be:
severity: medium
question: no
to:
evidence:
by:
"""
KEYS = {"about": "subject", "says": "text", "should be": "value"} | {
    k: k for k in ("where", "severity", "question", "to", "evidence", "by")
}


def from_csv(path: str | Path) -> list[Flag]:
    """Flag what each row of a CSV says, all or nothing.

    Parameters
    ----------
    path : path
        With columns subject and text, and where there are any kind, severity, to, question, where, evidence, value.

    Returns
    -------
    list of Flag

    Raises
    ------
    Invalid
        A column is missing or unknown, or lines are not understood: each is named by its number, and nothing is kept.
    NotFound
        There is no such file.

    Examples
    --------
    >>> len(from_csv("doubts.csv"))  # doctest: +SKIP
    300
    """
    rows = list(_rows(_text(path), str(path)))
    bad: list[tuple[int, str]] = []
    wanted = []
    kept = functools.cache(load_dataset)  # read once for all lines
    for number, row in rows:
        try:
            wanted.append(flags.checked(_given(row), kept))
        except NbmlopsError as error:
            bad.append((number, error.message))
    if bad:
        raise _refused(path, bad, len(rows))
    return flags.add(wanted)


def _refused(path: str | Path, bad: list[tuple[int, str]], count: int) -> Invalid:
    lines = "; ".join(f"line {number}: {message}" for number, message in bad[:MOST_LINES])
    more = f"; and {len(bad) - MOST_LINES} more" if len(bad) > MOST_LINES else ""
    error = Invalid(f"{len(bad)} of {count} rows of {path} are not understood: {lines}{more}.", "Nothing was kept.")
    error.problems = tuple({"line": number, "message": message} for number, message in bad)
    return error


def _text(path: str | Path) -> str:
    try:
        file = Path(path)
        if file.stat().st_size > LARGEST_BYTES:
            raise Invalid(f"{path} is larger than {LARGEST_BYTES:,} bytes.", "Flag segments instead of rows.")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise NotFound(f"{path} cannot be read ({error.strerror}).", "Name a file that is there.") from None
    except UnicodeDecodeError:
        raise Invalid(f"{path} is no text in UTF-8.", "Save it as CSV UTF-8.") from None


def _rows(text: str, path: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of the line each row ends in, and the row; blank ones are left out."""
    try:
        reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
        names = [str(n).strip() for n in reader.fieldnames or ()]
        if missing := [n for n in NEEDED if n not in names]:
            raise Invalid(f"{path} has no column {missing[0]!r}.", f"It needs {' and '.join(NEEDED)}.")
        if strange := [n for n in names if n not in COLUMNS]:
            raise Invalid(f"{path} has a column {strange[0]!r}.", f"Allowed: {', '.join(COLUMNS)}.")
        reader.fieldnames = names
        for row in reader:
            extra = row.pop(None, None)  # type: ignore[call-overload]
            if any((v or "").strip() for v in row.values()):
                yield reader.line_num, {**row, **({"": "more cells than columns"} if extra else {})}
    except csv.Error as error:
        raise Invalid(f"{path} is no CSV: {error}.", "Save it as CSV UTF-8.") from None


def _given(row: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the parameters of one flag from cells of text."""
    if "" in row:
        raise Invalid(f"it has {row['']}", "Quote cells that hold a comma.")
    said = {k: (v or "").strip() for k, v in row.items()}
    asked = said.pop("question", "").lower()
    if asked not in (*TRUE, *FALSE):
        raise Invalid(f"question is {asked[:20]!r}.", "Write yes or no.")
    given: dict[str, Any] = {k: v or None for k, v in said.items()}
    if given.get("value") is not None:
        given["value"] = value_of(given["value"])
    return given | {"question": asked in TRUE, "text": said["text"], "subject": said["subject"]}


def value_of(text: str) -> Any:
    """Return what a person typed as a label: true and false, a number, else the text.

    >>> value_of("true"), value_of("12"), value_of("0.5"), value_of("late")
    (True, 12, 0.5, 'late')
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return number if abs(number) < float("inf") else text


def new_form(path: str | Path | None = None, about: str = "") -> str:
    """Return an empty form, written to a file where one is named.

    Raises
    ------
    Conflict
        The file is there already.
    """
    text = FORM.format(about=about)
    if path is not None:
        try:
            with Path(path).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise Conflict(f"{path} is there already and may be filled in.", "Choose another name.") from None
        except OSError as error:
            raise NotFound(f"{path} cannot be written ({error.strerror}).", "Name another file.") from None
    return text


def from_form(path: str | Path) -> Flag:
    """Flag what a filled-in form says; its ``by`` is the author, recorded as entered by you.

    Raises
    ------
    Invalid
        A line is not understood, by its number; or it does not say about what, or what.
    NotFound
        There is no such file.

    Examples
    --------
    >>> from_form("doubt.txt").author  # doctest: +SKIP
    'ann@example.org'
    """
    said = _of_form(_text(path), str(path))
    by = said.pop("by", "") or None
    if by and INVENTED.match(by):
        raise NotAllowed(f"{by!r} is nobody: Jupyter Server invents such names.", "Write the person's own name.")
    given = _given({"subject": "", "text": "", **said})
    return flags.add([flags.checked(given)], by)[0]


def _of_form(text: str, path: str) -> dict[str, str]:
    """Return the answers of a form; a line without a key goes on with the one before."""
    found: dict[str, str] = {}
    last = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        key, _, said = line.partition(":")
        name = KEYS.get(key.strip().lower())
        if name is None and last and line[:1].isspace():
            found[last] = f"{found[last]} {line.strip()}".strip()
            continue
        if name is None or name in found:
            what = "is there twice" if name else "is no line of the form"
            raise Invalid(f"{path}, line {number}: {key.strip()[:40]!r} {what}.", f"Lines: {', '.join(KEYS)}.")
        found[name], last = said.strip(), name
    if missing := [k for k, name in KEYS.items() if name in NEEDED and not found.get(name)]:
        raise Invalid(f"{path} does not say {missing[0]!r}.", "Fill in at least about and says.")
    return found
