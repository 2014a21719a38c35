"""The ledger at a million works, on SQLite and on PostgreSQL: adding, claiming, closing, listing, sizes. JSON lines.

``--works 1000000`` is the night of a large site, a hundred times over; nothing is executed, for what is measured is
the ledger's own share of a run. Claims and ends are one transaction each, as workers make them, and synced to disk;
``--fast`` lets a server of our own answer before that. ``--section FILE`` writes the figures into a page, between its
marks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
AT = "2026-03-01T01:00:00.000000+00:00"
SAMPLE, BATCH, PROCESSES = 1_000, 1_000, 4
BEGIN, END = "<!-- figures of bench/ledger.py -->", "<!-- end of figures -->"
Figures = dict[str, float]


def main() -> None:
    """Run the simulation on each database and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--works", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=SAMPLE, help="how many are claimed and closed one at a time")
    parser.add_argument("--sqlite", action="store_true", help="only on SQLite")
    parser.add_argument("--fast", action="store_true", help="a server that does not wait for the disk")
    parser.add_argument("--section", type=Path, help="the page to write the figures into")
    options = parser.parse_args()
    found = {"SQLite": simulated("", options)}
    if not options.sqlite:
        with server(options.fast) as url:
            found["PostgreSQL"] = simulated(url, options)
    if options.section:
        write(options.section, section(found, options))


@contextmanager
def server(fast: bool) -> Iterator[str]:
    """Run the server the tests use, with its syncs on."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    import servers

    with servers.run_postgres(None, servers.FAST if fast else {}) as running:
        running.execute("CREATE DATABASE bench")
        yield running.url("bench")


def simulated(url: str, options: argparse.Namespace) -> Figures:
    """Return the figures of one database, measured in a project of its own."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nbmlops.toml").touch()
        command = [sys.executable, __file__, "--inside", str(options.works), str(options.sample)]
        environment = {**os.environ, **({"NBMLOPS_STORE": url} if url else {})}
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [tell("PostgreSQL" if url else "SQLite", line) for line in process.stdout]
    if process.returncode:
        raise SystemExit(f"The simulation failed with exit code {process.returncode}.")
    return dict(lines)


def tell(database: str, line: str) -> tuple[str, float]:
    """Print a figure with its database."""
    found = {"database": database, **json.loads(line)}
    print(json.dumps(found), flush=True)
    return found["figure"], found["value"]


def inside(works: int, sample: int) -> None:
    """Simulate in this process and this folder."""
    from nbmlops.config import find_project
    from nbmlops.store.database import Store

    store = Store(find_project())
    store.engine  # noqa: B018  # made before the clock runs
    adding = timed(lambda: add(store, works))
    say("add, works per second", works / adding)
    say("bytes per work, due", size(store) / works)
    one_at_a_time(store, sample)
    say("claim, close, claims per second of 4 processes", together(sample))
    say("claim and close by the thousand, works per second", drained(store, min(works, 20 * BATCH)))
    finish(store)
    say("bytes per work, done", size(store) / works)
    add(store, sample, "late")
    one_at_a_time(store, sample, ", a million done" if works >= 1_000_000 else f", {works:,} done")
    listed(store)


def add(store: Any, works: int, prefix: str = "night") -> None:
    """Add works by the batch, as a scheduler's ticks and a fan-out do."""
    from nbmlops.store import ledger

    parameters, spec = {"shop": 1234, "month": "2026-02"}, {"timeout": 7200, "memory": "4G", "then": ["gate"]}
    for start in range(0, works, 10 * BATCH):
        rows = (
            {
                "key": f"{prefix}@{AT}#{n}",
                "job": f"job-{n % 100}",
                "notebook": "retrain.ipynb",
                "parameters": parameters,
                "digest": "0" * 64,
                "spec": spec,
                "most": 3,
                "created_at": AT,
            }
            for n in range(start, min(start + 10 * BATCH, works))
        )
        with ledger.changing(store) as change:
            ledger.add(change, rows)


def one_at_a_time(store: Any, sample: int, when: str = "") -> None:
    """Claim, renew and close, one transaction each."""
    from nbmlops.store import ledger

    took: dict[str, list[float]] = {"claim": [], "renew": [], "close": []}
    for _ in range(sample):
        with clocked(took["claim"]), ledger.changing(store) as change:
            (claim,) = ledger.claim(change, AT, "bench", slots={"heavy": 2})
        with clocked(took["renew"]), ledger.changing(store, alone=False) as change:
            assert ledger.renew(change, claim, AT)
        with clocked(took["close"]), ledger.changing(store) as change:
            assert ledger.close(change, claim, "finished", None, AT)
    for what, seconds in took.items():
        say(f"{what}{when}, ms", 1000 * statistics.median(seconds), p95=1000 * statistics.quantiles(seconds, n=20)[-1])


