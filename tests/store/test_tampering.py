"""Every way to change the audit log behind nbmlops: what is found alone, or by a head from outside only, or not.

``docs/audit.md`` lists what cannot be found; each of those has a test here too.
"""

import hashlib
import json
import subprocess
import sys
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest

import nbmlops as nb
from nbmlops.config import find_project
from nbmlops.errors import Conflict
from nbmlops.governance.audit import heads
from nbmlops.governance.audit.verify import head
from nbmlops.store import datasets, erasing, flags, models, reports, tables
from nbmlops.store.audited import FIELDS
from nbmlops.store.database import as_json
from nbmlops.store.driver import connect
from nbmlops.store.repeated import digest_of
from nbmlops.tracking import session

ANN = ("ann@example.org", "git")
EVENTS = 10
EVALUATION = "01978000-0000-7000-8000-00000000000e"
AT = "2026-03-01T00:00:00.000000+00:00"
VERSION = {
    "name": "late",
    "digest": "a1" * 32,
    "format": "skops",
    "estimator": "LogisticRegression",
    "signature": {"columns": ["a"]},
    "run_id": None,
    "owner": "ann@example.org",
    "created_at": AT,
    "metrics": {"roc_auc": 0.7},
    "evaluation": None,
    "profile": "b2" * 32,
    "environment": None,
    "size_bytes": 10,
}
ROWS = {
    "name": "flights",
    "fingerprint": "c3" * 32,
    "rows": 300,
    "columns": ["a"],
    "profile": "d4" * 32,
    "findings": [],
    "source": "flights.csv",
    "query": "",
    "run_id": None,
    "author": "ann@example.org",
    "created_at": AT,
    "digest": None,
    "size_bytes": None,
}
FLAG = {
    "flag_id": "01978000-0000-7000-8000-000000000001",
    "subject": "late@1",
    "kind": "other",
    "severity": "warning",
    "role": None,
    "owner": None,
    "author": ANN[0],
    "at": AT,
    "closed_at": None,
    "said": {"text": "odd", "question": False},
}


@pytest.fixture
def log(project):
    """Ten events, of which the last three repeat nothing in a table, and a report that knows them."""
    with session.store().atomic() as change:
        result = {"result_id": EVALUATION, "kind": "evaluation", "subject": "late", "at": AT, "data": '{"roc_auc":0.7}'}
        change.connection.execute(tables.results.insert().values(**result))
        models.add_version(change, VERSION | {"evaluation": EVALUATION}, ["numpy.dtype"], ANN)
        models.add_version(change, VERSION | {"digest": "e5" * 32}, [], ANN)
        datasets.add(change, ROWS, ANN)
        datasets.keep(change, "flights", 1, "f6" * 32, 99, ANN)
        flags.add(change, [FLAG], ANN)
        answer = {"at": AT, "author": "bob", "known_by": "git", "text": "seen", "state": "accepted"}
        flags.answer(change, FLAG["flag_id"], answer, AT, ANN)
        models.delete(change, "late", [2], "away", ANN)
        for reason in ("the first", "again", "once more"):
            models.set_alias(change, "late", "champion", 1, {"reason": reason}, ANN)
    data = {"facts": "0" * 64, "head": heads.now()}
    reports.add(session.store(), reports.Kept("run:x", 1, "run", "x", None, "x", AT, AT, "ab" * 32, data))
    return project


def sql(*statements):
    """Change the database behind nbmlops, as somebody may who can write to it; return the rows of the last."""
    with connect(find_project()) as connection, connection.writing():
        done = [connection.execute(s, v) for s, v in ((s, ()) if isinstance(s, str) else s for s in statements)]
        return done[-1].fetchall() if done and done[-1].description else []


KEPT = ("events", "meta", "model_versions", "dataset_versions", "flags", "reports", "results")


@contextmanager
def undone(case):
    """Put every table back behind a change; a failure says of which case it was."""
    before = {table: sql(f"SELECT * FROM {table}") for table in KEPT}
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{case}: {error}") from error
    finally:
        for table, found in before.items():
            insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(tables.metadata.tables[table].c))})"
            sql(f"DELETE FROM {table}", *((insert, tuple(row)) for row in found))


def rows():
    listed = ", ".join(f'"{f}"' for f in FIELDS)
    return [dict(zip(FIELDS, r, strict=True)) for r in sql(f"SELECT {listed} FROM events ORDER BY seq")]


def chain_id():
    return sql("SELECT value FROM meta WHERE key = 'chain_id'")[0][0]


