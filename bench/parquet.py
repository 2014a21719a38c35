"""A folder of Parquet files larger than memory should be: peak memory and seconds, by rows. A JSON line for each.

Writes 80 columns of numbers and 20 of names, half a million rows a file, into a temporary folder (``--folder`` names
where; 8 GB for ten million rows, deleted at the end), and profiles it in a process of its own. Memory is what the
system counted at the peak, above what it was before profiling, with all that profiling imports already there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROWS = (2_500_000, 5_000_000, 10_000_000)
FILE_ROWS, GROUP_ROWS = 500_000, 100_000
NUMBERS, NAMES = 80, 20
WORKER = """
import json, sys, time
import numpy as np, pandas as pd, pyarrow as pa
from pathlib import Path
import nbmlops as nb
nb.profile(pa.table({"a": np.arange(100.0), "b": ["x"] * 100}))  # imports
def peak():
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
Path("/proc/self/clear_refs").write_text("5")
before, began = peak(), time.perf_counter()
profile = nb.profile(sys.argv[1])
took = time.perf_counter() - began
kb = round(len(profile.to_json()) / 1000)
print(json.dumps({"rows": profile.rows, "seconds": round(took, 1), "peak_mb": round(peak() - before), "json_kb": kb}))
"""


def write(folder: Path, number: int) -> None:
    """Write one file, row group by row group."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(number)
    words = pa.array([f"k{i}" for i in range(12)])
    writer = None
    for _ in range(FILE_ROWS // GROUP_ROWS):
        columns = {f"n{i}": pa.array(rng.normal(size=GROUP_ROWS)) for i in range(NUMBERS)}
        columns |= {f"c{i}": words.take(pa.array(rng.integers(0, 12, GROUP_ROWS))) for i in range(NAMES)}
        group = pa.table(columns)
        writer = writer or pq.ParquetWriter(folder / f"{number:03d}.parquet", group.schema, compression="none")
        writer.write_table(group)
    if writer:
        writer.close()


def main() -> None:
    """Write ever more files and profile all that are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as place:
        Path(place, "nbmlops.toml").touch()
        data = Path(place, "data")
        data.mkdir()
        for rows in sorted(asked.rows):
            for number in range(len(list(data.iterdir())), rows // FILE_ROWS):
                write(data, number)
            time.sleep(1)
            done = subprocess.run([sys.executable, "-c", WORKER, str(data)], cwd=place, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr[-3000:])
            found = json.loads(done.stdout)
            each = round(found["seconds"] / found["rows"] * 1e6, 2)
            print(json.dumps({"columns": NUMBERS + NAMES, **found, "us_per_row": each}), flush=True)


if __name__ == "__main__":
    main()
