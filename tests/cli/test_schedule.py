"""Jobs and scheduler from the command line, the magic and the function: the same JSON, true exit codes."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import nbformat
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.config import find_project
from nbmlops.errors import Unavailable
from nbmlops.jobs.schedule import manage, service, ticker
from nbmlops.jobs.works.executors import Handle
from nbmlops.records import now
from nbmlops.store import events, ledger, schedules
from nbmlops.store.database import open_store
from waiting import until

START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def run(project):
    def command(*words, code=0):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == code, (done.exit_code, done.output, done.exception)
        return done.stdout

    return command


@pytest.fixture
def job(project):
    """Write a job and its notebook of three cells."""

    def write(text="", source="print(f'months {months}')", name="retrain"):
        cell = nbformat.v4.new_code_cell("months: int = 1  # how many", metadata={"tags": ["parameters"]})
        cells = [cell, nbformat.v4.new_code_cell(source), nbformat.v4.new_code_cell("print('last')")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), project / f"{name}.ipynb")
        (project / "jobs").mkdir(exist_ok=True)
        (project / "jobs" / f"{name}.yaml").write_text(f"notebook: {name}.ipynb\n{text}")

    return write


@pytest.fixture
def store(project):
    return open_store(find_project(project))


HOURLY = 'when: {cron: "0 * * * *"}\n'


def tick(project, minutes, executor=None):
    return ticker.tick(find_project(project), (START + timedelta(minutes=minutes)).isoformat(), executor)


def test_list_says_what_is_on_broken_and_next(run, job, project):
    assert "no jobs yet" in run("jobs", "list")
    job(HOURLY)
    (found,) = json.loads(run("jobs", "list", "--json"))
    assert (found["job"], found["state"], found["when"]) == ("retrain", "on", "cron 0 * * * * UTC")
    assert found["next_at"] > now()[:13]
    assert not (project / ".nbmlops").exists()  # looking makes no store
    (project / "jobs" / "bad.yaml").write_text("notebok: a.ipynb")
    assert "Did you mean 'notebook'" in run("jobs", "list", code=1)
    assert run("jobs", "list", "--csv", code=1).startswith("job,state,when")


def test_show_says_what_is_wrong_with_it_here(run, job, project):
    job("parameters: {months: 3}\npolicy: {slot: heavy}")
    text = run("jobs", "show", "retrain")
    assert "slot 'heavy' is not under [slots]" in text
    job("parameters: {month: 3}\nenvironment: {kernel: fortran, lock: gone.lock}")
    found = json.loads(run("jobs", "show", "retrain", "--json", code=1))
    says = {f["code"]: f["message"] for f in found["findings"]}
    assert "Did you mean 'months'" in says["notebook"]
    assert "'fortran' is not installed" in says["kernel"]
    assert says["lock"] == "there is no gone.lock"
    run("jobs", "show", "retrian", code=5)


def test_a_lock_that_differs_is_a_finding(run, job, project):
    job("environment: {lock: requirements.lock}")
    (project / "requirements.lock").write_text("pandas==0.1\nnbformat>=5\nno-such-thing==1\n")
    assert "no-such-thing missing (there 1), pandas" in run("jobs", "show", "retrain")


def test_packages_that_differ_from_the_models_are_a_finding(run, job, project, fit, monkeypatch):
    from nbmlops.capture import environment

    there = {**environment.packages(), "lock": "pandas==0.1\n"}
    with monkeypatch.context() as patched:
        patched.setattr(environment, "packages", lambda: there)
        nb.register(fit("age"), "late")
    job("when: {drift: late}")
    text = run("jobs", "show", "retrain")
    assert "installed here is not what late says: pandas" in text
    assert "(there 0.1)" in text


def test_pause_and_resume_keep_who_did_it(run, job, store):
    job(HOURLY)
    run("jobs", "pause", "retrain", "--reason", "moving")
    run("jobs", "pause", "retrain", code=2)
    assert json.loads(run("jobs", "list", "--json"))[0]["state"] == "paused"
    run("jobs", "resume", "retrain")
    run("jobs", "resume", "retrain", code=2)
    with store.reading() as connection:
        told = events.listed(connection, "jobs/retrain")
    assert [(e["action"], e["data"]["reason"]) for e in told] == [("job_paused", "moving"), ("job_resumed", "")]
    assert all(e["actor"] for e in told)


def test_cancel_a_work_or_all_of_a_job(run, job, project, store):
    job(HOURLY + "policy: {overlap: queue}")
    for minutes in (0, 60, 120):
        tick(project, minutes)
    first = ledger.list(store)[-1].key
    assert [r["key"] for r in json.loads(run("jobs", "cancel", first, "--json"))] == [first]
    assert len(json.loads(run("jobs", "cancel", "retrain", "--json", "--reason", "enough"))) == 1
    run("jobs", "cancel", "retrain", code=5)
    assert {w["state"] for w in json.loads(run("jobs", "history", "retrain", "--json"))} == {"cancelled"}
    assert "enough" in run("jobs", "history", "retrain")


def test_a_work_of_no_job_is_in_the_history_of_all(run, job, project, store):
    job(HOURLY)
    for minutes in (0, 60):
        tick(project, minutes)
    with ledger.changing(store) as change:
        ledger.add(change, [{"key": "nightly", "notebook": "nb.ipynb", "state": "failed", "reason": "no data"}])
    newest, *others = json.loads(run("jobs", "history", "--json"))
    assert (newest["key"], newest["job"], newest["state"]) == ("nightly", None, "failed")
    assert {work["job"] for work in others} == {"retrain"}
    assert "no data" in run("jobs", "history")
    assert "nightly" not in run("jobs", "history", "retrain")


def test_backfill_makes_due_what_was_never_done(run, job, project, store):
    job('when: {cron: "0 0 * * *"}\npolicy: {catch_up: skip}\nparameters: {months: "{{ scheduled_for.day }}"}')
    tick(project, 0)
    tick(project, 3 * 1440 + 60)  # three days away
    rows = json.loads(run("jobs", "backfill", "retrain", "--from", "2026-02-28", "--to", "2026-03-03", "--json"))
    assert [r["becomes"] for r in rows] == ["due", "due", "due", "due"]
    found = {w.scheduled_for[:10]: w for w in ledger.list(store)}
    assert found["2026-02-28"].parameters == {"months": 28}
    assert "backfill by" in found["2026-02-28"].trigger
    assert found["2026-03-02"].state == "due"
    run("jobs", "backfill", "retrain", "--from", "2026-03-03", "--to", "2026-03-01", code=2)
    job("when: {dataset: flights}")
    run("jobs", "backfill", "retrain", "--from", "2026-02-28", "--to", "2026-03-03", code=2)


def test_add_writes_a_job_and_its_notebook(run, project):
    run("jobs", "add", "retrain", "late")
    assert (project / "jobs" / "late.yaml").is_file()
    assert (project / "late.ipynb").is_file()
    assert [j["job"] for j in json.loads(run("jobs", "list", "--json"))] == ["late"]
    run("jobs", "add", "retrain", "late", code=2)


def test_a_cron_job_ticks_in_an_image(run, project):
    import yaml

    (project / "nbmlops.toml").write_text('[project]\nname = "Late Flights (EU)"\n')
    job = yaml.safe_load(run("jobs", "unit", "--kubernetes", "example.org/flights:7"))
    assert (job["kind"], job["metadata"]["name"]) == ("CronJob", "nbmlops-late-flights-eu")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["image"], container["workingDir"]) == ("example.org/flights:7", "/project")
    assert container["command"] == ["nbmlops", "scheduler", "tick"]
    assert (job["spec"]["jobTemplate"]["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")


def test_a_unit_runs_this_project(run, project):
    text = run("jobs", "unit")
    assert f"WorkingDirectory={project}" in text
    assert "$" not in text


def test_tick_what_if_and_check(run, job, project, store):
    job(HOURLY)
    run("scheduler", "check", code=1)
    found = json.loads(run("scheduler", "tick", "--what-if", "--json"))
    assert (found["what_if"], found["jobs"], found["fires"]) == (True, 1, [])
    assert schedules.tickers(store) == []
    run("scheduler", "tick")
    assert "minutes ago" in run("scheduler", "check")
    with ledger.changing(store) as change:
        schedules.ticked(change, "old", "2026-01-01T00:00:00+00:00", 0.1, {})
    assert not json.loads(run("scheduler", "check", "--late", "10", "--json"))["late"]
    assert service.last_tick(find_project(project), at="2126-01-01T00:00:00+00:00").late


def test_doctor_says_what_does_not_run(run, job, project):
    def said():
        return {line["what"]: line for line in json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)}

    assert "scheduler" not in said()
    job(HOURLY)
    assert said()["scheduler"]["word"] == "problem"
    run("scheduler", "tick")
    assert said()["scheduler"]["word"] == "ok"
    (project / "jobs" / "bad.yaml").write_text("notebok: a.ipynb")
    assert "Did you mean" in said()["job bad"]["says"]


def test_a_tick_runs_the_notebook_and_ends_with_1_where_it_failed(run, job, project, store):
    job(HOURLY + "parameters: {months: '{{ scheduled_for.hour }}'}\npolicy: {catch_up: latest}")
    job(HOURLY, name="another")
    tick(project, 0)
    run("scheduler", "tick", "--executor", "local:1")  # one after the other, in one call
    done = ledger.list(store, state="finished")
    assert {(w.job, nb.get_run(w.run_id).status) for w in done} == {("retrain", "finished"), ("another", "finished")}
    (project / "jobs" / "another.yaml").unlink()
    job(HOURLY, source="raise ValueError('no rows')")
    with ledger.changing(store) as change:
        schedules.put(change, "retrain", seen_until=(START + timedelta(days=1)).isoformat())
        ledger.prune(change, "retrain", 0)
    assert "started" in run("scheduler", "tick", code=1)
    (lost,) = ledger.list(store, state="failed")
    assert (lost.attempt, lost.reason) == (1, "error")


def test_retrain_is_one_function_a_magic_and_a_command(run, job, shell, project):
    job("parameters: {months: 2}")
    said = json.loads(run("retrain", "retrain", "-p", "months", "5", "--json"))
    assert said["state"] == "finished"
    assert [c["status"] for c in said["cells"] if c["kind"] == "code"] == ["completed"] * len(said["cells"])
    assert "months 5" in json.dumps(said["cells"])
    ours = nb.retrain("retrain", {"months": 5}).to_dict()
    typed = shell.run_line_magic("retrain", "retrain -p months 5").to_dict()
    for found in (said, ours, typed):
        found["cells"] = [{**c, "pieces": c["pieces"]} for c in found["cells"]]
        assert found["key"].startswith("retrain@")
        for name in ("key", "output"):
            del found[name]
        for name in ("run_id", "duration_s"):
            del found["run"][name]
    assert said == ours == typed
    assert "months 2" in json.dumps(nb.retrain("retrain").to_dict()["cells"])


def test_retrain_shows_the_failed_cell_and_ends_as_run_does(run, job):
    job("policy: {retries: 0}", source="raise ValueError('<b>no rows</b>')")
    text = run("retrain", "retrain", code=1)
    assert "ValueError: <b>no rows</b>" in text
    assert "not_run" in text
    found = nb.retrain("retrain")
    html = found._repr_mimebundle_()["text/html"]
    assert "&lt;b&gt;no rows" in html
    assert "<b>no rows" not in html


def test_retrain_refuses_what_does_not_fit(run, job, store):
    job()
    run("retrain", "retrain", "-p", "month", "5", code=2)
    run("retrain", "retrain", "-p", "months", "many", code=2)
    run("retrain", "retrian", code=5)
    assert ledger.list(store) == []


def test_retrain_says_that_it_runs_already(run, job, project, store):
    job(HOURLY)
    tick(project, 0)
    tick(project, 60)
    with ledger.changing(store) as change:
        ledger.claim(change, now(), "another")
    run("retrain", "retrain", code=2)
    assert len(ledger.list(store)) == 1


def test_the_magic_completes_names_of_jobs(job, shell):
    from nbmlops.magics.complete import offers

    job()
    assert "retrain" in set(offers("%retrain ")) & set(offers("%nbmlops jobs show "))


class Pinged(http.server.BaseHTTPRequestHandler):
    seen = 0

    def do_GET(self):
        type(self).seen += 1
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_ping_after_each_tick_and_no_address_in_what_failed(run, job, project, monkeypatch):
    server = http.server.HTTPServer(("127.0.0.1", 0), Pinged)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    job(HOURLY)
    address = f"http://127.0.0.1:{server.server_port}/token-abc"
    (project / "nbmlops.toml").write_text(f'[scheduler]\nping = "{address}"\n')
    run("scheduler", "tick")
    assert Pinged.seen == 1
    server.shutdown()
    server.server_close()
    said = service.ping(find_project(project))
    assert "did not answer" in said
    assert "token-abc" not in said
    (project / "nbmlops.toml").write_text('[scheduler]\nping = "https://example.com/secret-abc"\n')
    assert "env:PING_URL" in service.ping(find_project(project))
    monkeypatch.setenv("PING_URL", address)
    (project / "nbmlops.toml").write_text('[scheduler]\nping = "env:PING_URL"\n')
    assert "token-abc" not in service.ping(find_project(project))


def test_sigterm_ends_the_scheduler_and_what_runs_is_due_again(job, project, store):
    """Within 5 seconds, and the attempt is told that it was preempted."""
    job(HOURLY, source="import time\nprint('begun', flush=True)\ntime.sleep(60)")
    tick(project, 0)
    command = [sys.executable, "-c", "from nbmlops.cli import main; main()", "scheduler", "run", "--every", "1"]
    process = subprocess.Popen(command, cwd=project, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        until(lambda: any(_begun(w) for w in ledger.list(store, state="started")), 60)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.wait(10) == 0
        assert time.monotonic() - began < 5
    finally:
        process.kill()
    (work,) = [w for w in ledger.list(store) if w.attempt]
    assert work.state == "due"
    (attempt,) = ledger.attempts_of(store, work.key)
    assert (attempt.status, attempt.cause) == ("interrupted", "preempted")


def _begun(work):
    try:
        return "begun" in str(nb.get_run(work.run_id).tags.get("last_lines", ""))
    except LookupError:
        return False


class Away:
    """An executor that is away at first, and then cannot begin what it is given."""

    url = "away"

    def __init__(self, stop):
        self.stop, self.asked, self.closed = stop, 0, False

    def free(self):
        self.asked += 1
        if self.asked == 1:
            raise Unavailable("Nobody answers there.")
        return 1

    def submit(self, claim):
        return Handle(claim)

    def wait(self, handles, timeout_s=None):
        if self.asked == 2:
            self.asked += 1
            raise Unavailable("Nobody answers now.")
        handles[0].done, handles[0].error = True, "no such worker"
        self.stop.set()
        return handles

    def close(self):
        self.closed = True


def test_the_scheduler_goes_on_whatever_its_executor_does(job, project, store):
    job(HOURLY + "policy: {retries: 0}")
    tick(project, 0)
    stop, said = threading.Event(), []
    executor = Away(stop)
    service.serve(find_project(project), executor, stop, every_s=0.05, say=said.append)
    text = "\n".join(said)
    assert "tick failed: Unavailable: Nobody answers there." in text
    assert "Nobody answers now." in text
    assert "could not begin: no such worker" in text
    assert executor.closed
    (work,) = [w for w in ledger.list(store) if w.attempt]
    assert (work.state, work.reason) == ("failed", "error")


def test_a_server_ticks_only_where_the_project_says_so(job, project):
    from nbmlops.server import ticking

    job(HOURLY)
    assert not ticking.wanted(find_project(project))
    (project / "nbmlops.toml").write_text("[scheduler]\nserver = true\n")
    assert ticking.wanted(find_project(project))

    class App:
        root_dir = str(project)

        class log:
            info = staticmethod(lambda *_: None)

    stop = ticking.begin(App)
    until(lambda: service.last_tick(find_project(project)).at is not None, 20)
    stop.set()
    assert manage.listed(find_project(project))[0]["state"] == "on"
