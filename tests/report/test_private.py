"""Nothing private leaves: no value of a private column or target in any report, its facts, how-to page or site."""

import json
import re

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import nbmlops as nb
from nbmlops.report import as_markdown, snapshot
from nbmlops.report.gathered.masked import setting
from nbmlops.report.gathered.raised import raised
from nbmlops.report.kinds.kind import kind_of, subject_of
from nbmlops.tracking import session

CHARTER = """
problem: Which ward?
private: [diagnosis, ward]
metrics: [{name: accuracy, at_least: 0.1}]
"""
MARKER = "zqx"  # every private value begins so


def rows(amount, seed, classes=3):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": rng.normal(size=amount), "ward": rng.choice(["zqxa", "zqxb"], amount)})
    truth = (frame.age + rng.normal(0, 0.4, amount) > 0).astype(int) + (classes == 3) * (frame.age > 1)
    return frame.assign(diagnosis=[f"zqxd{t}" for t in truth])


def fitted(frame):
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = make_column_transformer((OneHotEncoder(), ["ward"]), ("passthrough", ["age"]))
    return make_pipeline(columns, LogisticRegression()).fit(frame[["age", "ward"]], frame.diagnosis)


def tracked(seed, classes):
    train, test = rows(300, seed, classes), rows(400, seed + 1, classes)
    with session.run("wards") as run:
        model = fitted(train)
        nb.evaluate(model, test, target="diagnosis", by=["ward"])
        nb.register(model, "wards", background=train[["age", "ward"]])
        nb.log({"auc": 0.5}, context={"ward": "zqxa"})
        profile = nb.profile(train)
        nb.drift(test.assign(ward="zqxnew", diagnosis="zqxdnew"), profile)
        nb.drift(test.iloc[::-1].assign(ward="zqxb", diagnosis="zqxd1"), "wards@1")
        nb.drift(test.assign(ward="zqxz"), "wards@1")
    return run


def failed():
    with pytest.raises(ValueError, match="zqx"), session.run("broken") as run:
        pd.Series([f"{MARKER}mail"]).astype(float)
    return run


@pytest.fixture(params=[2, 3], ids=["binary", "three classes"])
def hospital(project, request):
    (project / "charter.yaml").write_text(CHARTER)
    found = [tracked(1, request.param), tracked(5, request.param), failed()]
    nb.promote("wards", 1, to="champion", reason="first")
    return found


def everything(ref, folder):
    """Return every form of a report as text."""
    nb.report(ref, folder / "r.html")
    found = snapshot.build(subject_of(ref))
    return [json.dumps(found), (folder / "r.html").read_text(), as_markdown.render(found, None)]


def test_no_private_value_in_any_report(project, hospital, tmp_path):
    one, other, broken = (run.run_id for run in hospital)
    for ref in (one, other, broken, f"{one}..{other}", "wards@1", "drift:wards", "drift:profile", "project"):
        for text in everything(ref, tmp_path):
            assert MARKER not in text, (ref, text[text.find(MARKER) - 200 : text.find(MARKER) + 60])


def test_a_metric_tag_or_setting_called_like_a_private_column_is_not_shown(project, tmp_path):
    (project / "charter.yaml").write_text("problem: Who pays?\nprivate: [income]")
    with session.run("loans", params={"income": 482179317.5}) as run:
        nb.log({"income": 482179317.5, "auc": 0.9})
        nb.log({"income": 482179317.5}, context={"step": "last"})
        for step in range(3):
            nb.log({"income": 482179317.5 + step}, step=step, context={"split": "test"})
        session.write({"t": "tag", "run_id": run.run_id, "name": "income", "value": "482179317.5"})
    nb.site(tmp_path / "site")
    pages = [p.read_text() for p in (tmp_path / "site").rglob("*.*") if p.suffix in (".html", ".js")]
    for text in (*everything(run.run_id, tmp_path), *pages):
        assert "482179317" not in text
        assert "482,1" not in text
    assert any("0.9" in text for text in pages)


def test_no_private_value_in_how_to_or_site(project, hospital, tmp_path):
    text = json.dumps(nb.how_to("wards@1").to_dict())
    assert MARKER not in text, text[text.find(MARKER) - 200 : text.find(MARKER) + 60]
    nb.site(tmp_path / "site")
    for path in (tmp_path / "site").rglob("*"):
        assert path.is_dir() or MARKER.encode() not in path.read_bytes(), path


