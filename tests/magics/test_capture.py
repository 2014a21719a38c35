"""What a tracked cell keeps with no call from the user, and what it shows of it."""

import json

import pytest

import nbmlops as nb
from nbmlops.tracking import session

SETUP = """
import numpy as np, pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, get_scorer, log_loss, precision_recall_fscore_support, roc_auc_score
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_validate, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
rate, note, _hidden = 0.7, "tried", 1
"""
FIT = "tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X_train, y_train)\n"


@pytest.fixture
def cells(shell):
    """Run cells of one notebook and return the run of the last."""
    shell.run_cell(SETUP)

    def run(*sources):
        for source in sources:
            result = shell.run_cell(source)
        return result, nb.get_run(sources[-1].split()[1])

    return run


def origins(run):
    return {p.name: p.origin for p in run.param_records}


def test_plain_values_of_earlier_cells_are_params(cells):
    _, run = cells("%%track a\nuse = (rate, note, _hidden)\nsmall = {'k': [1, None]}")
    assert run.params == {"rate": 0.7, "note": "tried", "small": {"k": [1, None]}}


def test_a_value_papermill_put_in_is_told_apart(cells):
    _, run = cells("# Parameters\nmonths = 3\n", "%%track a\nmonths + rate")
    assert origins(run) == {"months": "papermill", "rate": "assigned"}


def test_a_long_value_reads_back_whole_and_is_short_in_lists(cells):
    _, run = cells("%%track a\nlong = 'word ' * 1\nlonger = '" + "x" * 50_000 + "'")
    assert run.params["longer"] == "x" * 50_000
    assert run.param_records[-1].value == "x" * 50_000
    assert [a.name for a in run.artifacts] == ["params/longer.json"]
    assert len(nb.runs().iloc[0]["params.longer"]) == 200
    assert len(json.dumps(run.to_dict()["params"])) < 1_000


def test_every_candidate_of_a_search_is_a_run_and_the_cell_has_the_best(cells):
    source = "search = GridSearchCV(make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)),\n"
    source += "    {'decisiontreeclassifier__max_depth': [1, 3], 'standardscaler__with_mean': [True]}, cv=3)"
    _, run = cells(f"%%track grid\n{source}.fit(X_train, y_train)")
    search = session_value("search")
    assert [c.kind for c in run.children] == ["trial", "trial"]
    assert [c.params["DecisionTreeClassifier.max_depth"] for c in run.children] == [1, 3]
    assert [c.metrics["accuracy"] for c in run.children] == list(search.cv_results_["mean_test_score"])
    assert [c.tags.get("best") for c in run.children].count("true") == 1
    assert run.metrics["accuracy"] == search.best_score_
    assert run.params["DecisionTreeClassifier.max_depth"] == search.best_params_["decisiontreeclassifier__max_depth"]
    assert run.models[0].estimator == "GridSearchCV(Pipeline(StandardScaler, DecisionTreeClassifier))"


def session_value(name):
    from IPython import get_ipython

    return get_ipython().user_ns[name]


def test_a_cross_validation_with_several_scores_and_train_scores(cells):
    _, run = cells(
        "%%track cv\nfound = cross_validate(DecisionTreeClassifier(random_state=0), X_train, y_train, cv=3,\n"
        "    scoring=['roc_auc', 'accuracy'], return_train_score=True)"
    )
    found = session_value("found")
    assert run.metrics["roc_auc"] == pytest.approx(found["test_roc_auc"].mean())
    assert run.metrics["accuracy[split=train]"] == 1.0
    assert [c.duration_s for c in run.children] == list(found["fit_time"])


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("roc_auc_score(y_test, tree.predict_proba(X_test)[:, 1])", "roc_auc"),
        ("roc_auc_score(\n    y_train,\n    tree.predict_proba(X_train)[:, 1],\n)", "roc_auc[split=train]"),
        ("truth = y_train\nroc_auc_score(truth, tree.predict_proba(X)[: len(truth), 1])", "roc_auc[split=train]"),
        (
            "def judge(X, y):\n    return f1_score(y, tree.predict(X), average='macro')\njudge(X_test, y_test)",
            "f1_macro",
        ),
        ("get_scorer('neg_log_loss')(tree, X_test, y_test)", "log_loss"),
        ("tree.score(X_test, y_test)", "accuracy"),
        ("tree.score(X_train, y_train)", "accuracy[split=train]"),
        ("precision_recall_fscore_support(y_test, tree.predict(X_test), average='binary')", "precision"),
    ],
)
def test_the_split_of_a_metric_is_known_by_its_rows_and_its_names(cells, code, expected):
    _, run = cells(f"%%track a\n{FIT}{code}")
    assert expected in run.metrics


