"""One notebook over many rows: the parent, the rows' runs, partial failure, going on, and the three surfaces."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner
from nbformat import v4, write

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Conflict, Invalid, NotFound, Unavailable
from nbmlops.jobs.works import drive, executors
from nbmlops.jobs.works.fan import Fan, fan_out, run_notebooks
from nbmlops.jobs.works.rows import Row
from nbmlops.store import ledger
from nbmlops.tracking import session
from waiting import until

PARAMETERS = "n: int = 1\nrate = 0.5\nfail_at: int | None = None"
BODY = """\
from pathlib import Path
import nbmlops as nb
with Path(f"ran {n}").open("a") as file:
    file.write("x")
if n == fail_at and not Path("mended").exists():
    raise ValueError(f"no flights in month {n}")
nb.log(score=n * rate)
"""


@pytest.fixture
def flights(project):
    """A notebook of two cells with parameters."""
    cells = [v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), v4.new_code_cell(BODY)]
    write(v4.new_notebook(cells=cells), project / "flights.ipynb")
    return project / "flights.ipynb"


class Nowhere:
    """An executor that carries a claim out in this process, or fails to."""

    url = "here"

    def __init__(self, away=0):
        self.away, self.done = away, 0

    def free(self):
        if self.away > 0:
            self.away -= 1
            raise Unavailable("It is away.")
        return 1

    def submit(self, claim):
        from nbmlops.jobs.works.attempt import carry_out
        from nbmlops.jobs.works.worker import silent

        self.done += 1
        carry_out(claim, progress=silent)
        return executors.Handle(claim, done=True)

    def wait(self, handles, timeout_s=None):
        return list(handles)

    def cancel(self, handle):
        handle.done = True

    def close(self):
        pass


def ran(project):
    return {p.name: len(p.read_text()) for p in project.glob("ran *")}


def silent(*_):
    pass


def test_rows_become_runs_under_one_parent_and_failures_are_told(flights, project, capfd):
    told = []
    rows = [{"n": 1}, {"n": 2}, {"n": 3}]
    fan = run_notebooks(flights, rows, {"fail_at": 2, "rate": 0.1}, "local:2", progress=lambda *t: told.append(t))
    assert (fan.status, fan.total, len(fan.finished), len(fan.failed)) == ("failed", 3, 2, 1)
    assert [r["state"] for r in fan.rows] == ["finished", "failed", "finished"]
    assert fan.failed[0]["why"] == "ValueError: no flights in month 2 (cell 3)"
    parent = nb.get_run(fan.run_id)
    assert (parent.kind, parent.status, parent.cause, parent.experiment) == ("search", "failed", "error", "flights")
    assert {k: parent.tags[k] for k in ("total", "finished", "failed", "key")} == {
        "total": "3",
        "finished": "2",
        "failed": "1",
        "key": fan.key,
    }
    assert sorted((c.params["n"], c.status, c.kind) for c in parent.children) == [
        *((1, "finished", "notebook"), (2, "failed", "notebook"), (3, "finished", "notebook")),
    ]
    assert [r["metrics"].get("score") for r in fan.rows] == [0.1, None, pytest.approx(0.3)]
    frame = fan.to_frame()
    assert list(frame["params.n"]) == [1, 2, 3]
    assert frame["metrics.score"].notna().tolist() == [True, False, True]
    assert list(nb.runs()["run_id"]) == [fan.run_id]
    assert {r["name"] for r in nb.compare(parent.children).rows} >= {"params.n", "metrics.score"}
    assert told[0][:3] == ("flights.ipynb", 0, 3)
    assert told[-1] == ("flights.ipynb", 3, 3, "1 failed")
    assert "unknown parameter" not in capfd.readouterr().err


def test_the_same_key_goes_on_and_does_nothing_twice(flights, project):
    rows, other = [{"n": 1, "fail_at": 2}, {"n": 2, "fail_at": 2}], [{"n": 1}]
    first = run_notebooks(flights, rows, executor=Nowhere(), run_key="night", progress=silent)
    assert [r["state"] for r in first.rows] == ["finished", "failed"]
    (project / "mended").touch()
    second = run_notebooks(flights, rows, executor=Nowhere(), run_key="night", progress=silent)
    assert (second.status, second.run_id) == ("finished", first.run_id)
    assert [(r["state"], r["attempt"]) for r in second.rows] == [("finished", 1), ("finished", 2)]
    assert ran(project) == {"ran 1": 1, "ran 2": 2}
    assert nb.get_run(first.run_id).status == "finished"
    idle = Nowhere()
    third = run_notebooks(flights, rows, executor=idle, run_key="night", progress=silent)
    assert (third.status, idle.done) == ("finished", 0)
    with pytest.raises(Conflict, match=r"'night' belongs to flights\.ipynb with other rows"):
        run_notebooks(flights, other, executor=Nowhere(), run_key="night", progress=silent)
    assert ledger.counts(session.store(), parent="night") == {"finished": 2}


def test_a_key_that_is_being_worked_on_is_a_conflict(flights):
    run_notebooks(flights, [{"n": 1}], executor=Nowhere(), run_key="night", progress=silent)
    work = ledger.get(session.store(), "night")
    opened = session.start("flights", kind="search", run_id=work.run_id)
    session.drain()
    with ledger.changing(session.store()) as change:
        ledger.conclude(change, "night", "started", work.created_at)
    with pytest.raises(Conflict, match=f"being worked on: run {work.run_id}"):
        run_notebooks(flights, [{"n": 1}], executor=Nowhere(), run_key="night", progress=silent)
    session.finish(opened)


def test_nothing_starts_while_a_row_does_not_fit(flights, project):
    with pytest.raises(Invalid, match=r"2 of 3 rows do not fit flights\.ipynb"):
        run_notebooks(flights, [{"n": 1}, {"n": "two"}, {"n": 3.5}], executor=Nowhere(), progress=silent)
    with pytest.raises(NotFound):
        run_notebooks("missing.ipynb", [{"n": 1}], progress=silent)
    assert nb.runs(children=True).empty
    assert ledger.list(session.store()) == []


def test_without_the_store_there_is_no_fan_out(flights, monkeypatch):
    monkeypatch.setenv("NBMLOPS_DISABLED", "1")
    with pytest.raises(Invalid, match="needs the store"):
        run_notebooks(flights, [{"n": 1}], executor=Nowhere(), progress=silent)


def test_limits_and_the_folder_go_to_every_row(flights, project):
    (project / "elsewhere").mkdir()
    rows = [Row(values={"n": 4})]
    fan, error = fan_out(flights, rows, Nowhere(), None, silent, timeout="15m", cwd="elsewhere")
    assert (fan.status, error) == ("finished", None)
    assert (project / "elsewhere" / "ran 4").exists()
    work = ledger.get(session.store(), fan.rows[0]["key"])
    assert (work.most, work.spec["timeout"], work.spec["tags"]) == (2, "15m", {"row": "0"})
    assert nb.get_run(work.run_id).tags["limit_timeout_s"] == "900"


def test_a_secret_in_a_row_is_refused_and_a_reference_is_kept_by_name(project, monkeypatch):
    cell = "token: str = ''\nprint(len(token))"
    cells = [v4.new_code_cell(cell, metadata={"tags": ["parameters"]}), v4.new_code_cell("print(len(token))")]
    write(v4.new_notebook(cells=cells), project / "load.ipynb")
    with pytest.raises(Invalid, match="is a secret"):
        run_notebooks("load.ipynb", [{"token": "correct-horse-battery"}], executor=Nowhere(), progress=silent)
    monkeypatch.setenv("SHOP_TOKEN", "correct-horse-battery")
    fan = run_notebooks("load.ipynb", [{"token": nb.Secret("SHOP_TOKEN")}], executor=Nowhere(), progress=silent)
    assert fan.status == "finished", fan
    assert fan.rows[0]["params"] == {"token": {"$secret": "SHOP_TOKEN"}}
    session.reset()
    assert [p for p in project.rglob("*") if p.is_file() and b"correct-horse-battery" in p.read_bytes()] == []


def test_what_tracked_cells_measured_is_the_rows(project):
    cells = [v4.new_code_cell("n = 1", metadata={"tags": ["parameters"]}), v4.new_code_cell("%load_ext nbmlops")]
    cells += [v4.new_code_cell(f"%%track fit\nimport nbmlops as nb\nnb.log(auc=n / {by})") for by in (5, 10)]
    write(v4.new_notebook(cells=cells), project / "tracked.ipynb")
    fan = run_notebooks("tracked.ipynb", [{"n": 1}, {"n": 2}], executor=Nowhere(), progress=silent)
    assert [r["metrics"] for r in fan.rows] == [{"auc": 0.1}, {"auc": 0.2}]


@pytest.mark.postgres
def test_a_fan_out_on_postgresql_goes_on_too(flights, project, postgres, monkeypatch):
    (project / "nbmlops.toml").write_text(f'[store]\nurl = "{postgres()}"\n')
    session.reset()
    rows = [{"n": n, "fail_at": 2} for n in (1, 2, 3)]
    first = run_notebooks(flights, rows, executor=Nowhere(), run_key="night", progress=silent)
    (project / "mended").touch()
    second = run_notebooks(flights, rows, executor=Nowhere(), run_key="night", progress=silent)
    assert ([r["state"] for r in first.rows], second.status) == (["finished", "failed", "finished"], "finished")
    assert ran(project) == {"ran 1": 1, "ran 2": 2, "ran 3": 1}


def test_an_executor_that_is_away_for_a_moment_is_borne_and_for_long_is_said(flights, monkeypatch):
    assert run_notebooks(flights, [{"n": 1}], executor=Nowhere(away=2), progress=silent).status == "finished"
    monkeypatch.setattr(drive, "PATIENCE_S", 0.1)
    with pytest.raises(Unavailable, match="It is away"):
        run_notebooks(flights, [{"n": 1}], executor=Nowhere(away=99), run_key="K", progress=silent)
    assert ledger.get(session.store(), "K#0").state == "due"
    assert run_notebooks(flights, [{"n": 1}], executor=Nowhere(), run_key="K", progress=silent).status == "finished"


def test_somebody_else_may_do_the_rows(flights):
    """A scheduler's tick on the same store claims a row; the fan-out waits for it and counts it."""

    class Other(Nowhere):
        def free(self):
            from nbmlops.records import now

            with ledger.changing(session.store()) as change:
                taken = ledger.claim(change, now(), "somebody else")
            for claim in taken:
                super().submit(claim)
            return 0

    fan = run_notebooks(flights, [{"n": 1}, {"n": 2}], executor=Other(), progress=silent)
    assert [r["state"] for r in fan.rows] == ["finished", "finished"]