def test_where_the_charter_cannot_be_read_nothing_is_shown_and_nothing_recommended(project, hospital, tmp_path):
    (project / "charter.yaml").write_text("private: [ward\n")
    one, other, broken = (run.run_id for run in hospital)
    for ref in (one, other, broken, f"{one}..{other}", "drift:wards", "drift:profile"):
        shown = everything(ref, tmp_path)
        assert all(MARKER not in text for text in shown), ref
        assert "charter.yaml cannot be read" in shown[-1].partition("## ")[2] + shown[-1].partition("## ")[0], ref
    found = snapshot.build(subject_of(other))
    first = kind_of("run").decide(found)
    assert not first.answer.word.startswith("Recommended")
    assert "nothing is recommended" in first.because
    said = " ".join(str(block) for part in first.parts for block in part.blocks)
    assert "Whose approval it needs is not known" in said
    assert "was not agreed" not in said


def test_what_was_raised_is_shown_without_values_but_with_where(project, hospital):
    error = snapshot.build(subject_of(hospital[2].run_id))["run"]["error"]
    assert error["message"] == "could not convert string to float: '...'"
    assert "test_private.py" in error["traceback"]


def _error(message, code):
    """Return an error as IPython tells it, with what was printed before."""
    trace = f"-----\nValueError    Traceback (most recent call last)\nCell In[4], line 1\n----> 1 {code}\n\n"
    told = {"name": "ValueError", "message": message, "traceback": f"{trace}ValueError: {message}", "cell": 5}
    return {**told, "source": code, "output": [message]}


def test_a_message_of_a_private_column_is_masked_and_names_of_code_stay():
    kept = raised({"name": "ValueError", "message": "ward holds 7", "traceback": ""}, "", ["ward"], unread=False)
    assert kept["message"] == "something about ward, which is private"
    kept = raised({"name": "KeyError", "message": "'hour'", "traceback": ""}, "frame['hour']", ["ward"], unread=False)
    assert kept["message"] == "'hour'"
    code = "raise ValueError(f'unknown customer {surname}, aged {age:.1f}')"
    shown = raised(_error("unknown customer zqx-Qwertz ä☂, aged 77.5", code), "", ["surname"], unread=False)
    assert shown["message"] == "unknown customer ..., aged ..."
    assert "unknown customer ..., aged ..." in shown["traceback"]
    assert code in shown["traceback"]
    assert "output" not in shown
    assert not {"Qwertz", "77.5", "☂"}.intersection(re.findall(r"[\w.]+|☂", json.dumps(shown, ensure_ascii=False)))
    kept = raised(_error("Qwertz", code), "", ["surname"], unread=False)
    assert kept["message"] == "its message may hold values of private columns, and is left out"
    kept = raised({"name": "KeyError", "message": "'Ada'", "traceback": "KeyError: 'Ada'"}, "", [], unread=True)
    assert "Ada" not in str(kept)