def put(events):
    """Write a whole log in place of the one that is there."""
    listed, marks = ", ".join(f'"{f}"' for f in FIELDS), ", ".join("?" * len(FIELDS))
    insert = f"INSERT INTO events ({listed}) VALUES ({marks})"
    sql("DELETE FROM events", *((insert, tuple(e[f] for f in FIELDS)) for e in events))


def hashed(events, begins=None):
    """Number events anew and compute every hash, as whoever rewrites the log would."""
    previous = hashlib.sha256((begins or chain_id()).encode()).hexdigest()
    for seq, event in enumerate(events, 1):
        event |= {"seq": seq, "previous": previous}
        fields = [event[f] for f in FIELDS[:-1]]
        previous = hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()
        event["hash"] = previous
    return events


def forge(events):
    """Rewrite the log and everything of this store that would tell: the head beside it, the heads of reports."""
    put(hashed(events))
    newest = events[-1]
    sql(("UPDATE meta SET value = ? WHERE key = 'head'", (f"{newest['seq']} {newest['hash']}",)), "DELETE FROM reports")


def test_the_log_as_it_was_written_is_whole(log):
    assert nb.verify_audit().verdict == "consistent, not proven"
    found = nb.verify_audit(str(head()))
    assert (found.verdict, found.proven_to, found.events) == ("proven", EVENTS, EVENTS)


OTHER = {"seq": 99, "data": '{"version":7}', "previous": "0" * 64, "hash": "1" * 64, "at": "2020-01-01T00:00:00+00:00"}


def test_an_edited_event_is_found_where_it_is(log):
    for field, seq in [*product(FIELDS, [4]), *product(("data", "previous", "hash"), (1, EVENTS))]:
        with undone((field, seq)):
            held = str(head())
            sql((f'UPDATE events SET "{field}" = ? WHERE seq = ?', (OTHER.get(field, "eve"), seq)))
            for given in (None, held):
                found = nb.verify_audit(given)
                assert found.verdict == "broken"
                assert found.broken_at == seq
                assert found.what.startswith("it was edited" if field != "seq" else "it is missing")


def test_a_removed_event_is_found(log):
    for seq in (1, 4, EVENTS):
        with undone(seq):
            held = str(head())
            sql(("DELETE FROM events WHERE seq = ?", (seq,)))
            for given in (None, held):
                found = nb.verify_audit(given)
                assert (found.verdict, found.broken_at) == ("broken", seq)
                assert found.what.startswith("it is missing")


def test_an_inserted_event_is_found(log):
    """Between others with the numbers behind it moved; with a hash of its own that fits, and without."""
    for place, own_hash in product((0, 3, EVENTS), (False, True)):
        with undone((place, own_hash)):
            held, there = str(head()), rows()
            new = {**there[3], "actor": "eve"}
            if own_hash:
                new = hashed([*map(dict, there[:place]), new])[-1]
            put(renumbered([*there[:place], new, *there[place:]]))
            for given in (None, held):
                found = nb.verify_audit(given)
                assert found.verdict == "broken"
                assert found.broken_at in (place + 1, place + 2)


def renumbered(events):
    return [{**e, "seq": seq} for seq, e in enumerate(events, 1)]


def test_moved_events_are_found(log):
    for swapped, numbers in product([(1, 2), (4, 5), (2, EVENTS)], (True, False)):
        with undone((swapped, numbers)):
            held, there = str(head()), rows()
            one, two = (n - 1 for n in swapped)
            there[one], there[two] = there[two], there[one]
            put(
                renumbered(there)
                if numbers
                else [{**e, **{f: o[f] for f in ("seq", "previous")}} for e, o in zip(there, rows(), strict=True)]
            )
            for given in (None, held):
                found = nb.verify_audit(given)
                assert (found.verdict, found.broken_at) == ("broken", swapped[0])


def test_a_log_cut_at_its_end_is_found(log):
    for kept in (0, 3, EVENTS - 1):
        with undone(kept):
            held = str(head())
            sql(("DELETE FROM events WHERE seq > ?", (kept,)))
            for given in (None, held):
                found = nb.verify_audit(given)
                assert (found.verdict, found.broken_at) == ("broken", kept + 1)


def test_a_cut_with_all_that_tells_of_it_is_found_by_a_head_from_outside_only(log):
    for kept in (7, EVENTS - 1):
        with undone(kept):
            held = str(head())
            forge(rows()[:kept])
            assert nb.verify_audit().verdict == "consistent, not proven"
            found = nb.verify_audit(held)
            assert (found.verdict, found.broken_at) == ("broken", kept + 1)
            assert found.what == f"it is missing: the head that was given knows event {EVENTS}"


