"""A store of an older nbmlops becomes one of this, whole or not at all, and once."""

import json
import math
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from nbmlops import __version__
from nbmlops.config import find_project
from nbmlops.errors import Conflict
from nbmlops.store import events, predictions, runs, sqlite
from nbmlops.store.database import Store
from nbmlops.store.executions import executions_of
from nbmlops.store.migrations import migrate
from nbmlops.store.schema import SCHEMA
from nbmlops.tracking import session

AT = "2024-05-01T10:00:0{}.250000+00:00"
RUNS = [  # one that arrived later had started earlier
    {"run_id": "b", "experiment": "e", "name": "n", "kind": "script", "status": "finished", "started_at": AT.format(2)},
    {"run_id": "a", "experiment": "e", "name": "m", "kind": "cell", "status": "failed", "started_at": AT.format(1)},
]
PARAMS = [
    {"run_id": "a", "name": "C", "value": "0.5", "origin": "set"},
    {"run_id": "a", "name": "deep", "value": '{"x":[1,null,"é"]}', "origin": "logged"},
    {"run_id": "b", "name": "C", "value": '"text"', "origin": "assigned"},
]
TAGS = [{"run_id": "a", "name": "who", "value": "me"}, {"run_id": "late", "name": "who", "value": "you"}]
METRICS = [  # run, name, value, special, step, context, at
    ("a", "loss", 0.5, None, 1, "{}", AT.format(1)),
    ("a", "loss", None, "NaN", 2, "{}", AT.format(2)),
    ("a", "loss", 0.25, None, None, '{"split":"test"}', AT.format(3)),
    ("b", "gain", None, "Infinity", None, "{}", AT.format(4)),
    ("b", "gain", None, "-Infinity", 2**40, "{}", "no time"),
    ("b", "loss", 1e-300, None, 0, "{}", AT.format(5)),
]
BIG = 3000


def old_store(rows=METRICS):
    """Make a store of schema 1 at the project's address."""
    store = Store(find_project())
    store.project.home.mkdir(exist_ok=True)
    with plain(store) as connection:
        migrate(connection, 0, until=1)
        fill(connection, "meta", [{"key": "chain_id", "value": "the chain"}])
        fill(connection, "runs", RUNS)
        fill(connection, "params", PARAMS)
        fill(connection, "tags", TAGS)
        names = ("run_id", "name", "value", "special", "step", "context", "at")
        fill(connection, "metrics", [dict(zip(names, row, strict=True)) for row in rows])
        events.append(connection, "advice", "row 1", "{}", ("me", "os"))
        connection.exec_driver_sql("DELETE FROM meta WHERE key = 'head'")  # stores of then did not keep it
        version = {"name": "m", "version": 1, "digest": "d", "format": "skops", "estimator": "e", "signature": "{}"}
        version |= {"owner": "me", "created_at": AT.format(1), "metrics": "{}", "trusted": "[]", "size_bytes": 5}
        fill(connection, "model_versions", [version])
    return store


@contextmanager
def plain(store):
    """Open a transaction on a store's database that makes nothing and migrates nothing."""
    engine = store._sqlite(store.path) if store.path else store._postgres()
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def fill(connection, table, rows):
    columns = [sa.column(name) for name in rows[0]]
    connection.execute(sa.table(table, *columns).insert(), rows)


def shape(connection):
    """Return everything a database says of its tables, in a form that can be compared."""
    found = sa.inspect(connection)
    described = {}
    for table in sorted(found.get_table_names()):
        described[table] = {
            "columns": [
                (c["name"], str(c["type"]), c["nullable"], c["default"], c.get("autoincrement"))
                for c in found.get_columns(table)
            ],
            "key": found.get_pk_constraint(table),
            "unique": sorted(map(str, found.get_unique_constraints(table))),
            "indexes": sorted(map(_index, found.get_indexes(table))),
            "foreign": found.get_foreign_keys(table),
        }
    described["views"] = {name: found.get_view_definition(name) for name in found.get_view_names()}
    if connection.dialect.name == "sqlite":
        without = "SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%'"
        described["without rowid"] = sorted(connection.exec_driver_sql(without).scalars())
    return described


