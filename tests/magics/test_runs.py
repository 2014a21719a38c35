"""Every way to list and compare runs says the same."""

import json

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.tracking import session


@pytest.fixture
def three(shell):
    for depth, auc in ((1, 0.6), (2, 0.8), (3, 0.7)):
        with session.run("tree", params={"depth": depth}):
            session.log(auc=auc)
    return shell


def by_function(shell, query, sort):
    return list(nb.runs(query, sort=sort)["params.depth"])


def by_magic(shell, query, sort):
    words = [f'"{query}"' if query else "", f"--sort {sort}" if sort else ""]
    return [r["params.depth"] for r in shell.run_line_magic("runs", " ".join(words)).runs]


def by_command(shell, query, sort):
    words = [*([query] if query else []), *(["--sort", sort] if sort else []), "--json"]
    result = CliRunner().invoke(main, ["runs", *words], catch_exceptions=False)
    return [r["params.depth"] for r in json.loads(result.output)]


@pytest.mark.parametrize("door", [by_function, by_magic, by_command])
@pytest.mark.parametrize(
    ("query", "sort", "expected"), [(None, None, [3, 2, 1]), (None, "-auc", [2, 3, 1]), ("auc > 0.65", "depth", [2, 3])]
)
def test_all_doors_list_the_same_runs(three, door, query, sort, expected):
    assert door(three, query, sort) == expected


def test_a_run_is_found_by_id_ending_and_experiment(three):
    newest = nb.get_run("tree")
    assert nb.get_run(newest.run_id).params == {"depth": 3}
    assert nb.get_run(newest.run_id[-8:]).run_id == newest.run_id
    assert nb.get_run("tree~2").params == {"depth": 1}


def test_an_unknown_run_names_what_is_known(three):
    with pytest.raises(NotFound, match=r"No run or experiment 'treee'.*Did you mean 'tree'"):
        nb.get_run("treee")


def test_compare_shows_only_what_differs(three):
    found = three.run_line_magic("compare", "tree tree~1")
    assert {r["name"]: r["values"] for r in found.rows if r["name"] != "duration_s"} == {
        "params.depth": [3, 2],
        "metrics.auc": [0.7, 0.8],
    }
    printed = CliRunner().invoke(main, ["compare", "tree", "tree~1", "--json"]).output
    assert json.loads(printed)["rows"] == json.loads(json.dumps(found.to_dict()))["rows"]


def test_compare_with_nothing_to_compare_says_so(shell):
    with pytest.raises(Invalid, match="needs two runs"):
        shell.run_line_magic("compare", "")


def test_no_runs_yet_is_said_kindly(shell):
    assert "%%track NAME" in repr(shell.run_line_magic("runs", ""))


def test_a_run_shows_itself_in_three_ways(three):
    bundle = nb.get_run("tree")._repr_mimebundle_()
    assert bundle["application/vnd.nbmlops.run.v1+json"]["summary"] == {"auc": 0.7}
    assert "0.7" in bundle["text/html"]
    assert "auc 0.7" in bundle["text/plain"]


def test_html_escapes_what_users_wrote(project):
    with session.run("<img src=x onerror=alert(1)>"):
        pass
    page = nb.get_run("<img src=x onerror=alert(1)>")._repr_mimebundle_()["text/html"]
    assert "<img src=x" not in page


def test_an_unknown_command_or_magic_names_the_near_one(shell):
    with pytest.raises(NotFound, match="Did you mean"):
        shell.run_line_magic("nbmlops", "promot")
    result = CliRunner().invoke(main, ["promot"])
    assert result.exit_code == 2
    assert "Did you mean 'promote'" in result.output


def test_a_run_whose_process_is_gone_shows_as_abandoned(project):
    opened = session.start("left")
    session.write({"t": "update", "run_id": opened.run_id, "process": {**nb.get_run("left").process, "pid": 2**22 + 1}})
    assert nb.get_run("left").status == "abandoned"


def test_log_without_a_run_says_what_to_type(project):
    with pytest.raises(Invalid, match="No run is open"):
        nb.log(loss=1)


