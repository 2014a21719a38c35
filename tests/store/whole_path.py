"""The whole path of what is tracked, as a program: call, journal, database, and back. Run by ``faults.server``.

Each line of the input names a case; it runs in a fork and answers with one line of JSON. A case says what it is about
to do before it does it, and when it is done, so that a killed one has said all that must be there.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import sys
import traceback
import warnings
from pathlib import Path

import pandas as pd  # noqa: F401  # loaded once, before the forks

import nbmlops as nb
from nbmlops.capture import environment
from nbmlops.errors import NbmlopsError
from nbmlops.records import new_id
from nbmlops.store import database, events, ingest, journal, lifecycle, queries, runs, sqlite  # noqa: F401
from nbmlops.store.driver import connect
from nbmlops.tracking import opened, session

try:
    shim = ctypes.CDLL(None)
    shim.faults_arm.argtypes = [ctypes.c_char_p, ctypes.c_long, *[ctypes.c_int] * 4, ctypes.c_char_p]
    shim.faults_calls.restype = ctypes.c_long
except AttributeError:
    shim = None

NUMBERS = {"nan": math.nan, "inf": math.inf}


class Said:
    """What a case says on its way: about to do, done, refused, safe from power loss."""

    def __init__(self, fd):
        self.fd = fd

    def __call__(self, word, *facts):
        line = json.dumps([word, shim.faults_calls() if shim else 0, facts]) + "\n"
        os.write(self.fd, line.encode())

    def do(self, call, *facts):
        self("issue", *facts)
        try:
            result = call()
        except NbmlopsError as error:
            if "not known" not in str(error):
                self("refused", *facts)
            self("error", type(error).__name__, str(error)[:200])
            return None
        self("ack", *facts)
        return result


def scenario(say):
    """Track and govern as a small notebook does, three runs long."""
    first = run(say, "first", 5)
    attempt(say, store_sync)
    govern(say, "model@1")
    second = start(say, "second")
    points(say, second, 0, 4)
    attempt(say, store_sync)  # the run is open: its segment stays
    points(say, second, 4, 7)
    govern(say, "model@2")
    finish(say, second, "failed")
    attempt(say, store_sync)
    say.do(lambda: lifecycle.delete_runs(opened.project(), [first]), ["deleted", first])
    third = run(say, "third", 3)
    say.do(lambda: lifecycle.restore_runs(opened.project(), first), ["restored", first])
    attempt(say, store_sync)
    last = start(say, "last")
    points(say, last, 0, 2)
    attempt(say, lambda: runs.load_many(opened.store(), [second, third]))


def run(say, name, count):
    made = start(say, name)
    points(say, made, 0, count)
    content = f"content of {name} " * 20
    say.do(lambda: session.log_artifact("a.txt", content.encode(), run_id=made), ["artifact", made, "a.txt", content])
    finish(say, made, "finished")
    return made


def start(say, name):
    made = new_id()
    facts = [["run", made, name], ["status", made, "abandoned"], ["param", made, "p", 1], ["tag", made, "t", "x"]]
    say.do(lambda: session.start(name, params={"p": 1}, tags={"t": "x"}, run_id=made), *facts)
    return made


def points(say, made, begin, end):
    values = [0.5, "nan", "inf", 3.0]
    for place in range(begin, end):
        value = values[place % 4]
        number = NUMBERS.get(value, value)
        fact = ["point", made, "loss", place, value, place * 2]
        say.do(lambda n=number, p=place: session.log(loss=n, step=p * 2, run_id=made), fact)


def finish(say, made, status):
    say.do(lambda: session.finish(opened.find(made), status), ["status", made, status])
    say("safe")


def govern(say, subject):
    """Change something governed: a row and its event, in one transaction."""

    def change():
        with opened.store().atomic() as transaction:
            transaction.connection.exec_driver_sql("INSERT INTO meta (key, value) VALUES ('" + subject + "', 'here')")
            transaction.event("advice", subject, {"subject": subject}, ("me", "os"))

    say.do(change, ["event", subject])
    say("safe")


def attempt(say, call):
    """Do what may be refused while the disk is at fault, and leaves no fact of its own."""
    say.do(call)


def store_sync():
    return opened.store().sync()


def verify(told):
    """Compare what is in the store with what was said; return the problems."""
    acked, maybe, refused = told["ack"], told["maybe"], told["refused"]
    opened.reset()
    store = opened.store()
    problems = []
    store.sync()
    if again := store.sync():
        problems.append(f"{again} events arrived again")
    left = journal.journals(opened.project().home / "journal")
    if left and told.get("strict", True):
        problems.append(f"segments are left: {[p.name for p in left]}")
    with connect(opened.project()) as connection:
        if store.path and (found := connection.scalar("PRAGMA quick_check")) != "ok":
            problems.append(f"quick_check: {found}")
        if broken := connection.execute(
            "SELECT count(*) FROM runs WHERE experiment IS NULL OR status IS NULL"
        ).fetchone()[0]:
            problems.append(f"{broken} half runs")
        if aside := connection.execute("SELECT kind, reason FROM set_aside").fetchall():
            problems.append(f"set aside: {aside}")
    if told.get("chain", True):
        with store.reading() as connection:
            if (at := events.verify(connection)) is not None:
                problems.append(f"the chain is broken at {at}")
    found = facts_of(store)
    for fact in sorted(set(found), key=repr):
        if found.count(fact) > 1:
            problems.append(f"twice: {fact[:4]}")
    known = {key(f) for f in (*acked, *maybe)}
    wanted = newest_statuses(acked, [*maybe, *refused])  # the commit of a deletion may be made, and fail then
    allowed = {key(f) for f in maybe if f[0] == "status"}
    for fact in wanted:
        if key(fact) not in found and not (
            fact[0] == "status" and any(a[1] == fact[1] and a in found for a in allowed)
        ):
            problems.append(f"lost: {str(fact)[:120]}")
    for fact in found:
        if fact not in known:
            problems.append(f"never said: {str(fact)[:120]}{' (refused)' if fact in {key(f) for f in refused} else ''}")
    return problems + usable(store)


def newest_statuses(acked, maybe):
    """Return the facts that must hold now: a status or a deletion holds until the next one."""
    last = {}
    for fact in acked:
        if fact[0] in ("deleted", "restored"):
            last["hidden", fact[1]] = fact
        else:
            last[tuple(map(str, fact[: 2 if fact[0] == "status" else None]))] = fact
    hidden = {f[1] for f in (*last.values(), *maybe) if f[0] == "deleted"}
    return [f for f in last.values() if f[0] not in ("deleted", "restored") and f[1] not in hidden]


def key(fact):
    return tuple(str(part) for part in fact)


def facts_of(store):
    """Return everything the store says, in the words of the cases."""
    found = []
    with connect(opened.project()) as connection:
        ids = [r for (r,) in connection.execute("SELECT run_id FROM runs WHERE deleted_at IS NULL").fetchall()]
        rows = connection.execute(
            "SELECT r.run_id, s.name, p.place, p.value, p.step FROM points p JOIN series s ON s.id = p.series "
            "JOIN runs r ON r.no = s.run WHERE r.deleted_at IS NULL"
        ).fetchall()
        facts = [("event", s) for (s,) in connection.execute("SELECT subject FROM events").fetchall()]
        governed = connection.execute("SELECT key FROM meta WHERE value = 'here'").fetchall()
    if sorted(k for (k,) in governed) != sorted(s for _, s in facts):
        found.append(("an event without its change", str(governed)))
    found += facts
    for made, name, place, value, step in rows:
        found.append(key(["point", made, name, place, "nan" if value is None else value, step]))
    for whole in runs.load_many(store, ids):
        made = whole["run_id"]
        found += [("run", made, whole["experiment"]), ("status", made, whole["status"])]
        found += [key(["param", made, p["name"], p["value"]]) for p in whole["params"]]
        found += [("tag", made, name, value) for name, value in whole["tags"].items()]
        found += [("artifact", made, a["name"], store.artifacts.get(a["digest"]).decode()) for a in whole["artifacts"]]
        counts = {m["name"]: m["count"] for m in whole["metrics"]}
        if counts.get("loss", 0) != sum(r[0] == made for r in rows):
            found.append(("count of points differs", made))
        if {r["run_id"] for r in nb.runs(f"experiment = {whole['experiment']!r}", limit=None).to_dict("records")} != {
            made
        }:
            found.append(("not found by a query", made))
    return found


def usable(store):
    """Go on working in what is left."""
    with session.run("afterwards"):
        session.log(loss=1.0)
    with store.atomic() as change:
        seq = change.event("advice", "afterwards", {}, ("me", "os"))
    with store.reading() as connection:
        bad, count = events.verify(connection), len(events.listed(connection))
    return [] if (bad, seq) == (None, count) else [f"seq {seq} of {count}, broken at {bad}"]


def case_run(say, request):
    """The scenario, with a fault at one call."""
    root = (request.get("root") or str(Path.cwd())).encode()
    shim.faults_arm(
        root,
        request.get("at", 0),
        request.get("what", 0),
        request.get("error", 0),
        request.get("half", 0),
        request.get("lasting", 0),
        request.get("trace", "").encode(),
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        scenario(say)
    say("calls")
    shim.faults_arm(b"", 0, 0, 0, 0, 0, b"")
    say("warned", *[str(w.message)[:200] for w in told])
    opened.reset()


def case_journal(say, request):
    """Runs that wait in the journal: nothing has read them yet."""
    for name in ("first", "second", "third"):
        run(say, name, 5)


def case_verify(say, request):
    """What is in the store, against what was said."""
    say("problems", *verify(request["told"]))


def case_read(say, request):
    """Read everything, whatever state the files are in; only a readable error is allowed."""
    found, errors = [], []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            opened.reset()
            store = opened.store()
            store.sync()
            found = facts_of(store)
            with store.reading() as connection:
                if (at := events.verify(connection)) is not None:
                    errors.append(f"the chain is broken at {at}")
            errors += store.set_aside()
        except NbmlopsError as error:
            errors.append(str(error)[:300])
        except ValueError as error:  # JSON in a damaged row: told, though not in our words
            errors.append(f"bare {type(error).__name__}: {error}"[:300])
    say("read", found, errors, [str(w.message)[:300] for w in told])


CASES = {"run": case_run, "journal": case_journal, "verify": case_verify, "read": case_read}


def in_fork(request):
    """Run a case in a fork; return its lines and how it ended."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        code = 1
        try:
            os.chdir(request["folder"])
            (Path("nbmlops.toml")).touch()
            opened.background = False
            if request.get("mode"):
                sqlite.mode = lambda path: sqlite.Mode(request["mode"], "asked")
            CASES[request["case"]](Said(write), request)
            code = 0
        except BaseException:
            os.write(write, (json.dumps(["raised", 0, [traceback.format_exc()[-1500:]]]) + "\n").encode())
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        lines = [json.loads(line) for line in pipe]
    _, status = os.waitpid(child, 0)
    return {"lines": lines, "ended": os.waitstatus_to_exitcode(status)}


def main():
    environment.actor()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for line in sys.stdin:
            print(json.dumps(in_fork(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
