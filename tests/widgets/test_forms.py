"""Forms of magics typed alone: what they ask, the line they run, and that it is what a person could have typed."""

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbmlops as nb
from nbmlops.magics import forms as opening
from nbmlops.magics import magics
from nbmlops.quality import rules
from nbmlops.tracking import session
from nbmlops.widgets.forms import asked
from nbmlops.widgets.forms.accepting import LiveRules
from nbmlops.widgets.forms.fields import Field, Form
from nbmlops.widgets.forms.judging import LiveReview
from nbmlops.widgets.forms.live import LiveForm

FORMS = ["check", "drift", "promote", "register", "review", "track"]


@pytest.fixture
def notebook(shell, model, fit, train, held_out):
    """A shell with two fitted models and two frames, as a notebook has them."""
    shell.user_ns.update(april=held_out, train=train, weak=fit("noise"), model=model)
    return shell


@pytest.fixture
def registered(notebook):
    for name in ("weak", "model"):
        notebook.run_line_magic("evaluate", f"{name} april --target late")
        notebook.run_line_magic("register", f"{name} late")
    nb.promote("late", 1, to="champion", reason="the first")
    return notebook


@pytest.fixture
def live(shell):
    """Open the live view of a form and keep what it shows: ``live("drift", frame="april")``."""

    def make(magic, /, view=LiveForm, **answers):
        shown = []
        form = lambda: asked.form(magic, shell.user_ns, opening._cells(shell))  # noqa: E731
        more = {"names": shell.user_ns} if view is LiveRules else {}
        opened = view(form, lambda line: opening.run_line(shell, line), lambda *what: shown.append(what), **more)
        opened.shown = shown
        for field, value in answers.items():
            opened.inputs[field].value = value
        return opened

    return make


def told(live):
    return live.message.value


def test_every_form_of_a_magic_opens(notebook):
    assert sorted(name for name, magic in magics().items() if magic.form) == FORMS
    for name in FORMS:
        form = notebook.run_line_magic(name, "")
        assert isinstance(form, Form)
        assert form.button


@pytest.mark.parametrize("name", FORMS)
def test_without_a_front_end_a_form_is_static_and_says_what_to_type(registered, name):
    bundle = registered.run_line_magic(name, "")._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "application/vnd.nbmlops.form.v1+json"}
    assert "Type: " in bundle["text/plain"]
    assert "<script" not in bundle["text/html"]
    assert "<code" in bundle["text/html"]
    json.dumps(bundle)
    assert registered.run_line_magic(name, "")._repr_mimebundle_() == bundle


def test_forms_begin_with_what_is_likely_meant(registered):
    commands = {name: asked.form(name, registered.user_ns).command() for name in FORMS}
    assert commands == {
        "drift": "%drift train --against late@champion",
        "register": "%register model late",
        "promote": "%promote late 2 --to champion --reason REASON --instead-of 1",
        "track": "%track on EXPERIMENT",
        "check": "import nbmlops as nb\nnb.propose_rules(train, name='train').save()\n\n%check train --accept COLUMN",
        "review": "%review late --most 20",
    }


def test_what_it_begins_with_runs_as_typed(registered):
    assert registered.run_cell(asked.form("drift", registered.user_ns).command()).result.reference == "late@1"


def as_drift(found):
    return {name: value for name, value in found.to_dict().items() if name not in ("episodes", "subject")}


def test_drift_is_the_same_through_form_magic_and_function(registered, live):
    form = live("drift", frame="april", against="train", target="late", by="city")
    form.press.click()
    assert form.ran == "%drift april --against train --target late --by city"
    assert form.shown == [(form.ran, form.result)]
    typed = registered.run_cell(form.ran).result
    called = nb.drift(registered.user_ns["april"], registered.user_ns["train"], target="late", by="city")
    assert type(form.result) is type(typed) is type(called)
    assert as_drift(form.result) == as_drift(typed) == as_drift(called)


def test_register_is_the_same_through_form_magic_and_function(notebook, live):
    nb.evaluate(notebook.user_ns["model"], notebook.user_ns["april"], target="late")
    form = live("register", model="model", name="late", background="train")
    form.press.click()
    assert form.ran == "%register model late --background train"
    typed = notebook.run_cell(form.ran).result
    called = nb.register(notebook.user_ns["model"], "late", background=notebook.user_ns["train"])
    assert [one.ref for one in (form.result, typed, called)] == ["late@1", "late@2", "late@3"]
    assert form.result.signature == typed.signature == called.signature
    assert form.result.metrics == typed.metrics == called.metrics