def test_ctrl_c_cancels_the_rest_and_the_same_key_goes_on(flights, project):
    waits = "import time\\ntime.sleep(60 * (n == 2 and not Path('mended').exists()))\\n"
    flights.write_text(flights.read_text().replace("nb.log(", f"{waits}nb.log("))
    (project / "rows.csv").write_text("n\n1\n2\n3\n")
    command = [sys.executable, "-m", "nbmlops.cli", "run", "flights.ipynb", "--each", "rows.csv"]
    command[1:3] = ["-c", "from nbmlops.cli import main; main()"]
    with subprocess.Popen([*command, "--executor", "local:1", "--json"], stdout=subprocess.PIPE) as fan:
        until((project / "ran 2").exists, process=fan)
        fan.send_signal(signal.SIGINT)
        out, _ = fan.communicate(timeout=40)
    assert fan.returncode == 8
    told = json.loads(out)
    assert (told["status"], told["states"]) == ("interrupted", {"finished": 1, "cancelled": 2})
    runs = {c.params["n"]: (c.status, c.cause) for c in nb.get_run(told["run_id"]).children}
    assert runs == {1: ("finished", None), 2: ("interrupted", "cancelled")}
    (project / "mended").touch()
    again = run_notebooks(flights, "rows.csv", executor=Nowhere(), run_key=told["key"], progress=silent)
    assert again.status == "finished"
    assert ran(project) == {"ran 1": 1, "ran 2": 2, "ran 3": 1}