def test_rows_that_were_fitted_are_train_whatever_they_are_called(cells):
    _, run = cells("%%track a\ny_test = y_train\n" + FIT + "roc_auc_score(y_test, tree.predict_proba(X_train)[:, 1])")
    assert list(run.metrics) == ["roc_auc[split=train]"]


def test_a_number_that_looks_like_a_metric_is_inferred_and_never_ranked(cells):
    _, run = cells(
        "%%track a\n" + FIT + "auc = roc_auc_score(y_test, tree.predict(X_test))\n"
        "test_loss = float(np.mean((y_test - tree.predict(X_test)) ** 2))\nrows = 3\nmetrics = {'gap': auc - 0.5}"
    )
    assert set(run.metrics) == {"roc_auc", "test_loss[origin=inferred]", "gap[origin=inferred]"}
    assert "test_loss (inferred)" in repr(run)


def test_the_model_is_saved_and_loads_again(cells):
    from nbmlops.registry import files

    _, run = cells("%%track a\n" + FIT)
    data = run.artifact("model/tree.skops")
    tree = files.load(data, files.dump(session_value("tree"))[1], "tree")
    assert (tree.predict(session_value("X")) == session_value("tree").predict(session_value("X"))).all()


def test_a_model_is_not_saved_twice(cells, monkeypatch):
    from nbmlops.registry import files

    written = []
    dump = files.dump
    monkeypatch.setattr(files, "dump", lambda model: written.append(model) or dump(model))
    _, first = cells("%%track a\nlogit = LogisticRegression(max_iter=9).fit(X_train[['mean area']], y_train)")
    _, again = _repeat("%%track b\nlogit.fit(X_train[['mean area']], y_train)")
    assert len(written) == 1
    assert again.artifacts[0] == first.artifacts[0]
    _repeat("%%track c\nlogit.fit(X_train[['mean texture']], y_train)")
    assert len(written) == 2


def _repeat(source):
    from IPython import get_ipython

    result = get_ipython().run_cell(source)
    return result, nb.get_run(source.split()[1])


def test_no_model_is_saved_where_it_is_not_wanted(cells, project):
    _, run = cells("%%track a --no-model\n" + FIT)
    assert run.artifacts == ()


def test_a_model_above_the_limit_is_held_by_the_kernel_and_said_so(cells, project, shell):
    (project / "nbmlops.toml").write_text("[capture]\nmodel_max_mb = 0.001\n")
    session.reset()
    _, run = cells("%%track a\n" + FIT + "del tree")
    from nbmlops.capture.estimators import fitted

    assert run.artifacts == ()
    assert fitted(run.run_id).max_depth == 2


def test_what_was_printed_and_displayed_is_kept_cut_and_can_be_turned_off(cells, project, shell):
    _, run = cells("%%track a\nprint('to be seen')\nprint('x' * 100_000)")
    kept = json.loads(run.artifact("outputs.json"))
    assert kept["streams"]["stdout"].startswith("to be seen\n")
    assert len(kept["streams"]["stdout"]) == 64_000
    assert kept["cut"]
    (project / "nbmlops.toml").write_text("[capture]\noutputs = false\n")
    session.reset()
    _, run = cells("%%track b\nprint('to be seen')")
    assert run.artifacts == ()


def test_the_card_is_five_lines_with_the_change_and_the_best(cells, capsys, shell):
    cells("%%track a\n" + FIT + "tree.score(X_test, y_test)")
    capsys.readouterr()
    _repeat("%%track a\ntree = DecisionTreeClassifier(max_depth=1).fit(X_train, y_train)\ntree.score(X_test, y_test)")
    card = capsys.readouterr().out.split("Out[")[-1].splitlines()[1:]
    assert len(card) <= 5
    assert card[0].startswith("a: finished  (took ")
    assert "best 0." in card[1]
    assert "saved in" in card[2]


@pytest.mark.parametrize("mode", ["--replace", "--append", "--nested"])
def test_a_repeat_replaces_goes_on_or_is_part_of_the_one_before(cells, mode):
    _, first = cells("%%track a\nnb_value = 1\nimport nbmlops as nb\nnb.log(loss=1.0)")
    _, second = _repeat(f"%%track a {mode}\nnb.log(loss=2.0)")
    listed = list(nb.runs(children=True).run_id)
    if mode == "--replace":
        assert listed == [second.run_id]
    elif mode == "--append":
        assert listed == [first.run_id]
        assert list(nb.get_run("a").metric("loss").values) == [1.0, 2.0]
    else:
        assert [c.run_id for c in nb.get_run(first.run_id).children] == [second.run_id]