def test_promote_is_the_same_through_form_magic_and_function(registered, live):
    form = live("promote", version="2", to="challenger", reason='"better" on March')
    form.press.click()
    assert form.ran == '%promote late 2 --to challenger --reason "\\"better\\" on March"'
    assert form.result.aliases == ("challenger",)
    assert form.result.decision["reason"] == '"better" on March'
    typed = registered.run_cell(form.ran).result
    called = nb.promote("late", 2, to="challenger", reason='"better" on March')
    assert {k: form.result.decision[k] for k in ("reason", "policy", "evaluation")} == {
        k: called.decision[k] for k in ("reason", "policy", "evaluation")
    }
    assert form.result.to_dict()["aliases"] == typed.to_dict()["aliases"] == called.to_dict()["aliases"]


def test_the_form_of_promote_says_who_holds_the_alias_and_moves_it_only_from_there(registered, live):
    static = repr(asked.form("promote", registered.user_ns))
    assert "late@champion is version 1 now." in static
    form = live("promote", version="2", reason="better")
    assert "late@champion is version 1 now." in form.preview.value
    form.inputs["to"].value = "challenger"
    assert "No version is late@challenger now." in form.preview.value
    form.inputs["to"].value = "champion"
    nb.promote("late", 2, to="champion", reason="somebody else was faster")
    form.press.click()
    assert form.ran == ""
    assert "late@champion was moved to version 2 meanwhile" in told(form)
    form.refresh()
    form.inputs["version"].value = "1"
    form.press.click()
    assert form.ran == "%promote late 1 --to champion --reason better --instead-of 2"
    form.inputs["version"].value = "2"  # what the form itself moved is no surprise
    form.press.click()
    assert form.ran == "%promote late 2 --to champion --reason better --instead-of 1"


def test_more_versions_than_are_listed_are_said(registered, monkeypatch):
    assert "not listed" not in repr(asked.form("drift", registered.user_ns))
    monkeypatch.setattr("nbmlops.widgets.forms.choices.MOST_NAMES", 2)
    assert "1 more versions are not listed. Type: %drift FRAME" in repr(asked.form("drift", registered.user_ns))


@pytest.mark.parametrize("name", FORMS)
def test_a_form_in_a_fresh_folder_makes_no_store(shell, project, name):
    assert "Type: " in repr(asked.form(name, shell.user_ns))
    assert not list(project.glob(".nbmlops/*"))


def test_a_refused_promotion_is_one_line_and_loses_nothing(registered, live, project):
    (project / "charter.yaml").write_text("promotes: better")
    form = live("promote", version="2", reason="it looks good")
    form.press.click()
    assert "No gate has compared late@2 with late@1" in told(form)
    assert 'role="alert"' in told(form)
    assert form.values()["reason"] == "it looks good"
    assert not form.press.disabled
    assert form.shown == []
    assert nb.model_version("late@2").aliases == ()


CELL = """from sklearn.linear_model import LogisticRegression
C = 0.5
fitted = LogisticRegression(C=C).fit(train[["age", "noise"]], train.late)"""


def test_track_runs_a_cell_again_below_its_header(notebook, live):
    notebook.run_cell(CELL, store_history=True)
    form = live("track", experiment="forest", tag="data=january", metric="roc_auc")
    assert form.inputs["cell"].value.endswith('fitted = LogisticRegression(C=C).fit(train[["age", "noise"]]…')
    form.press.click()
    assert form.ran == f"%%track forest --metric roc_auc --tag data=january\n{CELL}"
    assert form.result.experiment == "forest"
    assert form.result.params["C"] == 0.5
    assert form.result.tags["data"] == "january"
    notebook.run_cell(form.ran)
    typed = nb.get_run("forest")
    assert typed.run_id != form.result.run_id
    assert (typed.params, typed.tags["data"]) == (form.result.params, "january")
    with nb.run("forest", params={"C": 0.5}, tags={"data": "january"}):
        pass
    assert nb.get_run("forest").params["C"] == form.result.params["C"]