def test_a_log_written_again_is_found_by_a_head_from_outside_only(log):
    for seq in (1, 8, EVENTS):
        with undone(seq):
            held, early, there = str(head()), f"5:{rows()[4]['hash']}", rows()
            there[seq - 1]["actor"] = "eve"
            forge(there)
            assert nb.verify_audit().verdict == "consistent, not proven"
            found = nb.verify_audit([held, early])
            assert (found.verdict, found.broken_at) == ("broken", 5 if seq <= 5 else EVENTS)
            assert "written again" in found.what
            assert found.proven_to == (0 if seq <= 5 else 5)


def test_a_log_written_again_without_its_reports_is_found_by_them(log):
    for seq in (1, 8):
        with undone(seq):
            there = rows()
            there[seq - 1]["actor"] = "eve"
            put(hashed(there))
            sql(("UPDATE meta SET value = ? WHERE key = 'head'", (f"{EVENTS} {there[-1]['hash']}",)))
            found = nb.verify_audit()
            assert (found.verdict, found.broken_at) == ("broken", EVENTS)
            assert "report 1 of x, kept here" in found.what


def test_an_event_added_behind_the_last_with_a_fitting_hash_is_found_by_the_head_beside(log):
    there = rows()
    put(hashed([*there, {**there[-1], "actor": "eve"}]))
    found = nb.verify_audit()
    assert (found.verdict, found.broken_at) == ("broken", EVENTS + 1)
    assert found.what.startswith("it was not added by nbmlops")


def test_an_event_added_behind_the_last_with_the_head_beside_is_not_found(log):
    """Not found by any head: it says what was before. Who may write to the store may add events."""
    held, there = str(head()), rows()
    forge([*there, {**there[-1], "actor": "eve"}])
    assert nb.verify_audit().verdict == "consistent, not proven"
    found = nb.verify_audit(held)
    assert (found.verdict, found.proven_to, found.events) == ("proven", EVENTS, EVENTS + 1)


def test_the_log_of_another_project_is_found(log):
    """With its own id it is consistent; a head of this project refuses it."""
    held, there = str(head()), rows()
    other = "01978000-0000-7000-8000-00000000beef"
    put(hashed(there, begins=other))
    assert nb.verify_audit().broken_at == 1
    sql(
        ("UPDATE meta SET value = ? WHERE key = 'chain_id'", (other,)),
        ("UPDATE meta SET value = ? WHERE key = 'head'", (f"{EVENTS} {there[-1]['hash']}",)),
    )
    assert nb.verify_audit().verdict == "consistent, not proven"
    assert nb.verify_audit(held).verdict == "broken"


META = [
    ("UPDATE meta SET value = 'x' WHERE key = 'chain_id'", 1),
    ("UPDATE meta SET value = '9 0000' WHERE key = 'head'", 9),
    (f"UPDATE meta SET value = '{EVENTS + 1} 0000' WHERE key = 'head'", EVENTS + 1),
    ("DELETE FROM meta WHERE key = 'head'", None),
]


def test_what_is_kept_beside_the_log_is_held_against_it(log):
    """Without the head beside it nothing is missed: the last line of the table in docs/audit.md."""
    for statement, at in META:
        with undone(statement):
            sql(statement)
            found = nb.verify_audit()
            assert (found.verdict, found.broken_at) == ("broken" if at else "consistent, not proven", at)


UNSAID = {  # what no event says of a row: it may be changed and nobody sees it
    "dataset_versions": ("name", "version", "size_bytes"),
    "flags": ("flag_id",),
}
REPEATED = {
    "model_versions": [c for c in tables.model_versions.c.keys() if c not in ("name", "version")],  # noqa: SIM118
    "dataset_versions": [c for c in tables.dataset_versions.c.keys() if c not in UNSAID["dataset_versions"]],  # noqa: SIM118
    "flags": [c for c in tables.flags.c.keys() if c not in UNSAID["flags"]],  # noqa: SIM118
    "results": ("data",),
}
KEYS = {"results": EVALUATION, "model_versions": "late@1", "dataset_versions": "flights@1", "flags": FLAG["flag_id"]}
WHERE = {"flags": "1 = 1", "results": "1 = 1"}
NUMBERS = ("rows", "version", "size_bytes")