def settled(seed):
    """Track a model whose steps and settings hold values of a private column."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    train = rows(300, seed)
    with session.run("settled") as run:
        wards = make_pipeline(SimpleImputer(strategy="most_frequent"), OrdinalEncoder(categories=[["zqxa", "zqxb"]]))
        filled = make_pipeline(SimpleImputer(strategy="constant", fill_value="zqxa"), OneHotEncoder())
        columns = make_column_transformer((wards, ["ward"]), (filled, ["ward"]), ("passthrough", ["age"]))
        chosen = LogisticRegression(class_weight={"zqxd0": 1, "zqxd1": 2, "zqxd2": 1})
        model = make_pipeline(columns, chosen).fit(train[["age", "ward"]], train.diagnosis)
        nb.register(model, "settled", background=train[["age", "ward"]])
    return run


def test_steps_and_settings_of_a_model_are_told_without_values_of_private_columns(project, tmp_path):
    (project / "charter.yaml").write_text(CHARTER)
    run = settled(1)
    for text in everything(run.run_id, tmp_path):
        assert MARKER not in text, text[text.find(MARKER) - 200 : text.find(MARKER) + 60]
    nb.site(tmp_path / "site")
    assert MARKER not in (tmp_path / "site" / "run" / f"{run.run_id}.html").read_text()
    said = snapshot.build(subject_of(run.run_id))["explained"]["sentences"]
    assert "missing values of ward become the most frequent value" in said
    assert any(s.startswith("ward becomes numbers (2 values, in order)") for s in said)


def test_rules_about_a_private_column_are_counted_not_told(project, tmp_path):
    (project / "charter.yaml").write_text("private: [ward]\n")
    (project / "rules.yaml").write_text("- if: ward = zqxa\n  then: late\n- else: early\n")
    with session.run("rules") as run:
        nb.register(nb.rule_model(project / "rules.yaml"), "rules", background=rows(40, 1)[["ward"]])
    for text in everything(run.run_id, tmp_path):
        assert MARKER not in text, text[text.find(MARKER) - 200 : text.find(MARKER) + 60]
    nb.site(tmp_path / "site")
    assert MARKER not in (tmp_path / "site" / "run" / f"{run.run_id}.html").read_text()
    assert "asks 2 rules in this order, which name values of what is private" in str(nb.explain("rules@1").sentences)


def test_what_a_notebook_printed_is_no_fact_of_its_report(project, tmp_path):
    (project / "charter.yaml").write_text(CHARTER)
    with session.run("printing") as run:
        session.write({"t": "tag", "run_id": run.run_id, "name": "last_lines", "value": "worst row: zqxa"})
        session.write({"t": "tag", "run_id": run.run_id, "name": "note", "value": "kept"})
    for text in everything(run.run_id, tmp_path):
        assert MARKER not in text
    assert snapshot.build(subject_of(run.run_id))["run"]["tags"]["note"] == "kept"


def test_an_open_alert_about_answers_of_a_private_target_says_no_value(project, tmp_path):
    from sklearn.linear_model import LinearRegression

    (project / "charter.yaml").write_text("private: [rent]\n")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(60, 20, 1500)})
    frame["rent"] = 9871 + frame["size"] * 5 + rng.normal(0, 10, 1500)
    with session.run("rents") as run:
        model = LinearRegression().fit(frame[["size"]][:1000], frame.rent[:1000])
        nb.register(model, "rents", nb.evaluate(model, frame[1000:], target="rent"))
    nb.promote("rents", 1, to="champion", reason="first")
    later = frame.assign(size=frame["size"] * 3, rent=frame.rent + 700)
    assert any(f.code == "prediction_drift" for f in nb.drift(later, "rents@1").findings)
    for ref in (run.run_id, "drift:rents"):
        for text in everything(ref, tmp_path):
            assert not re.search(r"mean [\d,]+ (->|→|to) [\d,]+", text), ref
    episodes = snapshot.build(subject_of(run.run_id))["watch"]["episodes"]
    assert "prediction drift of prediction, which is private" in [e["message"] for e in episodes]


NUMBERED = {"columns": {"0": "", "1": ""}, "target": "late"}
OTHER = {"columns": {"hour": "", "origin": ""}, "target": "late"}
WITH = {"columns": {"hour": "", "ward": ""}, "target": "late"}


@pytest.mark.parametrize(
    ("name", "value", "fits", "shown"),
    [
        ("OneHotEncoder.categories", [["EWR"]], [OTHER], True),
        ("OneHotEncoder.categories", [["zqxa"]], [WITH], False),
        ("OneHotEncoder.categories", [["zqxa"]], [OTHER, WITH], False),
        ("OneHotEncoder.categories", [["zqxa"]], [NUMBERED], False),
        ("OneHotEncoder.categories", [["zqxa"]], [{}], False),
        ("OneHotEncoder.categories", [["zqxa"]], [{**OTHER, "target": None}], False),
        ("OneHotEncoder.categories", [["zqxa"]], [{"columns": {"len_ward": ""}, "target": "late"}], False),
        ("OneHotEncoder.categories", [["zqxa"]], [], False),
        ("OneHotEncoder.categories", "auto", [WITH], True),
        ("SimpleImputer.fill_value", "zqxa", [WITH], False),
        ("SimpleImputer.fill_value", 0, [OTHER], True),
        ("SimpleImputer.fill_value", None, [WITH], True),
        ("SimpleImputer.missing_values", float("nan"), [WITH], True),
        ("Binarizer.threshold", 77.5, [WITH], False),
        ("Binarizer.threshold", 77.5, [OTHER], True),
        ("SelectFromModel.threshold", 0.1, [WITH], True),
        ("Chosen.columns", ["hour", "ward"], [WITH], True),
        ("Chosen.columns", ["hour", "zqxa"], [WITH], False),
        ("LogisticRegression.class_weight", {"no": 1, "yes": 3}, [WITH], True),
        ("LogisticRegression.class_weight", {"zqx": 1}, [{**OTHER, "target": "ward"}], False),
        ("ward", 7, [OTHER], False),
    ],
)
def test_a_setting_is_masked_where_it_may_hold_a_value_of_a_private_column_and_nowhere_else(name, value, fits, shown):
    found = setting(name, value, ["ward"], fits)
    assert (found is value) if shown else found == "private"


def test_a_run_that_took_no_private_column_shows_all_its_settings(project, tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    (project / "charter.yaml").write_text("private: [surname]\n")
    frame = pd.DataFrame({"origin": ["EWR", "JFK"] * 20, "late": [0, 1] * 20})
    with session.run("flights") as run:
        make_pipeline(OneHotEncoder(categories=[["EWR", "JFK"]]), LogisticRegression()).fit(
            frame[["origin"]], frame.late
        )
    kept = snapshot.build(subject_of(run.run_id))["run"]
    assert {p["name"]: p["value"] for p in kept["params"]}["OneHotEncoder.categories"] == [["EWR", "JFK"]]
    nb.site(tmp_path / "site")
    assert "EWR" in (tmp_path / "site" / "run" / f"{run.run_id}.html").read_text()


def test_the_appendix_shows_no_output_where_columns_are_private(project, tmp_path):
    (project / "charter.yaml").write_text(CHARTER)
    cells = [new_code_cell("ward = 'none'", metadata={"tags": ["parameters"]}), new_markdown_cell("What we look at")]
    cells.append(new_code_cell("print('the worst row is of', ward)"))
    nbformat.write(new_notebook(cells=cells), project / "look.ipynb")
    run = nb.run_notebook("look.ipynb", {"ward": f"{MARKER}a"})
    nb.report(run.run_id, tmp_path / "r.html")
    nb.report(run.run_id, tmp_path / "r.md")
    for name in ("r.html", "r.md"):
        text = (tmp_path / name).read_text()
        assert MARKER not in text
        assert "What we look at" in text
        assert "the worst row is of" in text  # the code as it was written
    assert "what it printed may hold values of private columns" in (tmp_path / "r.html").read_text()
    assert nb.verify_report(tmp_path / "r.html").verdict == "whole"


PRINTED = {"output_type": "stream", "name": "stdout", "text": f"the worst row is of {MARKER}b"}
RAISED = {"output_type": "error", "ename": "KeyError", "evalue": f"{MARKER}c", "traceback": [f"KeyError: {MARKER}c"]}


def named(folder):
    """Write a notebook that papermill executed: given a value, with one printed and one in an error."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = [
        new_code_cell(f"# Parameters\nward = '{MARKER}a'", metadata={"tags": ["injected-parameters"]}),
        new_code_cell("print('worst', ward)", execution_count=1, outputs=[PRINTED]),
        new_code_cell("known[ward]", execution_count=2, outputs=[RAISED]),
    ]
    for cell in cells[1:]:
        cell.outputs = [nbformat.from_dict(o) for o in cell.outputs]
    milled = {"papermill": {"parameters": {"ward": f"{MARKER}a"}, "version": "2.7"}}
    nbformat.write(new_notebook(cells=cells, metadata=milled), folder / "look.ipynb")
    return folder / "look.ipynb"