def test_track_says_that_a_cell_failed_and_keeps_its_run(notebook, live):
    notebook.run_cell("1 / 0", store_history=True)
    form = live("track", experiment="broken")
    form.press.click()
    assert "The cell failed: ZeroDivisionError" in told(form)
    assert "Its run is kept, as failed." in told(form)
    assert nb.get_run("broken").status == "failed"


def test_track_says_that_a_cell_did_not_run(notebook, live):
    notebook.run_cell("1 +", store_history=True)
    form = live("track", experiment="broken")
    form.press.click()
    assert "The cell failed: SyntaxError" in told(form)
    assert ("Its run is kept" in told(form)) is (len(nb.runs()) == 1)


def test_track_switches_every_cell_on_and_off(notebook, live):
    from nbmlops.magics import tracker

    form = live("track", cell=asked.FROM_NOW_ON, experiment="all of them")
    form.press.click()
    assert form.ran == '%track on "all of them"'
    assert tracker(notebook).auto == "all of them"
    form.inputs["cell"].value = asked.NO_MORE
    form.press.click()
    assert tracker(notebook).auto == ""


def test_a_double_click_registers_once(notebook, live):
    form = live("register", name="late")
    form.press.click()
    form.press.click()
    assert nb.model_version("late").version == 1
    form.inputs["background"].value = "train"  # another answer is another wish
    form.press.click()
    assert nb.model_version("late").version == 2


def test_a_double_click_on_what_fails_fails_once(notebook, live):
    notebook.run_cell("tried = [*globals().get('tried', ()), 1]\n1 / 0", store_history=True)
    form = live("track", experiment="broken")
    form.clock = lambda: 5_000.0
    form.press.click()
    form.press.click()
    assert len(notebook.user_ns["tried"]) == 2  # once by hand, once by the form
    form.clock = lambda: 5_001.0
    form.press.click()
    assert len(notebook.user_ns["tried"]) == 3


def test_what_was_fitted_anew_is_registered_after_a_look(notebook, live, fit):
    form = live("register", model="model", name="late")
    form.press.click()
    notebook.user_ns["model"] = fit("age")
    form.press.click()
    assert len(nb.models()) == 1
    form.again.click()
    form.press.click()
    assert nb.model_version("late").version == 2
    assert [c["name"] for c in nb.model_version("late").signature["columns"]] == ["age"]


def test_two_forms_at_once_keep_to_themselves(notebook, live):
    first, second = live("register", model="model", name="one"), live("register", model="weak", name="two")
    second.press.click()
    first.press.click()
    assert (first.result.ref, second.result.ref) == ("one@1", "two@1")
    assert first.shown == [(first.ran, first.result)]
    assert second.shown == [(second.ran, second.result)]


def test_a_column_that_is_gone_is_one_line(notebook, live):
    form = live("drift", frame="april", against="train", by="city")
    notebook.user_ns["april"] = notebook.user_ns["april"].drop(columns="city")
    form.press.click()
    assert "city" in told(form)
    assert 'role="alert"' in told(form)
    form.again.click()
    assert form.values()["by"] == ""
    form.press.click()
    assert 'role="status"' in told(form)


def test_a_variable_that_vanished_is_one_line(notebook, live):
    form = live("register", model="weak", name="late")
    del notebook.user_ns["weak"]
    form.press.click()
    assert "No variable &#x27;weak&#x27; in this notebook." in told(form)
    form.again.click()
    assert form.values() == {"model": "model", "name": "late", "background": ""}
    form.press.click()
    assert form.result.ref == "late@1"


def test_what_is_missing_is_said_and_nothing_runs(shell, live):
    form = live("register")
    form.press.click()
    assert "Still to answer: model, name. Nothing to choose from: fit a model first." in told(form)
    assert form.shown == []


def test_columns_are_those_of_the_frame(notebook, live):
    notebook.user_ns["days"] = pd.DataFrame({"day": [1], 7: [1]})
    form = live("drift", frame="days")
    assert form.inputs["by"].options == (("-", ""), ("day", "day"))
    form.inputs["by"].value = "day"
    form.inputs["frame"].value = "april"
    assert form.values()["by"] == ""
    assert "city" in dict(form.inputs["by"].options)


