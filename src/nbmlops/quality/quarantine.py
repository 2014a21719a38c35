"""Write rows that break a rule aside, with the reasons: for the people who mend them, never printed."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_aside"]

REASONS = "broken_rules"


def write_aside(
    frame: pd.DataFrame, reasons: pd.Series[str], dataset: str, folder: bool | str | Path, at: str
) -> dict[str, Any]:
    """Write the rows that have a reason into a file of their own, and return where and how many.

    Parameters
    ----------
    frame : DataFrame
        All rows.
    reasons : Series
        For each row the rules it breaks; nothing for a good one.
    dataset : str
        Whose rows they are; it names the file.
    folder : True, str or Path
        Where; True is ``.nbmlops/quarantine`` of the project.
    at : str
        The time of the check, ISO 8601; it names the file too.

    Returns
    -------
    dict
        ``rows`` and, where there are any, ``path``.

    Examples
    --------
    >>> import pandas as pd
    >>> write_aside(pd.DataFrame({"age": [31]}), pd.Series([""]), "people", True, "2026-01-01T00:00:00+00:00")
    {'rows': 0}
    """
    bad = reasons.to_numpy() != ""
    if not bad.any():
        return {"rows": 0}
    stamp, name = re.sub(r"[^0-9T]", "", at.partition("+")[0]), re.sub(r"[^\w.-]", "_", dataset)
    place = _prepared(folder) / f"{name}-{stamp}{'.parquet' if importlib.util.find_spec('pyarrow') else '.csv'}"
    column = REASONS if REASONS not in frame.columns else f"nbmlops_{REASONS}"
    path = _write(frame[bad].assign(**{column: reasons[bad].to_numpy()}), place)
    return {"rows": int(bad.sum()), "path": str(path)}


def _prepared(folder: bool | str | Path) -> Path:
    """Return the folder, there and closed to others where it is ours."""
    from nbmlops.store import segments
    from nbmlops.tracking import session

    if folder is not True:
        Path(str(folder)).mkdir(parents=True, exist_ok=True)
        return Path(str(folder))
    home = session.project().home
    segments.prepare(home)
    place = home / "quarantine"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def _write(frame: pd.DataFrame, path: Path) -> Path:
    """Write a file only its owner may read; columns Parquet cannot hold make it a CSV."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    if path.suffix == ".parquet":
        try:
            frame.to_parquet(path)
            return path
        except (ValueError, TypeError, NotImplementedError):  # mixed objects: ArrowInvalid, ArrowTypeError
            path.unlink()
            return _write(frame, path.with_suffix(".csv"))
    frame.to_csv(path, index=False)
    return path
