"""The audit log: how long 100,000 events take to verify, and what an event adds to a change. JSON lines.

``--postgres [ADDRESS]`` does both on PostgreSQL too; without an address on a server of its own.
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
from pathlib import Path

HERE = Path(__file__).parent
EVENTS, CHANGES, REPEATS = 100_000, 1_000, 5


def main() -> None:
    """Run every task and print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--postgres", nargs="?", const="own", help="address of an empty database; alone: a server of our own"
    )
    options = parser.parse_args()
    every("SQLite", "")
    if options.postgres == "own":
        sys.path.insert(0, str(HERE.parent / "tests"))
        import servers

        with servers.run_postgres() as server:
            server.execute("CREATE DATABASE bench")
            every("PostgreSQL", server.url("bench"))
    elif options.postgres:
        every("PostgreSQL", options.postgres)


def every(database: str, url: str) -> None:
    """Run the tasks on one database, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nbmlops.toml").write_text("")
        environ = {k: v for k, v in os.environ.items() if not k.startswith("NBMLOPS_")}
        environ |= {"NBMLOPS_STORE": url} if url else {}
        command = [sys.executable, str(HERE / "audit.py"), "--worker"]
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    for line in done.stdout.splitlines():
        print(json.dumps({"database": database, **json.loads(line)}))


def work() -> None:
    """Do the tasks in the project of the working directory."""
    adds()
    fill()
    verify()


def adds() -> None:
    """Take the same small change a thousand times, with an event and without, in turns."""
    from nbmlops.store import tables
    from nbmlops.tracking import session

    store, actor = session.store(), ("ann@example.org", "git")
    data = {"version": 3, "from": 2, "reason": "better on March", "policy": "gate: better", "digest": "9f" * 32}
    took: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * CHANGES):
        tells = number % 2 == 0
        start = time.perf_counter()
        with store.atomic() as change:
            change.connection.execute(tables.meta.update().where(tables.meta.c.key == "schema").values(key="schema"))
            if tells:
                change.event("alias", "late@champion", data, actor)
        took[tells].append(time.perf_counter() - start)
    with_event, without = (1000 * statistics.median(took[k]) for k in (True, False))
    say("a governed change without an event, ms", without)
    say("a governed change with its event, ms", with_event)
    say("an event adds, ms", with_event - without, aim=1)


def fill() -> None:
    """Write events up to a hundred thousand, at once, as they would be appended."""
    from nbmlops.store import events, tables
    from nbmlops.tracking import session

    data = json.dumps({"version": 3, "from": 2, "reason": "better on März", "gate": "0" * 36, "digest": "9f" * 32})
    fields = {"at": "2026-03-01T00:00:00.000000+00:00", "actor": "ann@example.org", "known_by": "git"}
    with session.store().atomic() as change:
        newest = change.event("alias", "late@champion", {}, ("ann@example.org", "git"))
        previous, rows = change.hash, []
        for seq in range(newest + 1, EVENTS + 1):
            row = {"seq": seq, **fields, "action": "alias", "subject": f"late-{seq % 50}@champion", "data": data}
            row["previous"] = previous
            row["hash"] = previous = events._hash(row)
            rows.append(row)
        change.connection.execute(tables.events.insert(), rows)
        head = tables.meta.update().where(tables.meta.c.key == events.HEAD)
        change.connection.execute(head.values(value=f"{EVENTS} {previous}"))


def verify() -> None:
    """Verify all of them."""
    from nbmlops.governance.audit.verify import verify_audit

    took = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = verify_audit()
        took.append(time.perf_counter() - start)
    if found.events != EVENTS or not found.whole:
        raise SystemExit(f"{found.events} events: {found.says[0]}")
    say("100,000 events verified, s", statistics.median(took), aim=1, worst=max(took))


def say(what: str, value: float, **more: float) -> None:
    """Print one figure."""
    print(json.dumps({"what": what, "value": round(value, 3), **{k: round(v, 3) for k, v in more.items()}}))


if __name__ == "__main__":
    work() if "--worker" in sys.argv else main()