@pytest.mark.parametrize("place", ["project/deep", "other/deep", "nowhere"])
@pytest.mark.parametrize("charter", [CHARTER, "private: ["])
def test_the_report_of_a_file_shows_no_value_where_its_project_holds_columns_private(project, tmp_path, place, charter):
    """The charter of the project the file lies in holds, and that of the one it is told of."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "nbmlops.toml").write_text("")
    holds = tmp_path / ("other" if place.startswith("other") else "project")
    (holds / "charter.yaml").write_text(charter)
    path = named(tmp_path / place)
    nb.report(str(path), tmp_path / "r.html")
    nb.report(str(path), tmp_path / "r.md")
    for name in ("r.html", "r.md"):
        text = (tmp_path / name).read_text()
        assert MARKER not in text, name
        assert "print(&#39;worst&#39;, ward)" in text or "print('worst', ward)" in text
        assert "KeyError" in text
        assert "no output of a cell is shown here. Who may see them opens" in text
        assert "look.ipynb" in text
    why = "cannot be read, so what is private is not known" if charter != CHARTER else "holds"
    assert why in (tmp_path / "r.html").read_text()
    assert nb.verify_report(tmp_path / "r.html").verdict == "whole"


def test_the_report_of_a_file_shows_what_it_printed_where_nothing_is_private(project, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "charter.yaml").write_text(CHARTER)  # of another project, which the file is not in
    nb.report(str(named(tmp_path / "project")), tmp_path / "r.html")
    assert f"{MARKER}b" in (tmp_path / "r.html").read_text()
