"""A tracked cell behaves as an untracked one, and leaves a run."""

import warnings

import numpy as np
import pytest

import nbmlops as nb
from nbmlops.errors import Invalid
from nbmlops.tracking import session

FIT = """
import numpy as np, pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
rng = np.random.default_rng(0)
train = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
train["late"] = (train.a > 0).astype(int)
"""
TRACKED = """%%track logistic --tag data=small --name "first try"
strength = 0.5
model = make_pipeline(StandardScaler(), LogisticRegression(C=strength)).fit(train[["a", "b"]], train.late)
roc_auc_score(train.late, model.predict_proba(train[["a", "b"]])[:, 1])
"""


@pytest.fixture
def tracked(shell):
    shell.run_cell(FIT)
    result = shell.run_cell(TRACKED)
    return result, nb.get_run("logistic")


def test_a_run_says_what_was_set_fitted_measured_and_on_which_data(tracked):
    result, run = tracked
    assert result.result > 0.9
    assert (run.kind, run.status, run.name, run.tags) == ("cell", "finished", "first try", {"data": "small"})
    assert run.params["strength"] == 0.5
    assert run.params["LogisticRegression.C"] == 0.5
    assert run.defaults["LogisticRegression.tol"] == 1e-4
    assert {p.name: p.origin for p in run.param_records} == {"strength": "assigned", "LogisticRegression.C": "set"}
    assert [m.estimator for m in run.models] == ["Pipeline(StandardScaler, LogisticRegression)"]
    assert run.models[0].name == "model"
    data = {d.name: d for d in run.datasets}["train"]
    assert (data.rows, data.strength, [c["name"] for c in data.columns]) == (200, "full", ["a", "b", "late"])
    assert run.source == TRACKED
    assert run.duration_s > 0


def test_a_metric_on_rows_called_train_is_never_the_headline(tracked):
    _, run = tracked
    assert "roc_auc" not in run.metrics
    assert run.metrics["roc_auc[split=train]"] == pytest.approx(tracked[0].result)


def test_the_environment_and_commit_arrive_with_the_run(tracked, project):
    import json
    import threading

    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.name == "nbmlops-about-machine":
            thread.join(10)
    run = nb.get_run("logistic")
    packages = json.loads(session.artifacts().get(run.environment))
    assert packages["packages"]["scikit-learn"]
    assert packages["python"]


def test_a_metric_imported_before_the_extension_is_seen_and_untouched_after(shell):
    from sklearn.metrics import accuracy_score

    before = accuracy_score.__closure__[0].cell_contents
    shell.user_ns["score"] = accuracy_score
    shell.run_cell("%%track early\nscore([1, 0], [1, 1])")
    assert nb.get_run("early").metrics == {"accuracy": 0.5}
    assert accuracy_score.__closure__[0].cell_contents is before


def test_a_cross_validation_is_its_mean_and_its_folds_are_runs_of_their_own(shell):
    shell.run_cell(FIT)
    shell.run_cell(
        "%%track cv\nfrom sklearn.model_selection import cross_val_score\n"
        "scores = cross_val_score(LogisticRegression(C=0.1), train[['a', 'b']], train.late, scoring='accuracy', cv=4)"
    )
    run, scores = nb.get_run("cv"), shell.user_ns["scores"]
    assert run.metrics == {"accuracy": scores.mean(), "accuracy[split=cv,stat=std]": scores.std()}
    assert run.params["LogisticRegression.C"] == 0.1
    assert [(c.kind, c.metrics["accuracy"]) for c in run.children] == [("fold", s) for s in scores]
    assert list(nb.runs().experiment) == ["cv"]


def test_a_failing_cell_fails_as_untracked(shell, capsys):
    plain = shell.run_cell("x = 1\n1 / 0")
    tracked = shell.run_cell("%%track bad\nx = 1\n1 / 0")
    assert isinstance(tracked.error_in_exec, ZeroDivisionError)
    assert (
        plain.error_in_exec.__traceback__.tb_next.tb_lineno + 1 == tracked.error_in_exec.__traceback__.tb_next.tb_lineno
    )
    run = nb.get_run("bad")
    assert (run.status, run.cause, run.error["name"]) == ("failed", "error", "ZeroDivisionError")