def test_a_store_that_does_not_answer_is_a_note(notebook, live, monkeypatch):
    from nbmlops.errors import Unavailable
    from nbmlops.store import models

    def away(*_):
        raise Unavailable("The database is away.", "")

    assert nb.runs().empty  # there is a store now
    monkeypatch.setattr(models, "listed", away)
    form = asked.form("drift", notebook.user_ns)
    assert form.notes == ("The store does not answer: The database is away.",)
    assert form.command() == "%drift train --against april"


def test_a_users_object_that_answers_with_an_error_is_passed_over(notebook):
    class Odd:
        @property
        def columns(self):
            raise RuntimeError("no")

        def __getattr__(self, name):
            raise RuntimeError("no")

    notebook.user_ns["odd"] = Odd()
    assert "odd" not in asked.form("drift", notebook.user_ns).fields[0].choices


def test_a_name_somebody_else_has_is_typed_below_nbmlops(project, notebook, live):
    notebook.run_line_magic("unload_ext", "nbmlops")
    notebook.register_magic_function(lambda line: "theirs", "line", "drift")
    notebook.run_line_magic("load_ext", "nbmlops")
    form = notebook.run_line_magic("nbmlops", "drift")
    assert form.command() == "%nbmlops drift train --against april"
    assert notebook.run_cell(form.command()).result.subject
    notebook.magics_manager.magics["line"].pop("drift")


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp", "Cs")), min_size=1).filter(str.strip)


@pytest.fixture(scope="module")
def echo():
    """What the magic %echo was given, by a shell of its own."""
    from IPython.core.interactiveshell import InteractiveShell

    shell, seen = InteractiveShell(), []
    shell.register_magic_function(seen.append, "line", "echo")
    shell.user_ns["x"] = "replaced"
    return shell, seen


@settings(max_examples=300, deadline=None)
@given(st.one_of(TEXT, st.text("ab x${}'\"\\?!;#", min_size=1).filter(str.strip)), st.booleans())
def test_the_line_shown_is_the_line_that_runs(echo, reason, pasted):
    import shlex

    shell, seen = echo
    form = Form("%echo", "", "", (Field("reason", "", option="--reason"), Field("by", "", option="--by")))
    line = form.line({"reason": reason, "by": "it's $x"})
    seen.clear()
    if pasted:
        shell.run_cell(line)
    else:
        shell.run_line_magic("echo", line.partition(" ")[2])
    assert shlex.split(seen[0]) == ["--reason", reason, "--by", "it's $x"]


def test_hostile_names_are_text(notebook):
    notebook.user_ns["frame"] = pd.DataFrame({"<script>alert(1)</script>": [1, 2]})
    html = asked.form("drift", notebook.user_ns)._repr_mimebundle_()["text/html"]
    assert "<script" not in html
    assert "&lt;script&gt;" in html


# --- rules to accept


def test_rules_are_ticked_accepted_and_checked(notebook, live, project):
    form = live("check", LiveRules, frame="april")
    form.press.click()
    assert not (project / "rules").exists()
    assert "age" in form.ticks
    form.ticks["age"].value = True
    accept = form.extra.children[-1].children[0]
    accept.click()
    about = rules.load("april").columns
    assert about["age"]["state"] == "accepted"
    assert about["city"]["state"] == "proposed"
    assert form.ran == "nb.propose_rules(april, name='april').save()\n%check april --accept age"
    assert form.result.verdict == "ok"
    assert form.shown == [(form.ran, form.result)]
    called = nb.check(notebook.user_ns["april"], "april")
    assert [f.message for f in form.result.findings] == [f.message for f in called.findings]


def test_no_rule_ticked_is_said(notebook, live, project):
    form = live("check", LiveRules, frame="april", rules="spring")
    form.press.click()
    form.extra.children[-1].children[0].click()
    assert "No rule is ticked." in told(form)
    assert not (project / "rules").exists()
    form.extra.children[-1].children[1].click()
    form.extra.children[-1].children[0].click()
    assert {about["state"] for about in rules.load("spring").columns.values()} == {"accepted"}
    assert "--rules spring --accept " in form.ran


def test_rules_of_a_frame_that_vanished_are_one_line(notebook, live):
    form = live("check", LiveRules, frame="april")
    del notebook.user_ns["april"]
    form.press.click()
    assert "No variable &#x27;april&#x27; any more." in told(form)