def test_a_metric_that_is_no_number_is_refused(project):
    with session.run("x"), pytest.raises(Invalid, match="'loss' is 'high'"):
        nb.log(loss="high")


def test_compare_alone_takes_the_run_before_whatever_its_experiment(shell):
    for name, depth in (("one", 1), ("two", 2)):
        with session.run(name, params={"depth": depth}):
            pass
    found = shell.run_line_magic("compare", "")
    assert [r["experiment"] for r in found.runs] == ["two", "one"]


@pytest.fixture
def wide(shell):
    for i in range(2):
        with session.run("wide", params={"seed": 1, **{f"p{k}": k + i for k in range(9)}}, tags={"who": "me"}):
            session.log({f"m{k}": k for k in range(9)})
            session.log(loss=0.25, context={"set": "val"})
    return shell


def heads(shown):
    return repr(shown).splitlines()[0].split()[5:]


def test_a_column_that_is_asked_or_sorted_by_is_shown_first(wide):
    found = wide.run_line_magic("runs", '"m8 > 1 and `tags.who` = me and (seed in (1, 2) or p8 is missing)" --sort -m7')
    assert heads(found) == ["m8", "who", "seed", "p8", "m7", "m0", "m1", "p0", "p1", "p2"]
    assert "<th" in found._repr_mimebundle_()["text/html"].partition(">m8<")[0]


def test_what_is_left_out_of_the_table_is_counted(wide):
    shown = wide.run_line_magic("runs", "")
    assert heads(shown) == ["m0", "m1", "m2", "m3", "p0", "p1", "p2", "p3"]
    said = "Not shown: 6 more metrics and 5 more params that differ."
    assert said in repr(shown)
    assert said in shown._repr_mimebundle_()["text/html"]


def test_a_metric_on_a_context_only_is_in_the_table(shell):
    with session.run("a"):
        session.log(loss=0.25, context={"set": "val"})
        session.log({"acc[1]": 0.5})
    assert heads(shell.run_line_magic("runs", "")) == ["acc[1]", "loss[set=val]"]
    assert "Not shown" not in repr(shell.run_line_magic("runs", ""))


def test_no_run_fits_is_not_no_runs_yet(three):
    shown = three.run_line_magic("runs", '"auc > 9"')
    for said in (repr(shown), shown._repr_mimebundle_()["text/html"]):
        assert "No run fits" in said
        assert "%%track" not in said


def test_repeats_of_one_name_are_told_apart_by_when_they_started(three):
    shown = three.run_line_magic("runs", "")
    rows = repr(shown).splitlines()[1:]
    started = [run["started_at"][5:19].replace("T", " ") for run in shown.runs]
    assert all(at in row for at, row in zip(started, rows, strict=True))
    page = shown._repr_mimebundle_()["text/html"]
    assert all(at.replace(" ", "\N{NO-BREAK SPACE}") in page for at in started)


def test_a_long_list_stands_behind_the_metrics_and_is_cut(shell):
    for number in (1, 2):
        with session.run("a", params={"columns": [f"column {number} of {n}" for n in range(30)], "C": number}):
            session.log(loss=0.25)
    assert heads(shell.run_line_magic("runs", "")) == ["loss", "C", "columns"]
    assert heads(shell.run_line_magic("runs", "--sort columns")) == ["columns", "loss", "C"]
    for shown in (
        repr(shell.run_line_magic("runs", "")),
        shell.run_line_magic("runs", "")._repr_mimebundle_()["text/html"],
    ):
        assert "['column 1 of 0', 'colu…" in shown.replace("&#39;", "'").replace("&#x27;", "'")
        assert "'column 1 of 1" not in shown.replace("&#39;", "'").replace("&#x27;", "'")


def test_the_time_a_run_took_does_not_wrap(three):
    assert "\N{NO-BREAK SPACE}s</td>" in three.run_line_magic("runs", "")._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("query", ["depth is null", "depth = null", "depth != None", "auc in (1, nan)"])
def test_null_is_answered_with_what_to_write(three, query):
    with pytest.raises(Invalid, match=r"only 'missing'|write 'is missing'"):
        nb.runs(query)
    assert list(nb.runs("depth = 'null'").run_id) == []
