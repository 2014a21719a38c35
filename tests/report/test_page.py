"""The page: one file, nothing active, nothing outside, the same bytes, and every user's word escaped."""

import itertools
import json
import os
import re
import socket
import threading
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

import nbmlops as nb
from nbmlops.errors import Invalid, NotFound
from nbmlops.report import page, snapshot
from nbmlops.report.kinds.kind import subject_of
from nbmlops.report.verify import _decoded
from nbmlops.tracking import session
from nbmlops.tracking.runs import get_run

from .conftest import NOTEBOOK, code, promote, read, register
from .test_sanitize import HOSTILE

BUDGET = 300_000
VOID = {"meta", "img", "br", "link", "input", "hr"}
NASTY = "<img src=x onerror=alert(1)>\u202e{{ 7*7 }}"


class Page(HTMLParser):
    """What a browser would see: elements, their attributes, text, and whether all is closed."""

    def __init__(self, markup):
        super().__init__()
        self.elements, self.open, self.words, self.wrong = [], [], [], []
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def assert_safe(markup):
    seen = Page(markup)
    assert not seen.wrong
    assert not seen.open
    assert {name for name, _ in seen.elements}.isdisjoint(
        {
            "script",
            "iframe",
            "object",
            "embed",
            "form",
            "input",
            "link",
            "base",
            "svg",
            "math",
            "video",
            "audio",
            "source",
        }
    )
    for name, attributes in seen.elements:
        for key, value in attributes.items():
            assert not key.startswith("on"), (name, key)
            assert key not in ("srcset", "style", "srcdoc", "formaction", "ping"), (name, key)
            if key == "src":
                assert re.match(r"data:image/(png|jpeg|svg\+xml);base64,", value)
            if key == "href":
                assert value.startswith(("#", "data:text/plain,{", "data:application/json;base64,"))
    styles = markup.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in styles
    assert "@import" not in styles
    assert "http" not in styles
    return seen


def test_the_same_facts_give_the_same_bytes(retrained, tmp_path):
    one, two = (nb.report(retrained, tmp_path / name) for name in ("a.html", "b.html"))
    assert one.read_bytes() == two.read_bytes()