def test_no_rule_is_written_for_a_frame_that_vanished(notebook, live, project):
    form = live("check", LiveRules, frame="april")
    form.press.click()
    form.ticks["age"].value = True
    del notebook.user_ns["april"]
    form.extra.children[-1].children[0].click()
    assert "No variable &#x27;april&#x27; any more." in told(form)
    assert not (project / "rules").exists()


def test_no_rule_is_written_for_another_frame_of_that_name(notebook, live, project):
    form = live("check", LiveRules, frame="april")
    form.press.click()
    form.ticks["age"].value = True
    notebook.user_ns["april"] = notebook.user_ns["april"].assign(age=-1.0)
    form.extra.children[-1].children[0].click()
    assert "april is not what the rules were proposed from." in told(form)
    assert not (project / "rules").exists()
    form.again.click()
    form.press.click()
    form.ticks["city"].value = True
    form.extra.children[-1].children[0].click()
    assert form.result.verdict == "ok"


def test_a_wide_frame_stops_no_page(notebook, live, monkeypatch):
    from nbmlops.widgets.forms import accepting

    monkeypatch.setattr(accepting, "MOST_TICKS", 2)
    form = live("check", LiveRules, frame="april")
    form.press.click()
    assert len(form.ticks) == 2
    assert "2 to look at; nothing is written yet." in told(form)
    assert "more are not shown: %check april --accept COLUMN." in told(form)


# --- predictions to judge


@pytest.fixture
def judged(registered, people, live):
    """A review that began: 6 rows of 200 predictions, with a clock that goes on by ten seconds each time."""
    nb.predict("late@2", people(200, 9))
    form = live("review", LiveReview, model="late", most="6")
    ticks = iter(range(0, 10_000, 10))
    form.clock = lambda: next(ticks)
    form.press.click()
    return form


def opinions(form):
    from nbmlops.store import predictions

    ids = [row["prediction_id"] for row in form.rows]
    return {row["prediction_id"]: row for row in predictions.newest(session.store(), ids)}


def test_some_rows_are_drawn_by_chance(registered, people, live):
    nb.predict("late@2", people(200, 9))
    form = live(
        "review", LiveReview, model="late", most="40"
    )  # of six rows there may be none: their number is chance too
    form.press.click()
    assert "random" in {reason for row in form.rows for reason in row["reasons"]}


def test_each_answer_is_kept_at_once(judged):
    assert judged.ran == "%review late --most 6"
    first, second = (row["prediction_id"] for row in judged.rows[:2])
    judged.verdicts["agree"].click()
    assert opinions(judged)[first]["verdict"] == "agree"
    judged.label.value, judged.reason.value = str(not judged.rows[1]["prediction"]), "it rained"
    judged.verdicts["disagree"].click()
    kept = opinions(judged)[second]
    assert (kept["verdict"], kept["reason"]) == ("disagree", "it rained")
    assert kept["outcome"] is not judged.rows[1]["prediction"]
    assert kept["source"] == "review"
    assert "3 of 6" in judged.about.value
    assert judged.reason.value == ""


def test_the_list_ends_and_says_how_to_estimate(judged):
    for _ in range(6):
        judged.verdicts["unsure"].click()
    assert "Judged: 6 unsure" in judged.about.value
    assert "%review late --estimate" in judged.about.value
    judged.answer("agree")
    assert all(row["verdict"] == "unsure" for row in opinions(judged).values())


def test_a_second_click_answers_no_row_that_nobody_read(judged):
    judged.clock = lambda: 5_000.0
    judged.answered_at = 0.0
    judged.verdicts["agree"].click()
    judged.verdicts["agree"].click()
    assert len(opinions(judged)) == 1


def test_an_answer_is_changed_by_going_back(judged):
    judged.verdicts["agree"].click()
    judged.back.click()
    assert "you said agree" in judged.about.value
    judged.verdicts["disagree"].click()
    assert opinions(judged)[judged.rows[0]["prediction_id"]]["verdict"] == "disagree"


def test_what_was_said_comes_back_with_its_reason(judged):
    judged.label.value, judged.reason.value = str(not judged.rows[0]["prediction"]), "it rained"
    judged.verdicts["disagree"].click()
    judged.back.click()
    assert (judged.label.value, judged.reason.value) == (str(not judged.rows[0]["prediction"]), "it rained")
    judged.verdicts["unsure"].click()
    kept = opinions(judged)[judged.rows[0]["prediction_id"]]
    assert (kept["verdict"], kept["reason"]) == ("unsure", "it rained")
    assert judged.reason.value == ""  # of the next row


