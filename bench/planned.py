"""What it costs a tracked cell to say which of the planned runs it is, with and without a charter.

python bench/planned.py
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

REPEATS = 200
PLAN = "\n".join(["experiments:", *(f"  - {{name: e{i}, runs: 12, stop: no gain in 4 runs}}" for i in range(20))])


def timed(text: str | None) -> tuple[float, float]:
    """Return the median milliseconds of asking and of answering for one cell."""
    from nbmlops.tracking import planned, session

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("nbmlops.toml").write_text("")
        if text is not None:
            Path("charter.yaml").write_text(text)
        session.reset()
        with session.run("e1") as run:
            pass
        made = session.as_run(run)
        from nbmlops.tracking.runs import Run

        shown, asked, answered = Run(made), [], []
        for _ in range(REPEATS):
            began = time.perf_counter()
            planned.ask("e1")
            between = time.perf_counter()
            planned.answer(shown)
            asked.append(between - began)
            answered.append(time.perf_counter() - between)
            time.sleep(0.005)  # the cell itself, while the thread looks things up
        session.reset()
        os.chdir("/")
    return statistics.median(asked) * 1000, statistics.median(answered) * 1000


if __name__ == "__main__":
    for name, text in (("without a charter", None), ("20 planned experiments", PLAN)):
        ask, answer = timed(text)
        print(f"{name:24} ask {ask:6.3f} ms   answer {answer:6.3f} ms")