def together(sample: int) -> float:
    """Return how many works a second several processes claim and close, one at a time each."""
    command = [sys.executable, __file__, "--claimer", str(sample // PROCESSES)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    spans = [json.loads(process.communicate()[0]) for process in running]
    return sample // PROCESSES * PROCESSES / (max(end for _, end in spans) - min(begin for begin, _ in spans))


def claimer(works: int) -> None:
    """Claim and close works; print when that began and ended."""
    from nbmlops.config import find_project
    from nbmlops.store import ledger
    from nbmlops.store.database import Store

    store = Store(find_project())
    ledger.list(store, limit=1)
    began = time.time()
    for _ in range(works):
        with ledger.changing(store, wait_s=120) as change:
            (claim,) = ledger.claim(change, AT, "bench")
        with ledger.changing(store, wait_s=120) as change:
            assert ledger.close(change, claim, "finished", None, AT)
    print(json.dumps([began, time.time()]))


def drained(store: Any, most: int) -> float:
    """Bring many to their end by the batch; return works per second."""
    from nbmlops.store import ledger

    done, began = 0, time.perf_counter()
    while done < most:
        with ledger.changing(store) as change:
            claims = ledger.claim(change, AT, "bench", most=BATCH)
            done += sum(ledger.close(change, claim, "finished", None, AT) for claim in claims)
        if len(claims) < BATCH:
            break
    return done / (time.perf_counter() - began)


def finish(store: Any) -> None:
    """Bring the rest to its end by two statements, as if it had been done: that is not measured."""
    import sqlalchemy as sa

    from nbmlops.store import ledger
    from nbmlops.store.tables import attempts, work

    text = "01234567-0123-7123-8123-0123456789ab"
    columns = ["key", "attempt", "token", "run_id", "owner", "started_at", "lease_until", "ended_at", "status"]
    values = [sa.literal(v) for v in (1, text, text, "bench", AT, AT, AT, "finished")]
    due = work.c.state == "due"
    with ledger.changing(store) as change:
        change.connection.execute(attempts.insert().from_select(columns, sa.select(work.c.key, *values).where(due)))
        ended = work.update().where(due).values(state="finished", attempt=1, ended_at=AT, run_id=text)
        change.connection.execute(ended)


def listed(store: Any) -> None:
    """Ask what people and tickers ask."""
    from nbmlops.store import lapses, ledger

    asked: dict[str, Callable[[], Any]] = {
        "newest 100": lambda: ledger.list(store),
        "newest 100 of a job": lambda: ledger.list(store, job="job-7"),
        "what is due or started": lambda: ledger.list(store, state=("due", "started")),
        "one work with its attempts": lambda: ledger.attempts_of(store, f"night@{AT}#77"),
        "attempts nobody does": lambda: lapses.unowned(store, AT),
        "works of a job by state": lambda: ledger.counts(store, job="job-7"),
    }
    for what, ask in asked.items():
        ask()
        say(f"{what}, ms", 1000 * statistics.median(timed(ask) for _ in range(9)))


def size(store: Any) -> float:
    """Return the bytes of the database."""
    if store.path:
        return float(sum(Path(f"{store.path}{side}").stat().st_size for side in ("", "-wal") if _there(store, side)))
    with store.reading(sync=False) as connection:
        return float(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar())


def _there(store: Any, side: str) -> bool:
    return Path(f"{store.path}{side}").exists()


def timed(what: Callable[[], Any]) -> float:
    """Return the seconds something takes."""
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


@contextmanager
def clocked(into: list[float]) -> Iterator[None]:
    """Add the seconds of a block to a list."""
    began = time.perf_counter()
    yield
    into.append(time.perf_counter() - began)


def say(figure: str, value: float, **more: float) -> None:
    """Print one figure as a JSON line."""
    numbers = {name: round(number, 3) for name, number in more.items()}
    print(json.dumps({"figure": figure, "value": round(value, 3), **numbers}), flush=True)


def section(found: dict[str, Figures], options: argparse.Namespace) -> str:
    """Return the figures as a table."""
    names = list(dict.fromkeys(name for figures in found.values() for name in figures))
    rows = [[name, *(number(figures.get(name)) for figures in found.values())] for name in names]
    head = [f"{options.works:,} works", *found]
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Return a figure as people read it."""
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def write(page: Path, table: str) -> None:
    """Put the figures between the marks of a page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    if "--inside" in sys.argv:
        inside(*map(int, sys.argv[2:]))
    elif "--claimer" in sys.argv:
        claimer(int(sys.argv[2]))
    else:
        main()