def test_the_focus_is_never_on_what_rests(judged, monkeypatch):
    seen = []
    monkeypatch.setattr(type(judged.back), "focus", lambda self: seen.append(self))
    for _ in judged.rows:
        judged.verdicts["agree"].click()
        assert not seen[-1].disabled
    assert seen[0] is judged.verdicts["agree"]
    assert seen[-1] is judged.back
    for _ in judged.rows:
        judged.back.click()
    assert seen[-1] is judged.verdicts["agree"]


def test_a_review_goes_on_where_a_kernel_ended(judged, live):
    first, second, third = (row["prediction_id"] for row in judged.rows[:3])
    for verdict in ("agree", "disagree", "unsure"):
        judged.verdicts[verdict].click()
    session.reset()  # as a new kernel begins
    form = live("review", LiveReview, model="late", most="6")
    form.press.click()
    listed = {row["prediction_id"] for row in form.rows}
    assert third in listed  # who is unsure has not judged
    assert not {first, second} & listed


def test_a_review_says_how_many_were_drawn_and_how(judged):
    drawn = sum(row["drawn_with"] is not None for row in judged.rows)
    assert f"6 rows, {drawn} of them drawn by chance (seed 0)." in told(judged)


def test_a_row_is_shown_in_the_columns_of_its_version(judged):
    """The champion takes fewer columns than the version that predicted."""
    assert set(judged.rows[0]["inputs"]) == {"age", "city", "noise"}
    for name in ("age", "city", "noise"):
        assert name in judged.about.value


def test_private_columns_are_masked_and_long_texts_cut(registered, people, live, project):
    (project / "charter.yaml").write_text("private: [city]\n")
    nb.predict("late@2", people(200, 9))
    form = live("review", LiveReview, model="late", most="6")
    form.press.click()
    assert {row["inputs"]["city"] for row in form.rows} == {"masked"}
    assert "Bern" not in form.about.value + json.dumps(form.rows, default=str)
    form.rows = [{**form.rows[0], "inputs": {"note": "<b>long " * 10_000}}]
    form.go(0)
    assert len(form.about.value) < 5_000
    assert "(80,000 letters)" in form.about.value
    assert "<b>" not in form.about.value


def test_ten_thousand_rows_are_listed_and_judged(registered, people, live):
    nb.predict("late@2", people(12_000, 9))
    form = live("review", LiveReview, model="late", most="10000")
    form.press.click()
    assert len(form.rows) > 4_000
    form.verdicts["agree"].click()
    assert "2 of " in form.about.value


def test_numbers_are_typed_and_not_chosen(judged):
    judged.rows = [{**judged.rows[0], "prediction": n / 7} for n in range(200)]
    assert len(judged._labels()) == 200
    judged.result = type("Listed", (), {"rows": judged.rows, "seed": 0})
    judged.run = lambda line: judged.result
    judged.again.click()
    judged.press.click()
    assert judged.label.options == ()


def test_to_agree_and_to_name_another_label_is_refused(judged):
    judged.label.value = str(not judged.rows[0]["prediction"])
    judged.verdicts["agree"].click()
    assert "Disagree, or clear it." in judged.kept.value
    assert opinions(judged) == {}
    assert "1 of 6" in judged.about.value


def test_an_answer_that_cannot_be_kept_stays(judged, monkeypatch):
    from nbmlops.errors import Unavailable
    from nbmlops.widgets.forms import judging

    def full(*_, **__):
        raise Unavailable("1 rows of feedback are not kept (disk full).", "")

    monkeypatch.setattr(judging, "feedback", full)
    judged.reason.value = "it rained"
    judged.verdicts["disagree"].click()
    assert "disk full" in judged.kept.value
    assert judged.reason.value == "it rained"
    assert "1 of 6" in judged.about.value


def test_a_number_of_rows_that_is_none_is_one_line(registered, live):
    form = live("review", LiveReview, most="many")
    form.press.click()
    assert "many" in told(form)
    assert "Write a whole number" in told(form)