def test_a_syntax_error_and_an_interrupt_are_told_apart(shell):
    assert isinstance(shell.run_cell("%%track syntax\n1 +").error_before_exec, SyntaxError)
    shell.run_cell("%%track stopped\nraise KeyboardInterrupt")
    assert nb.get_run("syntax").status == "failed"
    assert nb.get_run("stopped").status == "interrupted"


def test_await_works_at_the_top_level(shell):
    result = shell.run_cell("%%track waiting\nimport asyncio\nawait asyncio.sleep(0)\n42")
    assert result.result == 42
    assert nb.get_run("waiting").status == "finished"


@pytest.mark.parametrize("line", ["%%track", "%%track a --unknown 1", "%%track a b", "%%track a --tag x", '%%track "a'])
def test_a_wrong_header_is_one_line_and_the_cell_does_not_run(shell, line):
    result = shell.run_cell(f"{line}\nran = True")
    assert isinstance(result.error_before_exec, Invalid)
    assert "Usage: %%track" in str(result.error_before_exec) or "KEY=VALUE" in str(result.error_before_exec)
    assert "ran" not in shell.user_ns
    assert nb.runs().empty


def test_another_cell_magic_may_follow(shell):
    shell.run_cell("# a comment first\n\n%%track timed\n%%time\nvalue = 7\n")
    assert shell.user_ns["value"] == 7
    assert nb.get_run("timed").status == "finished"


def test_an_empty_cell_is_a_hint(shell, capsys):
    shell.run_cell("%%track nothing\n\n")
    assert "the cell is empty" in capsys.readouterr().out
    assert nb.runs().empty


def test_help_is_left_alone(shell, capsys):
    shell.run_cell("%%track?")
    assert "Example" in capsys.readouterr().out
    assert nb.runs().empty


def test_results_and_random_state_are_the_same_with_and_without(shell):
    cell = """np.random.seed(1)
from sklearn.ensemble import RandomForestClassifier
f = RandomForestClassifier(5).fit(train[['a', 'b']], train.late)
p = f.predict_proba(train[['a', 'b']])"""
    shell.run_cell(FIT)
    shell.run_cell(cell)
    plain, state = shell.user_ns["p"], np.random.get_state()[1].copy()
    attributes = set(vars(shell.user_ns["f"]))
    shell.run_cell(f"%%track same\n{cell}")
    assert np.array_equal(plain, shell.user_ns["p"])
    assert np.array_equal(state, np.random.get_state()[1])
    assert set(vars(shell.user_ns["f"])) == attributes


def test_pictures_the_cell_shows_are_kept(shell):
    shell.run_cell("%%track drawn\nfrom IPython.display import display\ndisplay({'image/png': 'aGVsbG8='}, raw=True)")
    run = nb.get_run("drawn")
    assert run.artifact("figure-1.png") == b"hello"
    assert "publish" not in vars(shell.display_pub)


def test_a_repeat_knows_the_one_before(shell):
    shell.run_cell("%%track again\nx = 1")
    shell.run_cell("%%track again\nx = 2")
    newest = nb.get_run("again")
    assert newest.previous == nb.get_run("again~1").run_id
    assert nb.compare(["again", "again~1"]).rows[0] == {"name": "params.x", "values": [2, 1]}


def test_an_unwritable_store_is_one_warning_and_nothing_is_lost(shell, project):
    (project / ".nbmlops").write_text("no folder here")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = shell.run_cell("%%track waits\nx = 5\nx")
    ours = [w for w in caught if "nbmlops" in str(w.message)]
    assert result.result == 5
    assert len(ours) == 1, [str(w.message) for w in ours]
    (project / ".nbmlops").unlink()
    session.reset()
    assert nb.get_run("waits").params == {"x": 5}