@pytest.mark.slow
def test_a_fan_out_that_is_preempted_leaves_the_rest_due(flights, project):
    waits = "import time\\ntime.sleep(60 * (n == 1 and not Path('mended').exists()))\\n"
    flights.write_text(flights.read_text().replace("nb.log(", f"{waits}nb.log("))
    command = [sys.executable, "-c", "from nbmlops.cli import main; main()", "run", "flights.ipynb", "--grid", "n=1,2"]
    with subprocess.Popen([*command, "--executor", "local:1", "--json"], stdout=subprocess.PIPE) as fan:
        until((project / "ran 1").exists, process=fan)
        fan.send_signal(signal.SIGTERM)
        out, _ = fan.communicate(timeout=40)
    assert fan.returncode == 8
    told = json.loads(out)
    assert (told["status"], told["states"]) == ("interrupted", {"due": 2})
    parent = nb.get_run(told["run_id"])
    assert (parent.status, parent.cause) == ("interrupted", "preempted")
    assert [(c.status, c.cause) for c in parent.children] == [("interrupted", "preempted")]
    (project / "mended").touch()
    again = run_notebooks(flights, [{"n": 1}, {"n": 2}], executor=Nowhere(), run_key=told["key"], progress=silent)
    assert again.status == "finished"


def test_the_command_tells_what_the_function_does(flights, project):
    (project / "rows.csv").write_text("n,rate\n1,\n2,0.1\n")
    typed = ["run", "flights.ipynb", "--each", "rows.csv", "--executor", "local:1", "-p", "fail_at", "2", "--json"]
    done = CliRunner().invoke(main, typed)
    assert done.exit_code == 1, done.output
    told = json.loads(done.stdout)
    rows = [{"n": 1, "fail_at": 2}, {"n": 2, "rate": 0.1, "fail_at": 2}]
    fan = run_notebooks(flights, rows, executor=Nowhere(), progress=silent).to_dict()
    own = ("run_id", "key", "duration_s", "rows")
    assert {k: v for k, v in told.items() if k not in own} == {k: v for k, v in fan.items() if k not in own}
    same = ("row", "state", "attempt", "why", "params", "metrics")
    assert [{k: r[k] for k in same} for r in told["rows"]] == [{k: r[k] for k in same} for r in fan["rows"]]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["--grid", "n=1,x"], "1 of 2 rows do not fit"),
        (["--grid", "n"], "is no axis"),
        (["--each", "none.csv"], "There is no file"),
        (["out.ipynb", "--grid", "n=1,2"], "OUTPUT is one file"),
        (["--grid", "n=1,2", "--executor", "ray://x:1"], "is no executor"),
        (["--grid", "n=1,2", "--timeout", "soon"], "soon"),
        (["--grid", "n=1,2", "--memory", "much"], "much"),
        (["--grid", "n=1,2", "-p", "n", "3"], "given in two places"),
    ],
)
def test_wrong_usage_starts_nothing(flights, typed, says):
    done = CliRunner().invoke(main, ["run", "flights.ipynb", *typed])
    assert done.exit_code in (2, 5)
    assert says in done.output
    assert ledger.list(session.store()) == []


def test_the_record_shows_failures_first_and_escapes_them():
    shared = {"attempt": 1, "run_id": "0198c0de-000000123456", "duration_s": 1.5}
    rows = [
        {"row": n, "key": f"K#{n}", "state": "finished", "why": "", "params": {"n": n, "same": 1}, **shared}
        | {"metrics": {"auc": n / 100}}
        for n in range(30)
    ]
    rows[0] |= {"state": "failed", "why": "<b>no</b>"}
    fan = Fan("0198c0de-000000abcdef", "K", "a.ipynb", "failed", tuple(rows), 12.0)
    shown = fan._repr_mimebundle_()
    text, html = shown["text/plain"], shown["text/html"]
    assert text.splitlines()[0] == "a.ipynb: 30 rows, 29 finished, 1 failed after 12 s; run abcdef"
    assert text.index("<b>no</b>") < text.index("Finished: 29, of which these 20")
    assert "same" not in text.split("Finished")[0]
    assert "--run-key K goes on" in text
    assert "<b>no</b>" not in html
    assert "&lt;b&gt;no&lt;/b&gt;" in html
    assert shown["application/vnd.nbmlops.fan.v1+json"]["states"] == {"finished": 29, "failed": 1}