def edited(table, column):
    value = 7 if column in NUMBERS else "x"
    if (table, column) == ("flags", "data"):
        value = '{"said":{"text":"fine"},"thread":[]}'
    return f'UPDATE {table} SET "{column}" = ? WHERE {WHERE.get(table, "version = 1")}', (value,)


def test_a_row_that_is_not_what_its_event_says_is_found(log):
    for table, column in [(t, c) for t, columns in REPEATED.items() for c in columns]:
        with undone((table, column)):
            held = str(head())
            sql(edited(table, column))
            for given in (None, held):
                found = nb.verify_audit(given)
                assert (found.verdict, found.broken_at, found.where) == ("broken", None, f"{table} {KEYS[table]}")


def test_a_row_that_was_removed_is_found(log):
    for table in REPEATED:
        with undone(table):
            sql(f"DELETE FROM {table} WHERE {WHERE.get(table, 'version = 1')}")
            found = nb.verify_audit()
            assert (found.verdict, found.where) == ("broken", f"{table} {KEYS[table]}")


def test_a_row_that_no_event_made_is_found(log):
    for table in ("model_versions", "dataset_versions", "flags"):
        with undone(table):
            columns = [c for c in tables.metadata.tables[table].c.keys() if c not in ("version", "flag_id")]  # noqa: SIM118
            listed = ", ".join(f'"{c}"' for c in columns)
            key, value = ("flag_id", "'other'") if table == "flags" else ("version", "9")
            copy = f"SELECT {value}, {listed} FROM {table} WHERE {WHERE.get(table, 'version = 1')}"
            sql(f"INSERT INTO {table} ({key}, {listed}) {copy}")
            found = nb.verify_audit()
            assert found.verdict == "broken"
            assert found.where in (f"{table} {KEYS[table].partition('@')[0]}@9", "flags other")


def test_a_deleted_version_that_was_shown_again_without_an_event_is_found(log):
    sql("UPDATE model_versions SET deleted_at = NULL WHERE version = 2")
    assert nb.verify_audit().where == "model_versions late@2"


def test_what_was_erased_by_an_event_is_not_missed(log):
    """The event names the hashes of what is gone; what it does not name is missed all the same."""
    before = digest_of('{"roc_auc":0.7}')
    with session.store().atomic() as change:
        change.event("erase", "results", {"rows": 1, "digests_before": [before]}, ANN)
    sql("UPDATE results SET data = '{}'")
    assert nb.verify_audit().verdict == "consistent, not proven"
    sql("DELETE FROM results")
    assert nb.verify_audit().verdict == "consistent, not proven"
    sql("UPDATE model_versions SET metrics = '{}' WHERE version = 1")
    assert nb.verify_audit().where == "model_versions late@1"


def test_an_erasing_excuses_the_digests_it_names_in_the_columns_it_changes_alone(log):
    """Not others that are a part of its text, not another table's, and not a row that went."""
    with session.store().atomic() as change:
        about = {"rows": 300, "digests_before": ["f6" * 32], "why": "flights.csv"}
        change.event("erase", "dataset", about, ANN)
        change.event("erase", "feedback", {"rows": 1, "digests_before": ["c3" * 32, digest_of('{"roc_auc":0.7}')]}, ANN)
    held = str(head())
    sql("UPDATE dataset_versions SET digest = 'other'")  # the file that was put in its place
    assert nb.verify_audit(held).verdict == "proven"
    changes = ("rows = 9000000", "rows = 3", "source = 'evil'", "fingerprint = 'x'")
    for change in changes:
        with undone(change):
            sql(f"UPDATE dataset_versions SET {change}")
            assert nb.verify_audit(held).where == "dataset_versions flights@1"
    gone = ("DELETE FROM dataset_versions", "dataset_versions flights@1")
    for change, where in (gone, ("UPDATE results SET data = '{}'", f"results {EVALUATION}")):
        with undone(change):
            sql(change)
            assert nb.verify_audit(held).where == where


def promoted(reason):
    with session.store().atomic() as change:
        models.set_alias(change, "late", "champion", 1, {"reason": reason, "evaluation": EVALUATION}, ANN)


def test_a_result_that_was_changed_is_no_evidence_again(log):
    promoted("as it was")
    sql("""UPDATE results SET data = '{"roc_auc":0.99}'""")
    for _ in range(2):
        with pytest.raises(Conflict, match=r"is not the one that event 1 rests on: it was changed since"):
            promoted("forged")
        with session.store().atomic() as change, pytest.raises(Conflict, match="changed since"):
            models.add_version(change, VERSION | {"evaluation": EVALUATION, "digest": "d9" * 32}, [], ANN)
    assert nb.verify_audit().where == f"results {EVALUATION}"


