"""A job's file: what it says, what is refused, and that one broken file stops no other."""

from datetime import UTC, datetime

import pytest

from nbmlops.config import find_project
from nbmlops.errors import Invalid, NotFound
from nbmlops.jobs.schedule import definition, expressions

WHOLE = """
notebook: retrain.ipynb
when: {cron: "0 2 1 * *", zone: Europe/Berlin}
parameters: {months: "{{ scheduled_for.month - 1 }}", seed: 1, since: 2026-03-01}
environment: {kernel: python3, lock: requirements.lock}
policy: {catch_up: latest, overlap: skip, retries: 2, timeout: 2h, slot: heavy, cooldown: 1d, keep: 50 runs}
then: [{gate: {on: flights-eval@2, margin: 0.01}}, challenger, report]
notify: {failed: [manager], missed: ml_engineer, recovered: [manager]}
owner: ann
"""


@pytest.fixture
def job(project):
    def write(text, name="retrain"):
        (project / "jobs").mkdir(exist_ok=True)
        (project / "jobs" / f"{name}.yaml").write_text(text)
        return definition.find(name, find_project(project))

    return write


def test_the_whole_file_of_the_issue(job):
    found = job(WHOLE)
    assert (found.name, found.path, found.notebook, found.owner) == (
        "retrain",
        "jobs/retrain.yaml",
        "retrain.ipynb",
        "ann",
    )
    assert found.when == definition.When("cron", "0 2 1 * *", "Europe/Berlin")
    assert (found.policy.timeout, found.policy.cooldown, found.policy.keep) == (7200, 86400, definition.Keep(runs=50))
    assert found.then[0] == {"gate": {"on": "flights-eval@2", "margin": 0.01}}  # YAML reads a bare on as true
    assert found.notify == {"failed": ("manager",), "missed": ("ml_engineer",), "recovered": ("manager",)}
    assert (found.kernel, found.lock) == ("python3", "requirements.lock")
    assert found.to_dict()["when_text"] == "cron 0 2 1 * * Europe/Berlin"


def test_a_notebook_is_enough(job):
    found = job("notebook: score.ipynb")
    assert found.when is None
    assert (found.policy.catch_up, found.policy.overlap, found.policy.stop_after) == ("latest", "skip", 3)
    assert found.to_dict()["when_text"] == "by hand"