def test_the_card_of_a_run_that_goes_on_shows_all_of_it(cells, capsys):
    cells("%%track a\nearlier = 7\nimport nbmlops as nb\nnb.log(accuracy=0.5)")
    capsys.readouterr()
    _repeat("%%track a --append\nnb.log(loss=0.25)")
    shown = capsys.readouterr().out
    assert "accuracy 0.5" in shown
    assert "loss 0.25" in shown


def test_a_model_set_to_a_secret_is_not_written_to_a_file(cells, project):
    made = "FunctionTransformer(kw_args={'api_key': 'correct horse battery'}).fit(X_train)"
    _, run = cells(f"%%track a\nfrom sklearn.preprocessing import FunctionTransformer\nmodel = {made}")
    assert [m.estimator for m in run.models] == ["FunctionTransformer"]
    assert not any(a.name.startswith("model/") for a in run.artifacts)
    assert not [p for p in project.rglob("*") if p.is_file() and b"correct horse" in p.read_bytes()]


def test_columns_that_are_secrets_are_masked(cells, project):
    key = "ghp_" + "a1B2" * 9
    _, run = cells(
        f"%%track a\nwide = pd.DataFrame({{'{key}': [0.0, 1.0], 'b': [0.0, 1.0]}})\n"
        f"model = LogisticRegression().fit(wide[['{key}']], wide['b'])"
    )
    assert [c["name"] for c in run.datasets[0].columns] == ["[secret]", "b"]
    assert list(run.models[0].fitted_on["columns"]) == ["[secret]"]


def test_the_primary_metric_is_kept(cells):
    _, run = cells("%%track a --metric roc_auc\nx = 1")
    assert run.tags == {"primary_metric": "roc_auc"}


def test_track_on_tracks_what_fits_or_scores_and_nothing_else(cells, shell, capsys):
    shell.run_line_magic("track", "on trees")
    shell.run_cell("1 + 1")
    shell.run_cell("print('nothing to see')")
    shell.run_cell(SETUP)
    assert nb.runs().empty
    shell.run_cell(FIT + "tree.score(X_test, y_test)")
    run = nb.get_run("trees")
    assert (run.status, list(run.metrics), run.models[0].name) == ("finished", ["accuracy"], "tree")
    shell.run_line_magic("track", "off")
    shell.run_cell(FIT)
    assert len(nb.runs()) == 1


def test_a_run_is_put_back_into_the_next_cell(cells, shell):
    source = "%%track a\nx = 1"
    cells(source)
    shell.run_line_magic("nbmlops", "restore a")
    assert shell.rl_next_input == source


def test_a_block_captures_as_a_cell_does(project):
    from sklearn.datasets import load_iris
    from sklearn.tree import DecisionTreeClassifier

    X, y = load_iris(return_X_y=True)
    with nb.run("script"):
        tree = DecisionTreeClassifier(max_depth=2, random_state=0).fit(X[::2], y[::2])
        tree.score(X[1::2], y[1::2])
    run = nb.get_run("script")
    assert run.models[0].name == "tree"
    assert run.params == {"DecisionTreeClassifier.max_depth": 2, "DecisionTreeClassifier.random_state": 0}
    assert list(run.metrics) == ["accuracy"]
    assert [a.name for a in run.artifacts] == ["model/tree.skops"]
    assert run.defaults["DecisionTreeClassifier.criterion"] == "gini"