def test_an_event_that_names_a_result_anew_does_not_launder_it(log):
    """As a program would that does not ask: the row is what the last event says, and the first says otherwise."""
    forged = '{"roc_auc":0.99}'
    sql(("UPDATE results SET data = ?", (forged,)))
    with session.store().atomic() as change:
        about = {"version": 1, "from": 1, "reason": "x", "results": {EVALUATION: digest_of(forged)}}
        change.event("alias", "late@champion", about, ANN)
    found = nb.verify_audit(str(head()))
    assert (found.verdict, found.where) == ("broken", f"results {EVALUATION}")
    assert found.what == f"events 1 and {EVENTS + 1} do not say the same digest of it"


def test_a_second_event_of_a_row_does_not_launder_it(log):
    cases = (
        ("register", "late@1", {"digest": "d9" * 32}, "UPDATE model_versions SET digest = '%s' WHERE version = 1"),
        ("dataset", "flights@1", {"fingerprint": "d9" * 32}, "UPDATE dataset_versions SET fingerprint = '%s'"),
        ("dataset_kept", "flights@1", {"digest": "d9" * 32}, "UPDATE dataset_versions SET digest = '%s'"),
    )
    for action, subject, about, statement in cases:
        with undone(action):
            sql(statement % ("d9" * 32))
            with session.store().atomic() as change:
                change.event(action, subject, about, ANN)
            found = nb.verify_audit(str(head()))
            assert (found.verdict, found.where.endswith(subject)) == ("broken", True)
            assert "do not say the same" in found.what


def test_what_no_event_says_is_not_seen(log):
    """Listed in docs/audit.md: columns no event names, runs, metrics, predictions, feedback, files."""
    for table, columns in UNSAID.items():
        for column in columns:
            if column not in ("name", "version", "flag_id"):
                with undone((table, column)):
                    sql(edited(table, column))
                    assert nb.verify_audit().verdict == "consistent, not proven"
    with session.run("forest"):
        session.log(loss=0.5)
    nb.runs()
    held = str(head())
    sql("UPDATE runs SET author = 'eve'", "UPDATE points SET value = 0.1", "UPDATE series SET value = 0.1")
    assert nb.verify_audit(held).verdict == "proven"
    for column in ("run_id", "kind", "subject", "at"):
        sql(f"UPDATE results SET {column} = 'x'")
    assert nb.verify_audit(held).verdict == "proven"
    nb.report("forest")
    sql("UPDATE reports SET title = 'x', number = 7, name = 'y', made_at = 'z'")
    assert nb.verify_audit(held).verdict == "proven"


def test_what_an_erased_flag_concerned_is_not_seen(log):
    """Its words were hashed, and they are gone; the flag itself and what became of it are held against the log."""
    with session.store().atomic() as change:
        erasing.flag(change, FLAG["flag_id"], flags.find(change.connection, FLAG["flag_id"])["data"])
        change.event("erase", "flags", {"rows": 1, "digests_before": [digest_of(as_json(FLAG["said"]))]}, ANN)
    held = str(head())
    sql("UPDATE flags SET data = replace(data, 'text', 'of')")
    assert nb.verify_audit(held).verdict == "proven"
    for change in ("severity = 'low'", "state = 'dismissed'", "subject = 'late@2'", "author = 'eve'"):
        with undone(change):
            sql(f"UPDATE flags SET {change}")
            assert nb.verify_audit(held).where == f"flags {FLAG['flag_id']}"
    sql("DELETE FROM flags")
    assert nb.verify_audit(held).where == f"flags {FLAG['flag_id']}"


def test_a_row_of_an_export_that_says_less_than_its_event_is_found(log):
    nb.export_audit("audit")
    path = Path("audit/tables.jsonl")
    rows = path.read_text(encoding="utf-8")
    for field in ("digest", "owner", "rest", "deleted"):
        told = [json.loads(line) for line in rows.splitlines()]
        less = [{k: v for k, v in row.items() if (row["table"], k) != ("model_versions", field)} for row in told]
        path.write_text("".join(json.dumps(row) + "\n" for row in less), encoding="utf-8")
        done = subprocess.run([sys.executable, "audit/verify.py"], capture_output=True, text=True, check=False)
        assert (done.returncode, f"its {field} is not what" in done.stdout) == (3, True), done.stdout