def test_parameters_see_the_fire_in_the_zone_of_the_job(job):
    found = job(WHOLE).values(datetime(2026, 3, 31, 23, 30, tzinfo=UTC))  # April 1st in Berlin
    assert found == {"months": 3, "seed": 1, "since": "2026-03-01"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ scheduled_for.year }}", 2026),
        ("{{ (scheduled_for - 1).month }}", 12),
        ("{{ scheduled_for.date }}", "2026-01-01"),
        ("{{ scheduled_for }}", "2026-01-01T02:00:00+00:00"),
        ("{{job}}-{{ scheduled_for.year - 1 }}", "retrain-2025"),
        ([{"a": "{{ scheduled_for.weekday }}"}], [{"a": 3}]),
        ("no braces", "no braces"),
        (3, 3),
    ],
)
def test_expressions(text, value):
    assert expressions.render(text, datetime(2026, 1, 1, 2, tzinfo=UTC), "retrain") == value


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "scheduled_for.__class__",
        "scheduled_for.replace(year=1)",
        "job.year",
        "[1]",
        "True + 1",
        "1 * 2",
        "9**9**9",
        "99999999999",
        "scheduled_for - scheduled_for",
        "scheduled_for + 9999999",
        "'a' + 'b'",
        "",
        "(" * 300,
        "other",
        "job if job else 1",
    ],
)
def test_nothing_else_is_an_expression(text):
    with pytest.raises(Invalid):
        expressions.render(f"{{{{ {text} }}}}", datetime(2026, 1, 1), "retrain")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("note: a.ipynb", "Did you mean 'notebook'"),
        ("{}", "notebook is missing"),
        ("- a", "holds no keys"),
        ("notebook: [a", "no valid YAML"),
        ("notebook: {{ a }}", "in quotes"),
        ("notebook: [a]", "notebook is"),
        ("notebook: a.ipynb\nparameters: {since: 2026-13-45}", "no valid YAML"),
        ("notebook: a.ipynb\nwhen: {cron: '61 * * * *'}", "minute"),
        ("notebook: a.ipynb\nwhen: {cron: '0 2 * * *', zone: Mars}", "zone is 'Mars'"),
        ("notebook: a.ipynb\nwhen: {cron: '0 2 * * *', drift: m}", "cron and drift"),
        ("notebook: a.ipynb\nwhen: {zone: UTC}", "no kind of fire"),
        ("notebook: a.ipynb\nwhen: {drift: m, level: alarm}", "Did you mean"),
        ("notebook: a.ipynb\nwhen: {target: auc}", "MODEL.METRIC"),
        ("notebook: a.ipynb\nwhen: {dataset: d, level: alert}", "belongs to drift"),
        ("notebook: a.ipynb\npolicy: {catchup: all}", "Did you mean 'catch_up'"),
        ("notebook: a.ipynb\npolicy: {catch_up: some}", "policy.catch_up"),
        ("notebook: a.ipynb\npolicy: {timeout: 2 hours}", "policy.timeout.*no duration"),
        ("notebook: a.ipynb\npolicy: {retries: -1}", "policy.retries"),
        ("notebook: a.ipynb\npolicy: {retries: true}", "policy.retries"),
        ("notebook: a.ipynb\npolicy: {retry_on: [kernel_dead]}", "Did you mean 'kernel_died'"),
        ("notebook: a.ipynb\npolicy: {memory: 4}", "no size"),
        ("notebook: a.ipynb\npolicy: {cpu: 0}", "cores"),
        ("notebook: a.ipynb\nthen: [gates]", "Did you mean 'gate'"),
        ("notebook: a.ipynb\nthen: [[gate]]", "then has"),
        ("notebook: a.ipynb\nthen: [{gate: 3}]", "then.gate is 3"),
        ("notebook: a.ipynb\nnotify: {fail: [manager]}", "Did you mean 'failed'"),
        ("notebook: a.ipynb\nnotify: {failed: [managers]}", "Did you mean 'manager'"),
        ("notebook: a.ipynb\nparameters: [1]", "parameters is"),
        ("notebook: a.ipynb\nparameters: {m: '{{ evil() }}'}", "not allowed"),
        ("notebook: a.ipynb\nparameters: {db_password: hunter2}", "is a secret"),
        ("notebook: a.ipynb\nthen: [{gate: {where: here}}]", "where"),
    ],
)
def test_what_no_job_has_is_refused_with_the_near_name(job, text, word):
    with pytest.raises(Invalid, match=word) as raised:
        job(text)
    assert "retrain.yaml" in str(raised.value)


def test_a_secret_is_kept_by_its_name(job):
    found = job("notebook: a.ipynb\nparameters: {db_password: 'Secret(\"DB_PASSWORD\")'}")
    assert found.values(datetime(2026, 3, 1, tzinfo=UTC)) == {"db_password": {"$secret": "DB_PASSWORD"}}


def test_a_broken_file_stops_no_other(job, project):
    job("notebook: a.ipynb", "good")
    job("notebook: b.ipynb\nwhen: {after: good}", "late")
    (project / "jobs" / "bad.yaml").write_text("when: soon")
    (project / "jobs" / "good.yml").write_text("notebook: a.ipynb")
    (project / "jobs" / "no name.yaml").write_text("notebook: a.ipynb")
    (project / "jobs" / "odd.yaml").write_bytes(b"\xff\xfe\x00")
    (project / "jobs" / "README.md").write_text("not a job")
    jobs, broken = definition.load(find_project(project))
    assert [j.name for j in jobs] == ["good", "late"]
    assert [f.column for f in broken] == ["bad", "good", "no name", "odd"]
    assert all(f.outcome == "issue" for f in broken)


def test_a_job_after_one_that_is_not_there_is_a_finding(job, project):
    job("notebook: b.ipynb\nwhen: {after: ingest}", "late")
    jobs, broken = definition.load(find_project(project))
    assert [j.name for j in jobs] == ["late"]
    assert "no job. Known: late" in broken[0].message


def test_an_unknown_job_names_the_near_one(job, project):
    job("notebook: a.ipynb")
    with pytest.raises(NotFound, match="Did you mean 'retrain'"):
        definition.find("retrian", find_project(project))