def test_is_one_safe_file_within_its_budget(retrained, tmp_path):
    markup = read(nb.report(retrained, tmp_path / "r.html"))
    seen = assert_safe(markup)
    assert len(markup.encode()) < BUDGET
    policy = next(a["content"] for a in seen.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "form-action 'none'" in policy


def test_tells_the_story_from_the_decision_to_the_notebook(retrained, tmp_path):
    promote(2, "better on April")
    text = assert_safe(read(nb.report(retrained, tmp_path / "r.html"))).text
    for words in (
        "Retraining report: late-flights",
        "Replace champion late-flights@1 by late-flights@2?",
        "1 of 1 agreed target shown",
        "late-flights@2 became champion (was 1): better on April",
        "setting C 1.0 0.5",
        "95ed46cac0a4fdaa",
        "distance above 4,983 in 3 rows",
        "late share 22 % to 28 %",
        "hour explains 3 % of late",
        "Better than the best constant answer",
        "Far off in 57 rows",
        "Not for cancelled flights.",
        "random_state = 0",
        "The code differs from the commit",
        "Cell 1 · markdown Retrain",
    ):
        assert words in text, words


def test_each_column_that_drifted_is_drawn_once(retrained, tmp_path):
    seen = Page(read(nb.report(retrained, tmp_path / "r.html")))
    alts = [a["alt"] for a in seen.all("img")]
    assert [a for a in alts if a.startswith("late: 2 bins")] == [
        "late: 2 bins. Largest change: no from 78.0 % in the reference to 72.0 % now (-6.0 points)."
    ]


def test_is_built_for_readers_who_do_not_see_it(retrained, tmp_path):
    seen = Page(read(nb.report(retrained, tmp_path / "r.html")))
    assert seen.all("html")[0]["lang"] == "en"
    assert len(seen.all("h1")) == 1
    assert len(seen.all("main")) == 1
    levels = [int(name[1]) for name, _ in seen.elements if re.fullmatch("h[1-6]", name)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(a.get("alt") for a in seen.all("img"))
    ours = [a for a in seen.all("th") if "data-head" in a or a.get("scope") == "col"]
    assert all(a.get("scope") in ("row", "col") for a in ours)
    ids = [a["id"] for _, a in seen.elements if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for a in seen.all("a") if a["href"].startswith("#")}
    labels = {a["aria-labelledby"] for _, a in seen.elements if "aria-labelledby" in a}
    assert targets | labels <= set(ids)


def test_colours_are_readable_light_and_dark():
    from .test_charts import _contrast

    css = page.template("page.css")
    for theme in re.findall(r":root \{(.*?)\}", css, re.DOTALL):
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", theme))
        colours = {k: v if len(v) == 7 else "#" + "".join(2 * c for c in v[1:]) for k, v in colours.items()}
        for name in ("ink", "quiet", "accent", "good", "warn", "bad"):
            grounds = ["page", "soft", *([f"{name}-soft"] if name in ("good", "warn", "bad") else [])]
            assert all(_contrast(colours[name], colours[g]) >= 4.5 for g in grounds), (name, colours)


def test_the_facts_inside_are_those_of_the_hash(retrained, tmp_path):
    seen = Page(read(nb.report(retrained, tmp_path / "r.html")))
    link = next(a for a in seen.all("a") if "download" in a)
    facts = json.loads(unquote(link["href"].partition(",")[2]))
    assert facts == snapshot.build(subject_of(retrained))
    assert snapshot.digest(facts) in seen.text


def test_a_bare_run_has_a_whole_report(project, tmp_path):
    with session.run("bare"):
        pass
    seen = assert_safe(read(nb.report("bare", tmp_path / "r.html")))
    assert "Run report: bare" in seen.text
    assert seen.text.count("Missing:") >= 8
    for title in ("What changed", "Parameters", "Data", "Rules", "Drift", "Performance", "Audit trail", "Glossary"):
        assert title in seen.text


def test_a_failed_run_has_a_report_with_its_reason(failed, tmp_path):
    text = assert_safe(read(nb.report(failed, tmp_path / "r.html"))).text
    assert "failed in cell 7 of 12" in text
    assert "late-flights@1 keeps serving as champion" in text
    assert "Traceback ..." in text
    assert repr(page.written(failed)).splitlines()[1] == "Notebook '03_retrain' failed in cell 7 of 12"
    assert "7 of 12</strong>" in page.written(failed)._repr_mimebundle_()["text/html"]


def test_every_word_of_a_user_is_escaped(project, tmp_path):
    (project / "charter.yaml").write_text(
        json.dumps({"problem": NASTY, "limits": [NASTY], "users": [NASTY], "metrics": [{"name": NASTY, "at_least": 1}]})
    )
    run = session.start(NASTY, name=NASTY, params={NASTY: NASTY}, tags={NASTY: NASTY}, notebook=NASTY, source=NASTY)
    session.log({NASTY: 1.0})
    about = {"name": NASTY, "fingerprint": NASTY, "strength": NASTY, "rows": 1, "role": "read", "columns": []}
    session.write({"t": "dataset", "run_id": run.run_id, **about})
    finding = {"code": NASTY, "outcome": NASTY, "message": NASTY, "column": NASTY, "effect": NASTY, "detail": {}}
    columns = {NASTY: {"labels": [NASTY, "b"], "reference": [0.5, 0.5], "current": [0.4, 0.6]}}
    for kind in ("check", "drift", "gate", "evaluation", NASTY[:16]):
        data = {"findings": [finding], "verdict": NASTY, "model": NASTY, "reference": NASTY, "columns": columns}
        session.keep(kind, NASTY, {**data, "challenger": NASTY, "champion": NASTY, "metric": NASTY, "notes": [NASTY]})
    error = {"name": NASTY, "message": NASTY, "traceback": NASTY, "cell": NASTY, "cells": NASTY}
    session.finish(run, "failed", NASTY[:40], error)
    with session.store().atomic() as change:
        change.event(NASTY[:40], run.run_id, {"reason": NASTY}, (NASTY, NASTY))
    markup = read(nb.report(run.run_id, tmp_path / "r.html"))
    seen = assert_safe(markup)
    assert "<img src=x" not in markup
    assert "\u202e" not in markup
    assert "{{ 7*7 }}" in seen.text
    assert seen.text.count("onerror=alert(1)") > 15


def test_hostile_outputs_stay_outputs(project, tmp_path):
    run = session.start("hostile", kind="notebook")
    outputs = [{"output_type": "display_data", "data": {"text/html": markup}} for markup in HOSTILE.values()]
    outputs.append(
        {"output_type": "display_data", "data": {"application/javascript": "alert(1)", "text/x-mermaid": "graph"}}
    )
    outputs.append({"output_type": "stream", "text": "</pre></details></section><h1>Approved</h1>\x1b[2J\u202e"})
    outputs.append({"output_type": "display_data", "data": {"image/svg+xml": "<svg><script>alert(1)</script></svg>"}})
    notebook = {"cells": [code("</details><script>alert(1)</script>", *outputs)]}
    session.log_artifact("notebook.ipynb", json.dumps(notebook).encode())
    session.finish(run)
    markup = read(nb.report("hostile", tmp_path / "r.html"))
    seen = assert_safe(markup)
    assert len(seen.all("h1")) == 1
    assert [a for a in seen.all("h2") if a.get("id") == "question"] == [{"id": "question"}]
    assert "A form that cannot be shown on paper is left out" in seen.text


def test_stays_within_its_budget_with_many_columns_and_cells(project, tmp_path):
    run = session.start("large", kind="notebook")
    findings = [
        {
            "code": "feature_drift",
            "outcome": "passed",
            "message": f"column {i} has not moved",
            "column": f"c{i}",
            "effect": 0.01,
        }
        for i in range(200)
    ]
    columns = {
        f"c{i}": {"labels": list("abcdefghij"), "reference": [0.1] * 10, "current": [0.1] * 10} for i in range(8)
    }
    session.keep("drift", "large", {"verdict": "ok", "findings": findings, "columns": columns})
    stream = {"output_type": "stream", "text": "x" * 10_000}
    session.log_artifact("notebook.ipynb", json.dumps({"cells": [code("x = 1\n" * 40, stream)] * 200}).encode())
    session.finish(run)
    markup = read(nb.report("large", tmp_path / "r.html"))
    images = sum(len(a["src"]) for a in Page(markup).all("img"))
    assert len(markup.encode()) - images < BUDGET
    assert "200 findings passed" in markup


def test_a_model_means_the_run_that_made_it(retrained, champion, tmp_path):
    promote(2, "better")
    one = nb.report("late-flights@1", tmp_path / "1.html")
    two = nb.report("late-flights@champion", tmp_path / "2.html")
    assert champion.run_id[-6:] in read(one)
    assert "run " + retrained.run_id[-6:] in read(two)  # the notebook, which knows the gate, not only the cell
    assert "no other version was compared" not in read(two)


def test_the_default_place_is_the_projects(project, champion):
    path = nb.report(champion)
    assert path == project / ".nbmlops" / "outputs" / "reports" / f"{champion.run_id[-12:]}.html"
    assert path.is_file()
    assert nb.report(champion) == path


def test_a_folder_as_output_takes_the_file(project, champion, tmp_path):
    assert nb.report(champion, tmp_path) == tmp_path / f"{champion.run_id[-12:]}.html"


@pytest.mark.parametrize(
    ("ref", "error", "words"),
    [
        ("nope", NotFound, "No run, experiment, model or job 'nope'"),
        ("nope@champion", NotFound, "No model 'nope'"),
        (3, Invalid, "int is neither a run nor a model"),
    ],
)
def test_a_wrong_reference_is_one_clear_line(project, ref, error, words):
    with pytest.raises(error, match=re.escape(words)):
        nb.report(ref)


def test_a_version_without_a_run_says_so(project):
    register(1, None)
    with pytest.raises(NotFound, match="outside any run"):
        nb.report("late-flights@1")


def test_a_missing_folder_says_what_to_type(champion, tmp_path):
    with pytest.raises(NotFound, match="mkdir -p"):
        nb.report(champion, tmp_path / "no" / "r.html")


def test_a_link_as_output_stays_one_and_its_file_is_written(champion, tmp_path):
    real, link = tmp_path / "real.html", tmp_path / "link.html"
    real.write_text("old")
    link.symlink_to(real)
    nb.report(champion, link)
    assert link.is_symlink()
    assert read(real).startswith("<!doctype html>")


def test_a_pipe_as_output_takes_the_page_and_stays(champion, tmp_path):
    pipe, came = tmp_path / "pipe.html", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: came.append(pipe.read_bytes()), daemon=True)
    reader.start()
    nb.report(champion, pipe)
    assert pipe.is_fifo()
    reader.join(10)
    assert came[0].startswith(b"<!doctype html>")


def test_a_socket_as_output_is_refused_and_stays(champion, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("s.html")
        with pytest.raises(Invalid, match=r"s\.html is no file"):
            nb.report(champion, "s.html")
        assert (tmp_path / "s.html").is_socket()


def test_the_notebook_is_the_one_of_the_snapshot(retrained):
    taken = snapshot.build(subject_of(retrained))
    assert page.render(taken, NOTEBOOK) != page.render(taken)
    assert "The executed notebook is lost or damaged" in page.render(taken)


def test_the_magic_shows_a_card(retrained):
    from types import SimpleNamespace

    from nbmlops.magics.report import MAGICS

    shown = MAGICS[0](SimpleNamespace(user_ns={"mine": retrained}), "mine")
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"].splitlines()[0] == "Retraining report: late-flights"
    assert shown.path in bundle["text/html"]
    assert "Recommended: yes" in bundle["text/html"]
    again = MAGICS[0](SimpleNamespace(user_ns={}), "")
    assert again.run_id == get_run(retrained.run_id).run_id


def test_a_file_of_another_form_is_refused_and_not_written(champion, tmp_path):
    with pytest.raises(Invalid, match=r"No report is written as \.pdf") as refused:
        nb.report(champion.run_id, tmp_path / "x.pdf")
    assert ".html" in refused.value.hint
    assert not (tmp_path / "x.pdf").exists()
    assert nb.report(champion.run_id, tmp_path / "x.HTML").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("text", ["a plain word " * 20 + "<b> 'q' \"d\" & # % ü 1 %41 \\ \u2028", "中" * 50])
def test_facts_in_the_link_are_read_back_whatever_they_say(text):
    facts = json.dumps({"a": text, "b": "é"}, ensure_ascii=False).encode()
    link = page.embedded(facts)
    assert not set("<>&'\n\t") & set(link)
    assert _decoded(link) == facts
    assert link.startswith("data:application/json;base64,") is ("中" in text)