def _index(index):
    """Return an index as text, its condition as SQL."""
    options = {k: str(v) for k, v in index.get("dialect_options", {}).items()}
    return str({**index, "dialect_options": options})


@pytest.fixture
def migrated(project):
    store = old_store()
    with pytest.warns(RuntimeWarning, match=f"schema 1 and is brought to schema {SCHEMA}"):
        store.engine  # noqa: B018
    return store


def rows(store, query):
    with store.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_a_new_store_is_what_the_migrations_make(migrated, tmp_path, monkeypatch, request):
    with migrated.reading() as connection:
        by_steps = shape(connection)
    if migrated.path:
        monkeypatch.setenv("NBMLOPS_HOME", str(tmp_path / "new"))
    else:
        monkeypatch.setenv(
            "NBMLOPS_STORE", request.getfixturevalue("postgres")(request.node.callspec.params["database"])
        )
    with Store(find_project()).reading() as connection:
        whole = shape(connection)
    assert by_steps == whole
    assert len(whole["views"]) == 4


def test_runs_are_numbered_by_their_start(migrated):
    found = rows(migrated, "SELECT no, run_id, experiment, status FROM runs ORDER BY no")
    assert found == [(1, "a", "e", "failed"), (2, "b", "e", "finished"), (3, "late", None, None)]


def test_params_and_tags_are_folded_into_their_run(migrated):
    found = {run: (params, tags) for run, params, tags in rows(migrated, "SELECT run_id, params, tags FROM runs")}
    assert json.loads(found["a"][0]) == {"C": [0.5, "set"], "deep": [{"x": [1, None, "é"]}, "logged"]}
    assert json.loads(found["b"][0]) == {"C": ["text", "assigned"]}
    assert json.loads(found["a"][1]) == {"who": "me"}
    assert json.loads(found["late"][1]) == {"who": "you"}
    assert found["b"][1] is None


def test_metrics_become_series_with_points(migrated):
    second = 1714557600.25
    newest = rows(migrated, "SELECT run, name, context, count, value, step, at FROM series ")
    assert sorted(newest, key=lambda row: row[:3]) == [
        (1, "loss", '{"split":"test"}', 1, 0.25, None, second + 3),
        (1, "loss", "{}", 2, None, 2, second + 2),
        (2, "gain", "{}", 2, -math.inf, 2**40, second + 4),
        (2, "loss", "{}", 1, 1e-300, 0, second + 5),
    ]
    query = (
        "SELECT run, name, place, p.value, p.step, p.at FROM points p JOIN series ON series = id WHERE context = '{}'"
    )
    assert sorted(rows(migrated, query), key=lambda row: row[:3]) == [
        (1, "loss", 0, 0.5, 1, second + 1),
        (1, "loss", 1, None, 2, second + 2),
        (2, "gain", 0, math.inf, None, second + 4),
        (2, "gain", 1, -math.inf, 2**40, second + 4),
        (2, "loss", 0, 1e-300, 0, second + 5),
    ]


def test_the_order_of_arrival_is_kept(project):
    store = old_store([("b", n, 1.0, None, 0, "{}", AT.format(1)) for n in ("zeta", "alpha", "zeta", "mid")])
    with plain(store) as connection:
        fill(connection, "params", [{"run_id": "b", "name": n, "value": "1", "origin": "set"} for n in ("Z", "A")])
    with pytest.warns(RuntimeWarning, match="schema 1"):
        assert [name for (name,) in rows(store, "SELECT name FROM series ORDER BY id")] == ["zeta", "alpha", "mid"]
    ((params,),) = rows(store, "SELECT params FROM runs WHERE run_id = 'b'")
    assert list(json.loads(params)) == ["C", "Z", "A"]


