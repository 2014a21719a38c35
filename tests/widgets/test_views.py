"""What objects look like where no script runs: safe, plain, the same twice, and never too long."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

import nbmlops.widgets
from nbmlops.widgets import MAX_HTML_BYTES, MAX_JSON_BYTES, MAX_TEXT, html, mimebundle
from nbmlops.widgets.room import capped

from .things import standing

ROOT = Path(__file__).parents[2]
HOSTILE = "<img src=x onerror=alert(1)>\u202e"
TAGS = re.compile(
    "a|b|br|caption|code|dd|details|div|dl|dt|em|figure|h4|i|img|li|meter|ol|p|pre|progress|section|small|span|strong"
    "|summary|table|tbody|td|th|thead|time|tr|ul"
)
ATTRIBUTES = {
    "alt",
    "colspan",
    "datetime",
    "height",
    "href",
    "max",
    "open",
    "scope",
    "src",
    "style",
    "title",
    "value",
    "width",
}
FREE = re.compile("name|experiment|message|text|subject|problem|decision|label|path|why|notebook|estimator|target|says")


class Page(HTMLParser):
    """Collects what a view is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """Real objects by kind, made once."""
    with standing(tmp_path_factory.mktemp("things")) as made:
        yield made


def kinds() -> set[str]:
    """Return the modules that show a kind of object."""
    folder = Path(nbmlops.widgets.__file__).parent
    named = [path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")]
    found = {name: __import__(f"nbmlops.widgets.{name}", fromlist=["html"]) for name in named}
    return {n for n, m in found.items() if callable(getattr(m, "text", None)) and not isinstance(m.html, ModuleType)}


def drawn() -> set[str]:
    """Return the kinds the renderer draws; of all others JupyterLab shows the HTML."""
    source = (ROOT / "extension/src/draw/view.ts").read_text()
    return set(re.findall(r"^  \['(\w+)', \w+\],?$", source, re.M))


def test_the_renderer_draws_kinds_there_are():
    assert drawn() <= kinds()
    assert {
        "run",
        "runs",
        "comparison",
        "model",
        "evaluation",
        "drift",
        "profile",
        "check",
        "job",
        "charter",
    } <= drawn()
    assert "`application/vnd.nbmlops.${kind}.v1+json`" in (ROOT / "extension/src/draw/view.ts").read_text()


def test_a_small_project_shows_enough_kinds(things):
    assert set(things) <= kinds()
    assert len(things) >= 18


def test_views_without_scripts_are_safe_and_plain(things):
    for kind, thing in things.items():
        page = thing._repr_mimebundle_()["text/html"]
        check(kind, page)
        assert page == thing._repr_mimebundle_()["text/html"], kind


def test_views_of_hostile_json_are_text(things):
    for kind, thing in things.items():
        page = mimebundle(kind, hostile(thing.to_dict()))["text/html"]
        check(kind, page)
        assert "\u202e" not in page, kind


def check(kind: str, page: str) -> None:
    for tag, about in Page(page).found:
        assert TAGS.fullmatch(tag), (kind, tag)
        assert set(about) <= ATTRIBUTES, (kind, tag, about)
        assert not re.search(r"url\(|expression|position:", about.get("style") or ""), (kind, about)
        if tag == "img":
            assert str(about["src"]).startswith("data:image/svg+xml;base64,"), kind
            assert about["alt"], kind
        if tag == "a":
            assert re.match(r"https?://|/", str(about["href"])), kind


def hostile(data, said=HOSTILE):
    """Return the same with something before every text that people or frames bring."""
    if isinstance(data, dict):
        return {k: said + v if FREE.fullmatch(k) and isinstance(v, str) else hostile(v, said) for k, v in data.items()}
    return [hostile(item, said) for item in data] if isinstance(data, list) else data


def test_json_of_a_thing_fits_and_says_itself_again(things):
    for kind, thing in things.items():
        (mime,) = (m for m in thing._repr_mimebundle_() if m.endswith("+json"))
        assert mime == f"application/vnd.nbmlops.{kind}.v1+json"
        data = thing._repr_mimebundle_()[mime]
        assert data == json.loads(json.dumps(data, allow_nan=False)), kind


def test_a_comparison_holds_how_metrics_went(things):
    (loss,) = things["comparison"].to_dict()["curves"]
    assert loss["name"] == "loss"
    assert [len(run["values"]) for run in loss["runs"]] == [20, 20]
    assert loss["runs"][0]["steps"] == list(range(20))
    assert loss["runs"][0]["values"][:2] == [1.0, 0.5]
    page = things["comparison"]._repr_mimebundle_()["text/html"]
    assert "while they ran" in page
    assert page.count("<img") == 2


def run(number: int) -> dict[str, object]:
    about = {"experiment": "late", "name": "late", "status": "finished", "duration_s": 1.0}
    return {"run_id": f"{number:036d}", **about, "metrics.auc": number / 7, "params.C": number}


def test_json_that_is_too_long_loses_its_last_rows_and_counts_them():
    runs = [run(i) for i in range(5000)]
    bundle = mimebundle("runs", {"runs": runs, "named": [], "query": None, "overrides": []})
    data = bundle["application/vnd.nbmlops.runs.v1+json"]
    assert len(json.dumps(data)) <= MAX_JSON_BYTES
    kept = len(data["runs"])
    assert kept > 1000
    assert data["runs"] == runs[:kept]
    assert data["capped"] == {"runs": 5000 - kept}
    assert capped({"runs": runs}, MAX_JSON_BYTES) == capped({"runs": runs}, MAX_JSON_BYTES)


def test_findings_that_passed_are_dropped_before_those_that_say_something():
    findings = [{"outcome": "issue" if i % 100 == 99 else "passed", "message": "x" * 200} for i in range(2000)]
    kept = capped({"findings": findings}, MAX_JSON_BYTES)["findings"]
    assert sum(f["outcome"] == "issue" for f in kept) == 20
    assert len(kept) < 1000


@pytest.mark.parametrize(
    "data",
    [
        {"source": "x" * 900_000, "rows": [1, 2]},
        {"runs": [{"source": "x" * 300_000}] * 12},
        {"a": {"b": {str(i): {str(j): "t" * 3000 for j in range(15)} for i in range(15)}}},
        {"columns": {f"c{i}": {"labels": ["l" * 40] * 12} for i in range(2000)}},
        {"rows": [["y" * 100] * 100] * 2000, "other": list(range(90_000))},
    ],
)
def test_whatever_it_is_it_fits(data):
    before = json.dumps(data)
    assert len(json.dumps(capped(data, MAX_JSON_BYTES))) <= MAX_JSON_BYTES
    assert json.dumps(data) == before  # what was given stays whole


def test_what_fits_stays_as_it_is():
    data = {"rows": list(range(100)), "name": "x" * 1000}
    assert capped(data, MAX_JSON_BYTES) == data


def many(data, key, count):
    """Return the object with so many entries under a key, made of the first."""
    held = data[key]
    return {**data, key: [{**held[0], "name": f"entry {i}", "code": f"c{i}"} for i in range(count)]}


@pytest.mark.parametrize(
    ("kind", "key", "count"),
    [("run", "metrics", 5000), ("runs", "runs", 10_000), ("drift", "findings", 3000), ("profile", "columns", 300)],
)
def test_html_and_text_of_what_is_too_long_fit_and_say_so(things, kind, key, count):
    data = many(things[kind].to_dict(), key, count)
    bundle = mimebundle(kind, data)
    assert len(bundle["text/html"]) <= MAX_HTML_BYTES
    assert len(bundle["text/plain"]) <= MAX_TEXT + 100
    check(kind, bundle["text/html"])
    assert bundle == mimebundle(kind, data)
    if kind == "runs":
        assert "Too long for an output, in the store only: " in bundle["text/html"]
        assert bundle["text/plain"].endswith("more lines")
        assert len(nbmlops.widgets.text(kind, data).splitlines()) > count  # a terminal has all


def test_names_of_ten_thousand_characters_fit(things):
    for kind, thing in things.items():
        page = mimebundle(kind, hostile(thing.to_dict(), "x" * 10_000))["text/html"]
        assert len(page) <= MAX_HTML_BYTES, kind


def test_half_characters_can_be_sent_and_a_terminal_is_not_steered(things):
    for kind, thing in things.items():
        bundle = mimebundle(kind, hostile(thing.to_dict(), "\ud800\x1b[2J\x9b2J"))
        json.dumps(bundle, ensure_ascii=False, allow_nan=False).encode()
        assert not re.search("[\x1b\x9b]", bundle["text/plain"] + bundle["text/html"]), kind


def test_what_is_shown_as_text_alone_makes_no_page(things, monkeypatch):
    monkeypatch.setattr(nbmlops.widgets, "_page", None)
    assert repr(things["run"]).startswith("late: finished")


def test_a_status_has_the_same_shape_and_colour_in_html_and_drawn():
    source = (ROOT / "extension/src/draw/nodes.ts").read_text()
    told = re.findall(r"^const (GOOD|WARN|BAD) =\s+((?:'[^']*'[ +\n]*)+);", source, re.M)
    drawn_words = {name: "".join(re.findall("'([^']*)'", words)) for name, words in told}
    assert drawn_words == {name: html.WORDS[getattr(html, name)] for name in ("GOOD", "WARN", "BAD")}


def test_an_interval_is_said_as_its_value_is(things):
    page = things["evaluation"]._repr_mimebundle_()["text/html"]
    assert re.search(r">[\d.]+ %</td><td [^>]*>\[[\d.]+ %, [\d.]+ %\]</td>", page)
    far = {**things["evaluation"].to_dict(), "far_off": {"n": 1, "share": 0.0025, "means": "so"}}
    assert "; 1 row far off (0.2 %: so)" in nbmlops.widgets.text("evaluation", far)


def test_a_run_says_when_and_by_whom_it_was_run(things):
    run = things["run"].to_dict()
    page = things["run"]._repr_mimebundle_()["text/html"]
    assert f"{run['started_at'][:16].replace('T', ' ')}</td>" in page
    assert "started (UTC)" in page
    assert "sam@example.org</td>" in page


def test_what_could_not_be_judged_is_not_called_fine(things):
    data = things["drift"].to_dict()
    one = next(f for f in data["findings"] if f["code"] == "feature_drift")
    changed = {**data, "findings": [{**one, "outcome": "not_applicable", "message": "two kinds"}]}
    assert "○ not judged</strong>" in mimebundle("drift", changed)["text/html"]