def test_a_fault_of_ours_is_a_warning_and_the_cell_runs(shell, monkeypatch):
    monkeypatch.setattr("nbmlops.tracking.cell.analyse", lambda source: 1 / 0)
    with pytest.warns(RuntimeWarning, match="Your cell is not affected"):
        result = shell.run_cell("%%track broken\nx = 5\nx")
    assert result.result == 5


def test_loading_twice_is_silent_and_unloading_leaves_nothing(shell, capsys):
    hooks = list(shell.input_transformers_cleanup)
    shell.run_cell("%load_ext nbmlops")
    assert capsys.readouterr().out == ""
    nb.load_ipython_extension(shell)
    assert shell.input_transformers_cleanup == hooks
    shell.run_line_magic("unload_ext", "nbmlops")
    assert not [h for h in shell.input_transformers_cleanup if h.__module__.startswith("nbmlops")]
    assert not [h for h in shell.events.callbacks["post_run_cell"] if "nbmlops" in getattr(h, "__module__", "")]
    assert "track" not in shell.magics_manager.magics["cell"]
    assert "runs" not in shell.magics_manager.magics["line"]
    shell.run_line_magic("load_ext", "nbmlops")


def test_a_magic_of_somebody_else_stays_theirs(shell, capsys):
    nb.unload_ipython_extension(shell)
    shell.register_magic_function(lambda line: "theirs", "line", "runs")
    nb.load_ipython_extension(shell)
    assert "keeps the magics that were there: runs" in capsys.readouterr().out
    assert shell.run_line_magic("runs", "") == "theirs"
    assert shell.run_line_magic("nbmlops", "runs").runs == ()


def test_switched_off_it_does_nothing(shell, monkeypatch):
    monkeypatch.setenv("NBMLOPS_DISABLED", "1")
    assert shell.run_cell("%%track off\n3").result == 3
    monkeypatch.delenv("NBMLOPS_DISABLED")
    assert nb.runs().empty


def test_secrets_do_not_reach_the_disk(shell, project):
    secret = "hunter2verysecret"
    shell.run_cell(
        f'%%track masked\napi_key = "{secret}"\nurl = "postgresql://me:{secret}@db/x"\nraise ValueError(url)'
    )
    nb.runs()
    for path in project.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_a_log_from_a_thread_reaches_the_cells_run(shell):
    shell.run_cell(
        "%%track threaded\nimport threading, nbmlops as nb\n"
        "t = threading.Thread(target=lambda: nb.log(loss=1.5)); t.start(); t.join()"
    )
    assert nb.get_run("threaded").metrics == {"loss": 1.5}


def test_training_rows_are_refused_in_the_very_cell_that_fitted_on_them(shell):
    shell.run_cell(FIT)
    result = shell.run_cell(
        "%%track hasty\nimport nbmlops as nb\nmodel = LogisticRegression().fit(train[['a', 'b']], train.late)\n"
        "nb.evaluate(model, train, target='late')"
    )
    assert isinstance(result.error_in_exec, PermissionError)
    assert "fitted on" in str(result.error_in_exec)


def test_a_cell_that_runs_a_cell_is_still_one_run_with_its_own_end(shell):
    shell.run_cell(FIT)
    shell.run_cell(
        "%%track outer\nget_ipython().run_cell('y = 2')\n"
        "m = LogisticRegression(C=0.3).fit(train[['a', 'b']], train.late)\n1 / 0"
    )
    outer = nb.get_run("outer")
    assert (outer.status, len(outer.models)) == ("failed", 1)


def test_a_tracked_cell_inside_a_tracked_cell_is_its_child(shell):
    shell.run_cell("%%track outer\nget_ipython().run_cell('%%track inner\\nz = 1')\nw = 2")
    assert nb.get_run("inner").parent == nb.get_run("outer").run_id
    assert nb.get_run("outer").status == "finished"