@pytest.mark.sqlite
def test_what_a_migration_left_free_is_said_where_it_is_worth_it(project, monkeypatch):
    monkeypatch.setattr("nbmlops.store.database.WORTH_A_WORD", 1)
    store = old_store([("b", "loss", 1.0, None, i, "{}", AT.format(1)) for i in range(5000)])
    with pytest.warns(RuntimeWarning, match="free now; to give them back: nbmlops store gc --vacuum --yes"):
        store.engine  # noqa: B018


def test_a_store_of_schema_2_gets_the_table_of_executions_and_keeps_the_rest(project):
    store = old_store()
    with plain(store) as connection:
        migrate(connection, 1, until=2)
        before = contents(connection)
    with pytest.warns(RuntimeWarning, match=f"schema 2 and is brought to schema {SCHEMA}"):
        assert rows(store, "SELECT count(*) FROM executions") == [(0,)]
    with store.reading() as connection:
        after = contents(connection)
    assert {t: after[t] for t in before if t != "meta"} == {t: before[t] for t in before if t != "meta"}
    event = {"t": "execution", "kernel": "k", "number": 1, "run_id": "a", "cell_id": None, "notebook": None}
    event |= {
        "digest": "0" * 64,
        "reads": ["df"],
        "writes": [],
        "mutates": [],
        "status": "finished",
        "at": AT.format(1),
    }
    session.write(event)
    assert executions_of(session.store(), "k")[0]["reads"] == ("df",)


def test_every_run_is_to_be_indexed_again(migrated):
    assert rows(migrated, "SELECT run FROM stale ORDER BY run") == [(1,), (2,), (3,)]


def test_the_chain_and_the_models_stay(migrated):
    with migrated.reading() as connection:
        assert events.verify(connection) is None
        assert len(events.listed(connection)) == 1
    assert rows(migrated, "SELECT name, version, deleted_at FROM model_versions") == [("m", 1, None)]
    meta = dict(rows(migrated, "SELECT key, value FROM meta"))
    assert meta == {"schema": str(SCHEMA), "chain_id": "the chain", "written_by": __version__}


def test_many_points_are_moved_in_batches(project):
    many = [("a", "loss", float(i), None, i, "{}", AT.format(1)) for i in range(12_345)]
    store = old_store(many)
    with pytest.warns(RuntimeWarning, match="schema 1"):
        assert rows(store, "SELECT count(*), sum(value), max(place) FROM points") == [(12_345, 76193340.0, 12_344)]


@pytest.mark.sqlite
def test_a_copy_of_the_store_as_it_was_stays(migrated):
    (copy,) = (migrated.project.home / "backups").iterdir()
    assert copy.name.startswith("store-schema1-")
    connection = sqlite.connect(copy)
    assert connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == ("1",)
    assert connection.execute("SELECT count(*) FROM metrics").fetchone() == (len(METRICS),)
    connection.close()


def test_several_processes_that_start_at_once_migrate_once(project):
    store = old_store()
    code = (
        "import sys; from nbmlops.config import find_project; from nbmlops.store.database import Store\n"
        "sys.stdin.read(1)\n"
        "with Store(find_project()).reading() as c: print(c.exec_driver_sql('SELECT count(*) FROM points').scalar())"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([sys.executable, "-c", code], cwd=project, **pipes) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda process: process.communicate("x"), started))
    assert [out for out, _ in answers] == [f"{len(METRICS)}\n"] * 4, answers
    assert sum("is brought to schema" in err for _, err in answers) == 1
    if store.path:
        assert len(list((store.project.home / "backups").iterdir())) == 1