def test_metrics_redraw_one_card_in_place(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    (tmp_path / "nbmlops.toml").touch()
    code = (
        "%%track live\nimport time, nbmlops as nb\n"
        "from nbmlops.magics import screen\nscreen_first = screen.FIRST_S\n"
        "end = time.monotonic() + 1.6\n"
        "while time.monotonic() < end:\n    nb.log(loss=1.0)\n    time.sleep(0.01)"
    )
    cells = [nbformat.v4.new_code_cell(c) for c in ("%load_ext nbmlops", code)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [o for o in notebook.cells[1].outputs if o.output_type == "display_data"]
    assert len(shown) == 1
    assert shown[0].data["application/vnd.nbmlops.run.v1+json"]["status"] == "finished"


def test_compare_shows_what_changed_since_the_repeat_before(cells, shell):
    cells("%%track a\nC = 1")
    _repeat("%%track a\nC = 2")
    shown = repr(shell.run_line_magic("compare", ""))
    assert "params.C" in shown
    assert shown.split("What changed in the code:")[1].splitlines()[-2:] == ["-C = 1", "+C = 2"]


def test_a_run_says_whether_it_would_come_out_the_same_from_the_top(shell, capsys):
    counted = [
        shell.run_cell(source, cell_id=cell_id, store_history=True).execution_count
        for cell_id, source in (("a", "x = 1"), ("a", "z = 1"))
    ]
    shell.run_cell("%%track order\nx", cell_id="b")
    shown = capsys.readouterr().out
    run = nb.get_run("order")
    assert run.order == "orphaned"
    assert [f["code"] for f in run.findings if f["outcome"] == "warning"] == ["order"]
    assert f"'x' comes from cell [{counted[0]}]" in shown
    assert nb.runs().order[0] == "orphaned"


def test_everything_that_ran_in_the_kernel_is_kept_once_the_first_run_is(shell, project):
    from nbmlops.tracking.executions import of_kernel

    shell.run_cell("x = 1")
    shell.run_cell("api_key = 'abcdefgh'")
    assert not (project / ".nbmlops").exists()
    shell.run_cell("%%track a\nx += 1")
    shell.run_cell("%%track a\nx += 1")
    kept = of_kernel(nb.get_run("a").run_id)
    assert [source for _, source in kept] == [
        *("x = 1", "api_key = '[secret]'"),
        *["%%track a\nx += 1"] * 2,
    ]
    assert kept[2][0]["mutates"] == ("x",)
    assert [e["run_id"] is not None for e, _ in kept] == [False, False, True, True]
    assert nb.get_run("a").order == "reordered"


def test_names_in_a_cell_that_is_timed_are_its_own(shell):
    shell.run_cell("%%time\nx = 1")
    shell.run_cell("%%track a\nx")
    assert nb.get_run("a").order == "clean"


def test_what_ran_before_the_extension_and_the_cell_that_loads_it_count(project):
    from IPython.core.interactiveshell import InteractiveShell

    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(colors="nocolor")
    try:
        shell.run_cell("x = 1", store_history=True)
        shell.run_cell("%load_ext nbmlops\ny = 2", store_history=True)
        shell.run_cell("%%track a\nx + y", store_history=True)
        assert nb.get_run("a").order == "clean"
        shell.run_line_magic("unload_ext", "nbmlops")
    finally:
        InteractiveShell.clear_instance()


BOOSTED = {
    "xgboost": "XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1)",
    "lightgbm": "LGBMClassifier(n_estimators=3, max_depth=2, n_jobs=1, verbose=-1)",
}


@pytest.mark.parametrize("package", list(BOOSTED))
def test_boosted_trees_of_other_packages_are_tracked_and_saved_like_our_own(cells, package, needed):
    from nbmlops.registry import files

    needed(package)
    made = BOOSTED[package]
    _, run = cells(
        f"%%track a\nfrom {package} import {made.split('(')[0]}\nmodel = {made}.fit(X_train, y_train)\n"
        "roc_auc_score(y_test, model.predict_proba(X_test)[:, 1])\nmodel.score(X_test, y_test)"
    )
    kind = made.split("(")[0]
    assert [m.name for m in run.models] == ["model"]
    assert {f"{kind}.n_estimators": 3, f"{kind}.max_depth": 2}.items() <= run.params.items()
    assert set(run.metrics) == {"roc_auc", "accuracy"}
    model, data = session_value("model"), run.artifact("model/model.skops")
    again = files.load(data, files.dump(model)[1], "model")
    assert (again.predict_proba(session_value("X_test")) == model.predict_proba(session_value("X_test"))).all()


@pytest.mark.parametrize("package", list(BOOSTED))
def test_a_search_over_boosted_trees_has_its_candidates_and_one_fit(cells, package, needed):
    needed(package)
    made = BOOSTED[package]
    _, run = cells(
        f"%%track a\nfrom {package} import {made.split('(')[0]}\n"
        f"search = GridSearchCV({made}, {{'max_depth': [1, 2]}}, cv=2).fit(X_train, y_train)"
    )
    assert [c.kind for c in run.children] == ["trial", "trial"]
    assert [m.estimator for m in run.models] == [f"GridSearchCV({made.split('(')[0]})"]


def test_what_is_thrown_away_is_no_data_set(cells):
    cells("%%track thrown\nimport pandas as pd\nkept, _ = pd.DataFrame({'a': [1]}), pd.DataFrame({'b': [2, 3]})")
    assert [d.name for d in nb.get_run("thrown").datasets] == ["kept"]
