"""The fleet: one row a version, with who owns it, since when it serves and how it was last found; searched."""

import json

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.registry import fleet


@pytest.fixture
def three(project, fit, held_out, train):
    """Version 1 weak and unevaluated, 2 strong and champion, 3 from a tracked run with a tag and a data set."""
    nb.register(fit("noise"), "late")
    model = fit("age")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    with nb.run("forest", tags={"team": "ops"}):
        nb.dataset("people", train)
        model = fit("age", "city")
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    nb.promote("late", 2, to="champion", reason="the first")
    return project


def run(*words):
    return CliRunner().invoke(main, ["models", *words])


def test_a_row_says_what_is_known(three, held_out):
    nb.drift(held_out.assign(age=held_out.age + 40), "late@2")
    nb.drift(held_out.assign(age=held_out.age + 40), "late@2")
    table = nb.models().set_index("version")
    assert table["evaluated"].to_dict() == {1: False, 2: True, 3: True}
    assert table.loc[2, "aliases"] == "champion"
    assert 0 <= table.loc[2, "champion_age_s"] < 600
    assert table.loc[[1, 3], "champion_at"].isna().all()
    assert table.loc[2, "verdict"] == "alert"
    assert table.loc[2, "episodes"] == len(nb.episodes("late@2", state="open")) > 0
    assert table.loc[[1, 3], "verdict"].isna().all()
    assert (table.loc[3, "episodes"], table.loc[3, "format"]) == (0, "skops")


def test_the_newest_check_counts(three, held_out):
    nb.drift(held_out.assign(age=held_out.age + 40), "late@2")
    nb.drift(held_out, "late@2")
    assert nb.models("version = 2")["verdict"].iloc[0] == "ok"


def test_the_next_review_follows_from_the_charter(three):
    assert nb.models()["review_at"].isna().all()
    (three / "charter.yaml").write_text("review_days: 90")
    row = nb.models("version = 2").iloc[0]
    assert row["review_at"][:4] in ("2026", "2027", str(int(row["champion_at"][:4]) + 1), row["champion_at"][:4])
    assert nb.models("review_at is missing")["version"].tolist() == [3, 1]
    (three / "charter.yaml").write_text("review_days: 0")
    with pytest.warns(RuntimeWarning, match="No next review is shown: charter.yaml: review_days is 0"):
        assert nb.models()["review_at"].isna().all()


def test_jobs_that_name_the_model(three):
    jobs = three / "jobs"
    jobs.mkdir()
    (jobs / "retrain.yaml").write_text("notebook: retrain.ipynb\nparameters: {model: late@champion}\n")
    (jobs / "other.yaml").write_text("parameters: [later, {x: 3}]\n")
    assert set(nb.models()["job"]) == {"retrain.yaml"}
    (jobs / "broken.yaml").write_text("a: [")
    with pytest.warns(RuntimeWarning, match="broken.yaml cannot be read"):
        assert set(nb.models()["job"]) == {"retrain.yaml"}


@pytest.mark.parametrize(
    ("query", "versions"),
    [
        ("metrics.roc_auc > 0.5", [3, 2]),
        ("roc_auc > 0.5 and aliases = champion", [2]),
        ("metrics.roc_auc is missing", [1]),
        ("tags.team = 'ops'", [3]),
        ("dataset = 'people@1'", [3]),
        ("dataset like 'peo%'", [3]),
        ("dataset is missing", [2, 1]),
        ("not evaluated = true", [1]),
        ("version >= 2 and created_at >= 2026-01-01", [3, 2]),
        ("created_at < 2026-01-01", []),
        ("name like 'la%' and format = skops", [3, 2, 1]),
    ],
)
def test_search_through_function_and_command(three, query, versions):
    assert nb.models(query)["version"].tolist() == versions
    assert [r["version"] for r in json.loads(run("--query", query, "--json").output)] == versions


def test_sorted_and_cut(three):
    found = nb.models(sort="-metrics.roc_auc")
    assert found["metrics.roc_auc"].dropna().is_monotonic_decreasing
    assert found["version"].iloc[-1] == 1
    assert nb.models(sort="version", limit=2)["version"].tolist() == [1, 2]
    assert len(nb.models(limit=0)) == 0


@pytest.mark.parametrize(
    ("asked", "kind", "message"),
    [
        ({"query": "roc_auk > 0.5"}, NotFound, r"No column 'roc_auk' .* Did you mean 'roc_auc'"),
        ({"query": "tags.time = x"}, NotFound, "No column 'tags.time'"),
        ({"query": "roc_auc >"}, Invalid, "it ends too early"),
        ({"sort": "size"}, NotFound, "No column 'size'"),
        ({"sort": "dataset"}, NotFound, "No column 'dataset'"),
        ({"query": 3}, Invalid, "query is int"),
        ({"limit": -1}, Invalid, "limit is -1"),
    ],
)
def test_what_cannot_be_asked(three, asked, kind, message):
    with pytest.raises(kind, match=message):
        nb.models(**asked)


def test_function_and_command_give_the_same(three):
    said, rows = json.loads(run("--json").output), fleet.rows()
    ages = [r.pop("champion_age_s") for r in (*said, *rows)]
    assert said == rows
    assert sum(a is not None for a in ages) == 2
    assert nb.models()["name"].tolist() == [r["name"] for r in rows]


def test_the_text_shows_the_metric_that_was_asked_for(three):
    text = run("--query", "roc_auc > 0.5").output
    assert "roc_auc" in text.splitlines()[0]
    assert "job" not in text.splitlines()[0]
    assert run("--query", "roc_auc > 2").output.strip() == "no version fits the query"


def test_data_a_tracked_cell_read_is_found_by_its_version(shell, train):
    nb.dataset("people", train)
    shell.user_ns["train"] = train
    lines = "%%track late\nfrom sklearn.linear_model import LogisticRegression\n"
    shell.run_cell(lines + "model = LogisticRegression().fit(train[['age']], train['late'])").raise_error()
    shell.run_line_magic("register", "model late")
    assert [len(nb.models(f"dataset = '{name}'")) for name in ("people@1", "train", "people@2")] == [1, 1, 0]


def test_deleted_versions_are_not_of_the_fleet(three):
    nb.delete("late@1")
    assert nb.models()["version"].tolist() == [3, 2]
    nb.restore("late@1")
    assert nb.models()["version"].tolist() == [3, 2, 1]


def test_what_another_process_did_is_seen(three):
    import subprocess
    import sys

    assert len(nb.models()) == 3
    words = "import nbmlops as nb; nb.promote('late', 3, to='champion', reason='elsewhere'); nb.delete('late@1')"
    subprocess.run([sys.executable, "-c", words], check=True)
    table = nb.models().set_index("version")
    assert table["aliases"].to_dict() == {3: "champion", 2: ""}


def test_an_empty_store(project):
    table = nb.models()
    assert table.empty
    assert list(table.columns) == list(fleet.COLUMNS)
    assert nb.models("name = late").empty


def test_postgres_tells_the_same(three, postgres, monkeypatch, held_out, fit):
    from nbmlops.tracking import session

    monkeypatch.setenv("NBMLOPS_STORE", postgres())
    session.reset()
    model = fit("age")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    nb.drift(held_out, "late@1")
    found = nb.models("verdict = ok and roc_auc > 0.5")
    assert found["version"].tolist() == [1]