DYING = """
import os, signal, sqlalchemy as sa
from nbmlops.config import find_project
from nbmlops.store.database import Store
left = {k}
@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def count(connection, cursor, statement, *_):
    global left
    if statement.startswith(("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE")):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
Store(find_project()).engine
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_a_migration_that_is_killed_leaves_the_old_store_whole(project):
    store = old_store()
    with plain(store) as connection:
        before = shape(connection), contents(connection)
    for k in range(1, 100, 4):
        tried = subprocess.run([sys.executable, "-c", DYING.format(k=k)], cwd=project, capture_output=True, text=True)
        if tried.returncode == 0:  # fewer than k statements: it came to its end
            break
        assert tried.returncode == -signal.SIGKILL, (k, tried)
        with plain(store) as connection:
            assert (shape(connection), contents(connection)) == before, k
    assert k > 20
    assert rows(store, "SELECT count(*) FROM points") == [(len(METRICS),)]


def contents(connection):
    tables = sa.inspect(connection).get_table_names()
    return {t: sorted(map(str, connection.exec_driver_sql(f'SELECT * FROM "{t}"').fetchall())) for t in tables}


@pytest.mark.sqlite
def test_a_big_store_that_is_killed_while_it_spills_to_disk_is_whole(project):
    """More than SQLite's cache holds is written to the file before the commit; the rollback journal undoes it."""
    text = "x" * 1000
    store = old_store([("a", "loss", float(i), None, i, f'{{"k":"{text}{i}"}}', AT.format(1)) for i in range(BIG)])
    died = subprocess.run([sys.executable, "-c", DYING.format(k=25)], cwd=project, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died
    assert any(Path(f"{store.path}{side}").exists() for side in ("-journal", "-wal"))
    connection = sqlite.connect(store.path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == ("1",)
    assert connection.execute("SELECT count(*) FROM metrics").fetchone() == (BIG,)
    connection.close()


def test_a_newer_store_is_refused_with_the_version_to_install(project):
    store = Store(find_project())
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE meta SET value = '99' WHERE key = 'schema'")
        connection.exec_driver_sql("UPDATE meta SET value = '7.5' WHERE key = 'written_by'")
    store.engine.dispose()
    with pytest.raises(
        Conflict, match=r"schema 99, of nbmlops 7\.5.*pip install -U 'nbmlops>=7\.5'.*restart this kernel"
    ):
        Store(find_project()).engine  # noqa: B018


def test_a_database_of_something_else_is_left_alone(project):
    store = Store(find_project())
    store.project.home.mkdir(exist_ok=True)
    with plain(store) as connection:
        connection.exec_driver_sql("CREATE TABLE meta (key VARCHAR(40) PRIMARY KEY, value TEXT)")
    with pytest.raises(Conflict, match="not of nbmlops"):
        store.engine  # noqa: B018
    with plain(store) as connection:
        assert sa.inspect(connection).get_table_names() == ["meta"]


@pytest.mark.sqlite
def test_alembic_is_loaded_only_to_migrate(project):
    code = (
        "import sys, warnings; from nbmlops.config import find_project; from nbmlops.store.database import Store\n"
        "warnings.simplefilter('ignore'); Store(find_project()).engine; print('alembic' in sys.modules)"
    )
    said = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout]
    Store(find_project()).path.unlink()
    old_store()
    said += [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)]
    assert said == ["False\n", "True\n", "False\n"]


@pytest.mark.sqlite
def test_the_statements_of_a_new_store_are_those_of_its_tables(project):
    import sys

    sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
    try:
        from make_schema import script
    finally:
        sys.path.pop(0)
    from nbmlops.store import fresh

    assert ";\n\n".join(fresh.statements()) + ";\n" == script(), "type: make docs"