def test_an_interrupt_while_tracking_begins_keeps_the_cell_from_running(shell, monkeypatch):
    def interrupted(*words):
        raise KeyboardInterrupt

    monkeypatch.setattr("nbmlops.capture.data.describe", interrupted)
    shell.run_cell(FIT)
    result = shell.run_cell("%%track stopped\nran = len(train)")
    monkeypatch.undo()
    assert not result.success
    assert "ran" not in shell.user_ns
    assert shell.run_cell("after = 1").success
    assert session.current() is None


@pytest.mark.parametrize(
    "source",
    [
        "x = '\\udc80'",
        "old = pd.DataFrame({'d': np.array(['1600-01-01'], dtype='datetime64[s]')}); n = len(old)",
    ],
)
def test_odd_text_and_odd_dates_are_tracked_and_leave_nothing_open(shell, source):
    shell.run_cell("import numpy as np, pandas as pd")
    assert shell.run_cell(f"%%track odd\n{source}").success
    assert shell.run_cell(f"%%track odd\n{source}").success
    assert nb.get_run("odd").status == "finished"
    assert session.current() is None


def test_where_warnings_are_errors_the_cell_still_runs(shell, project, capsys):
    (project / ".nbmlops").write_text("no folder here")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = shell.run_cell("%%track strict\nx = 5\nx")
    assert result.result == 5
    assert "waits in" in capsys.readouterr().err
    (project / ".nbmlops").unlink()
    session.reset()
    assert nb.get_run("strict").params == {"x": 5}


def test_a_store_deleted_while_the_kernel_lives_is_made_anew(shell, project):
    import shutil

    shell.run_cell("%%track one\nx = 1")
    assert len(nb.runs()) == 1
    shutil.rmtree(project / ".nbmlops")
    shell.run_cell("%%track two\nx = 2")
    assert list(nb.runs()["experiment"]) == ["two"]
    session.reset()
    assert list(nb.runs()["experiment"]) == ["two"]


def test_a_model_fitted_again_unwatched_is_not_what_the_run_fitted(shell):
    shell.run_cell(FIT)
    shell.run_cell("%%track first\nmodel = LogisticRegression().fit(train[['a', 'b']], train.late)")
    from nbmlops.capture.estimators import fit_record

    assert fit_record(shell.user_ns["model"])["rows"] == 200
    shell.run_cell("model.fit(train[['a', 'b']][:150], train.late[:150])")
    assert fit_record(shell.user_ns["model"]) is None


def test_a_publisher_of_the_users_own_stays(shell):
    seen = []
    shell.display_pub.__dict__["publish"] = lambda data, *args, **kwargs: seen.append(data)
    shell.run_cell("%%track mine\nx = 1")
    assert shell.display_pub.__dict__.pop("publish")({}) is None
    assert seen


def test_the_line_that_loads_us_stays_where_it_is_data(shell):
    shell.run_cell("text = '''\n%load_ext nbmlops\n'''")
    assert shell.user_ns["text"] == "\n%load_ext nbmlops\n"


def test_copies_that_cross_validation_fits_are_not_the_users_models(shell):
    shell.run_cell(FIT)
    shell.run_cell(
        "%%track folds\nfrom sklearn.model_selection import cross_val_score\nmodel = LogisticRegression(C=0.2)\n"
        "scores = cross_val_score(model, train[['a', 'b']], train.late)\nmodel.fit(train[['a', 'b']], train.late)"
    )
    assert [m.name for m in nb.get_run("folds").models] == ["model"]


def test_fit_predict_is_the_users_fit(shell):
    shell.run_cell(FIT)
    shell.run_cell(
        "%%track clusters\nfrom sklearn.cluster import KMeans\nk = KMeans(2, n_init=1, random_state=0)\n"
        "found = k.fit_predict(train[['a', 'b']])"
    )
    assert [m.name for m in nb.get_run("clusters").models] == ["k"]


def test_help_behind_it_shows_its_usage_and_runs_nothing(shell, capsys):
    for cell in ("%%track --help", "%%track forest --help\nseen = 1"):
        assert shell.run_cell(cell).success
        assert "usage: %%track" in capsys.readouterr().out
    assert "seen" not in shell.user_ns
    assert len(nb.runs()) == 0