@pytest.mark.sqlite
def test_a_new_store_is_made_without_sqlalchemy(project):
    code = """
import sys
import nbmlops as nb
from nbmlops.tracking import session
with nb.run("first"):
    nb.log(loss=1.0)
assert session.drain(30)
assert not {"sqlalchemy", "alembic", "pandas"} & set(sys.modules), sorted(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True)
    assert done.stderr == ""
    assert [r["experiment"] for r in runs.summaries(session.store())] == ["first"]


def test_a_store_of_schema_3_gets_the_table_of_dataset_versions_and_keeps_the_rest(project):
    store = old_store()
    with plain(store) as connection:
        migrate(connection, 1, until=3)
        before = contents(connection)
    with pytest.warns(RuntimeWarning, match=f"schema 3 and is brought to schema {SCHEMA}"):
        assert rows(store, "SELECT count(*) FROM dataset_versions") == [(0,)]
    with store.reading() as connection:
        after = contents(connection)
    assert {t: after[t] for t in before if t != "meta"} == {t: before[t] for t in before if t != "meta"}


def test_a_store_of_schema_4_gets_the_tables_of_monitoring_and_keeps_the_rest(project):
    store = old_store()
    with plain(store) as connection:
        migrate(connection, 1, until=4)
        before = contents(connection)
    with pytest.warns(RuntimeWarning, match=f"schema 4 and is brought to schema {SCHEMA}"):
        assert [rows(store, f"SELECT count(*) FROM {t}") for t in ("observations", "episodes", "alerts")] == [
            [(0,)]
        ] * 3
    with store.reading() as connection:
        after = contents(connection)
    assert {t: after[t] for t in before if t != "meta"} == {t: before[t] for t in before if t != "meta"}


def test_a_store_of_schema_5_gets_the_ledger_and_keeps_the_rest(project):
    store = old_store()
    with plain(store) as connection:
        migrate(connection, 1, until=5)
        before = contents(connection)
    with pytest.warns(RuntimeWarning, match=f"schema 5 and is brought to schema {SCHEMA}"):
        assert {rows(store, f"SELECT count(*) FROM {t}")[0] for t in ("work", "attempts", "schedules", "ticks")} == {
            (0,)
        }
    with store.reading() as connection:
        after = contents(connection)
    assert {t: after[t] for t in before if t != "meta"} == {t: before[t] for t in before if t != "meta"}


def test_predictions_of_schema_6_become_blocks_of_one_and_feedback_outcomes(project):
    store = old_store()
    with plain(store) as connection:
        migrate(connection, 1, until=6)
        said = {"model": "m", "version": 1, "at": AT.format(1), "batch": "may", "value": '"late"', "probability": 0.75}
        insert = sa.text(
            "INSERT INTO predictions (prediction_id, model, version, at, batch, value, probability) "
            "VALUES (:id, :model, :version, :at, :batch, :value, :probability)"
        )
        ids = ["019a0000-0000-7000-8000-00000000000b", "019a0000-0000-7000-8000-0000000000ff"]
        connection.execute(insert, [{**said, "id": i} for i in ids])
        connection.execute(
            sa.text("INSERT INTO feedback (prediction_id, outcome, source, at) VALUES (:id, 'true', 'outcome', 'x')"),
            {"id": ids[0]},
        )
    with pytest.warns(RuntimeWarning, match=f"schema 6 and is brought to schema {SCHEMA}"):
        found = predictions.blocks(store, "m")
    assert [(b.prediction_id, b.rows, b.inputs) for b in found] == [(i, 1, False) for i in ids]
    assert found[0].data == {"value": ["late"], "probability": [0.75]}
    assert predictions.known(store, [*ids, "019a0000-0000-7000-8000-00000000000c"]) == set(ids)
    assert [f["kind"] for f in predictions.feedback_of(store, "m")] == ["outcome"]
    assert predictions.periods(store, "m") == [
        {"batch": "may", "first_at": AT.format(1), "last_at": AT.format(1), "known": 1}
    ]


@pytest.mark.parametrize(("schema", "table"), [(7, "reports"), (8, "flags")])
def test_a_store_of_before_gets_a_new_table_and_keeps_the_rest(project, schema, table):
    store = old_store()
    with plain(store) as connection:
        migrate(connection, 1, until=schema)
        before = contents(connection)
    with pytest.warns(RuntimeWarning, match=f"schema {schema} and is brought to schema {SCHEMA}"):
        assert rows(store, f"SELECT count(*) FROM {table}") == [(0,)]
    with store.reading() as connection:
        after = contents(connection)
        assert sa.inspect(connection).get_indexes(table)
    assert {t: after[t] for t in before if t != "meta"} == {t: before[t] for t in before if t != "meta"}
