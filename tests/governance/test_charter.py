"""A charter is read, or refused whole with the key that is wrong; it is never half believed."""

import hashlib
import re

import pytest
import yaml

import nbmlops as nb
from nbmlops.errors import Conflict, Invalid, NotFound
from nbmlops.governance.begun import new, template
from nbmlops.governance.charter import TYPES, parsed
from nbmlops.governance.checked import check
from nbmlops.governance.value import value
from nbmlops.tracking import session

FLIGHTS = {
    "project": "flights",
    "problem": "Will this flight be late?",
    "users": ["travel desk"],
    "decision": "book an earlier one",
    "value": {
        "unit": "EUR",
        "per": {"true_positive": 20, "false_positive": -5, "false_negative": -20, "true_negative": 0},
        "volume": {"per": "month", "rows": 2000},
    },
    "metrics": [{"name": "roc_auc", "at_least": 0.65}],
    "margin": 0.02,
    "limits": ["not for cargo"],
    "risk": {"tier": "low", "why": "the desk checks each answer", "harms": "a needless call", "tolerated": "1 in 100"},
    "oversight": "The desk may book as it likes.",
    "roles": {"manager": ["ada@example.org"]},
    "goal": "fewer nights in hotels",
    "questions": [{"id": "q1", "question": "Are fewer trips missed?", "metric": "roc_auc", "owner": "ada@example.org"}],
    "deliverables": [{"name": "first champion", "due": "2026-03-31"}],
    "effort": {"people": 1, "weeks": 4},
    "requirements": {"accuracy": {"check": "targets"}},
    "implementation": {"kind": "batch"},
    "experiments": [{"name": "forest", "runs": 12}],
    "review_days": 90,
}


EXAMPLE = re.compile(r"# (\w+:|  \S)")


def write(project, content):
    (project / "charter.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))


def test_without_one_there_is_none(project):
    assert nb.charter() is None


def test_it_says_what_was_agreed(project):
    write(project, FLIGHTS)
    found = nb.charter()
    assert found.metrics[0].text == "roc_auc at least 0.65"
    assert (found.promotes, found.margin, found.path) == ("better", 0.02, "charter.yaml")
    assert found.role_of("ada@example.org") == ("manager",)
    assert found.missing == ()


def test_it_says_what_harm_can_come_and_who_can_stop_it(project):
    write(project, FLIGHTS | {"standards": ["ISO/IEC 42001"], "declaration": "register, number 17"})
    found = nb.charter()
    assert found.risk == {**FLIGHTS["risk"], "harms": ("a needless call",)}
    assert found.oversight == "The desk may book as it likes."
    assert (found.standards, found.declaration) == (("ISO/IEC 42001",), "register, number 17")
    assert found.to_dict()["risk"]["harms"] == ["a needless call"]


@pytest.mark.parametrize(
    ("risk", "words"),
    [({"level": "low"}, "risk has 'level'"), ({"tier": ["low"]}, "risk.tier is"), ({"harms": {"a": 1}}, "risk.harms")],
)
def test_a_risk_nobody_can_read_is_refused(project, risk, words):
    write(project, {"risk": risk})
    with pytest.raises(Invalid, match=words):
        nb.charter()


def test_the_one_next_to_the_notebook_comes_first(project, monkeypatch):
    write(project, FLIGHTS)
    inner = project / "study"
    inner.mkdir()
    (inner / "charter.yaml").write_text("project: study")
    monkeypatch.chdir(inner)
    assert nb.charter().project == "study"
    (inner / "charter.yaml").unlink()
    assert nb.charter().project == "flights"


def test_one_above_the_project_is_not_ours(project):
    (project.parent / "charter.yaml").write_text("project: other")
    assert nb.charter() is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"problme": "x"}, "'problme' is no key of a charter. Did you mean 'problem'? Allowed: project, problem"),
        ({"problme": "x"}, ", slices and 23 more."),
        ({"metrics": "auc"}, "metrics is 'auc'. It should be a list"),
        ({"margin": "much"}, "margin is 'much'. It should be a number"),
        ({"margin": True}, "margin is True"),
        ({"margin": 3}, "margin is 3"),
        ({"promotes": "always"}, "promotes is 'always'. Allowed: better, non-inferior, reason"),
        ({"metrics": [{"name": "auc"}]}, "metric 'auc' needs one bound"),
        ({"metrics": [{"name": "auc", "at_least": "high"}]}, "metric 'auc' needs one bound, a number"),
        ({"metrics": [{"name": "auc", "at_least": float("nan")}]}, "metric 'auc' needs one bound, a number"),
        ({"metrics": [{"name": "auc", "at_least": 10**400}]}, "metric 'auc' needs one bound, a number"),
        ({"metrics": [{"name": "auc", "at_least": 1, "viable": float("nan")}]}, "metric 'auc' is viable at nan"),
        (
            {"metrics": [{"name": "auc", "at_least": 0.7}, {"name": "auc", "at_least": 0.5}]},
            "metrics says auc at least 0.7 and auc at least 0.5. Say it once.",
        ),
        ({"metrics": [{"name": "auc", "at_last": 1}]}, "metric 'auc' has 'at_last'. Allowed: name, at_least"),
        ({"metrics": ["auc"]}, "metrics holds 'auc'"),
        ({"value": {"pro": {}}}, "value has 'pro'. Did you mean 'per'? Allowed: unit, per, volume"),
        ({"value": {"per": {"hit": 1}}}, "value.per has 'hit'. Allowed: true_positive"),
        ({"value": {"per": {"true_positive": "much"}}}, "value.per.true_positive is 'much'"),
        ({"policy": {"champion": "anyone"}}, "policy.champion is 'anyone'"),
        ("a: [", "is not valid YAML"),
        ("just words", "holds no keys"),
        ("", "holds no keys"),
    ],
)
def test_a_broken_one_is_refused_with_its_key(project, content, message):
    write(project, content)
    with pytest.raises(Invalid) as error:
        nb.charter()
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_template_is_a_valid_charter_and_is_never_overwritten(project):
    path = new()
    assert nb.charter().project == "project"
    assert nb.charter().problem == ""
    path.write_text("project: mine")
    with pytest.raises(Conflict, match=r"charter.yaml is there already"):
        new()
    assert path.read_text() == "project: mine"


def test_every_example_of_the_template_is_valid_and_every_key_has_one(project):
    path = new()
    lines = [t[2:].partition("      or ")[0] for t in path.read_text().splitlines() if EXAMPLE.match(t)]
    path.write_text("\n".join(lines))
    found = nb.charter()
    said = {line.partition(":")[0] for line in [*lines, *template().splitlines()] if line[:1].isalpha()}
    assert set(TYPES) - said == {"review_days"}  # the short form of reviews
    assert [t.name for t in found.metrics] == ["roc_auc", "share_gap"]
    assert (found.review_days, found.agenda_every) == (90, "monthly")
    assert [r.name for r in found.requirements if r.open] == []
    assert [m["key"] for m in found.missing] == ["problem", "decision", "oversight", "goal"]


def test_a_project_with_an_odd_name_has_a_charter(project, monkeypatch):
    (project / "nbmlops.toml").write_text('[project]\nname = "a: b # c"\n')
    session.reset()
    new()
    assert nb.charter().project == "a: b # c"


def test_it_says_why_what_and_how(project):
    write(
        project,
        FLIGHTS
        | {
            "users": ["crew", {"who": "desk", "needs": "an hour's warning"}],
            "limits": ["not abroad", {"text": "not for cargo", "owner": "ada"}],
            "reviews": {"agenda": "weekly", "champion_days": 90},
            "requirements": {"law": {"says": "none", "answer": "no", "by": "compliance", "at": "2026-01-15"}},
        },
    )
    found = nb.charter()
    assert (found.users, found.needs) == (("crew", "desk"), {"desk": ("an hour's warning",)})
    assert (found.limits, found.limit_owners) == (("not abroad", "not for cargo"), {"not for cargo": "ada"})
    assert (found.agenda_every, found.review_days) == ("weekly", 90)
    assert (found.requirements[0].by, found.requirements[0].at) == ("compliance", "2026-01-15")
    assert found.questions[0].metric == "roc_auc"
    assert found.to_dict()["experiments"][0]["runs"] == 12
    assert found.digest == hashlib.sha256((project / "charter.yaml").read_bytes()).hexdigest()


def test_a_model_may_have_terms_of_its_own(project):
    own = {"late": {"metrics": [{"name": "brier", "at_most": 0.2, "margin": 0.05}], "minimum": 5000}}
    write(project, FLIGHTS | {"models": own})
    found = nb.charter()
    assert [t.name for t in found.for_model("late@3").metrics] == ["brier"]
    assert found.for_model("late").metrics[0].margin == 0.05
    assert (found.for_model("late").minimum, found.for_model("late").margin) == (5000, 0.02)
    assert found.for_model("other") is found
    assert found.to_dict()["models"]["late"]["metrics"][0]["text"] == "brier at most 0.2"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"goal": ["a"]}, "goal is ['a']. It should be text"),
        ({"experimets": []}, "'experimets' is no key of a charter"),
        ({"experimets": []}, "Did you mean 'experiments'?"),
        ({"questions": [{"question": "why?"}]}, "a question has no id"),
        ({"questions": [{"id": 1}]}, "question '1' asks nothing"),
        ({"questions": [{"id": 1, "question": "a"}, {"id": "1", "question": "b"}]}, "two questions are '1'"),
        ({"questions": [{"id": 1, "question": "a", "metrik": "b"}]}, "Did you mean 'metric'?"),
        ({"users": [{"needs": "a"}]}, "users has no name"),
        ({"limits": [{"owner": "ada"}]}, "a limit has no text"),
        ({"experiments": [{"runs": 3}]}, "an experiment has no name"),
        ({"experiments": [{"name": "a", "runs": 0}]}, "runs of experiment 'a' is 0"),
        ({"experiments": [{"name": "a", "runs": 10**400}]}, "runs of experiment 'a' is out of range"),
        ({"experiments": [{"name": "a"}, {"name": "a"}]}, "two experiments are 'a'"),
        ({"implementation": {"kind": "robot"}}, "implementation.kind is 'robot'. Allowed: batch, service"),
        ({"implementation": {"caller": "desk"}}, "implementation.kind is ''"),
        ({"models": {"late": {"margin": 2}}}, "models.late.margin is 2"),
        ({"metrics": [{"name": "auc", "at_lest": 1}]}, "Did you mean 'at_least'?"),
        ({"models": {"late": {"metrics": [{"name": "auc"}]}}}, "metric 'auc' needs one bound"),
        ({"models": {"late": 3}}, "models.late is 3"),
        ({"metrics": [{"name": "auc", "at_least": 1, "margin": -1}]}, "metric 'auc' has the margin -1"),
        ({"metrics": [{"name": "auc", "at_least": 1, "minimum": "few"}]}, "metric 'auc' has the minimum 'few'"),
        ({"reviews": {"agenda": "daily"}}, "reviews.agenda is 'daily'. Allowed: weekly, monthly"),
        ({"reviews": {"champion_days": 1}, "review_days": 2}, "review_days is 2 and reviews.champion_days 1"),
        ({"requirements": {"speed": {"check": "a", "answer": "b"}}}, "requirements.speed is both checked and answered"),
        ({"requirements": {"speed": {"answer": "b"}}}, "requirements.speed.answer is nobody's"),
        ({"requirements": {"speed": {"answer": "b", "by": "c", "at": "soon"}}}, "requirements.speed.at is 'soon'"),
        ({"requirements": {"speed": ["fast"]}}, "requirements.speed is ['fast']"),
        ({"value": {"without": "none"}}, "value.without is 'none'"),
        ({"value": {"prevalence": 2}}, "value.prevalence is 2"),
        ({"value": {"prevalence": {"low": 0.3, "expected": 0.2, "high": 0.4}}}, "value.prevalence is not in order"),
        ({"value": {"prevalence": {"low": 0.3}}}, "value.prevalence.expected is None"),
        ({"value": {"error": {"cost": -1}}}, "value.error.cost is -1"),
        ({"value": {"error": {"cost": 1, "per": "cubed"}}}, "value.error.per is 'cubed'"),
        ({"effort": {"people": True, "weeks": 1}}, "effort.people is True"),
        ({"context": "x" * 5000, "goal": 10**4000}, "goal is"),
    ],
)
def test_a_new_key_that_is_wrong_is_refused_in_one_short_line(project, content, message):
    with pytest.raises(Invalid) as error:
        parsed(yaml.safe_dump(content).encode())
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700


def test_check_names_what_is_missing_and_whose_it_is(project):
    write(project, {"problem": "Will it be late?"})
    found = {f.column: f for f in check()}
    assert found["problem"].outcome == "passed"
    assert found["users"].outcome == "warning"
    assert found["users"].detail["role"] == "product"


def test_check_without_a_charter(project):
    with pytest.raises(NotFound, match="nbmlops charter new"):
        check()


def test_it_shows_itself(project):
    write(project, {"problem": "<script>alert(1)</script>", "metrics": [{"name": "roc_auc", "at_least": 0.65}]})
    bundle = nb.charter()._repr_mimebundle_()
    assert "<script" not in bundle["text/html"]
    assert "roc_auc at least 0.65" in bundle["text/plain"]
    assert "users (product)" in bundle["text/plain"]


def evaluation(tp, fp, fn, tn):
    counts = {"true_positive": [tp], "false_positive": [fp], "false_negative": [fn], "true_negative": [tn]}
    return {"confusion": {"threshold": [0.5], **counts}, "data": "x"}


def test_value_is_the_gain_over_the_better_of_acting_on_none_and_on_all(project):
    write(project, FLIGHTS)
    found = value(evaluation(100, 50, 100, 750), nb.charter())
    # acting on all: 200 x 20 - 800 x 5 = 0; on none: -200 x 20 = -4,000; the model: 100 x 20 - 50 x 5 - 100 x 20 = -250
    assert found["expected"] == pytest.approx(-250)
    assert found["low"] < found["expected"] < found["high"]
    assert (found["unit"], found["against"], found["n"], found["threshold"]) == ("EUR", "acting on all", 1000, 0.5)
    assert found["volume"]["expected"] == pytest.approx(2 * found["expected"])
    best, other = found["alternatives"]
    assert (best["against"], best["expected"], best["alone"]) == ("acting on all", found["expected"], 0)
    assert (other["against"], other["expected"], other["alone"]) == ("acting on none", pytest.approx(3750), -4000)


def test_value_interval_agrees_with_the_bootstrap(project):
    import numpy as np

    write(project, FLIGHTS)
    gains = np.repeat([0.0, -40.0, 5.0], [150, 100, 750])  # over acting on all
    rng = np.random.default_rng(0)
    means = [1000 * rng.choice(gains, 1000).mean() for _ in range(800)]
    found = value(evaluation(100, 50, 100, 750), nb.charter())
    low, high = np.percentile(means, [2.5, 97.5])
    assert found["low"] <= low + 10  # it reckons with one more row, seen by nobody
    assert found["high"] >= high - 10
    assert found["high"] - found["low"] < 1.1 * (high - low)


def test_value_takes_the_best_threshold(project):
    write(project, FLIGHTS)
    both = {
        k: [*evaluation(10, 500, 0, 490)["confusion"][k], *evaluation(9, 0, 1, 990)["confusion"][k]]
        for k in evaluation(1, 1, 1, 1)["confusion"]
    }
    both["threshold"] = [0.1, 0.9]
    assert value({"confusion": both}, nb.charter())["threshold"] == 0.9


def test_value_against_the_champion_says_whether_the_rows_are_the_same(project):
    write(project, FLIGHTS)
    found = value(evaluation(100, 50, 100, 750), nb.charter(), evaluation(80, 50, 120, 750))
    assert found["champion"] == {"difference": pytest.approx(20 * 40), "same_rows": True}


@pytest.mark.parametrize("rows_known", [True, False])
def test_value_against_the_champion_has_an_interval_where_both_answered_the_same_rows(project, rows_known):
    import numpy as np
    import pandas as pd

    from nbmlops.registry.measures import Answers, confusion
    from nbmlops.registry.values import packed

    def judged(chance, rows):
        both = np.column_stack([1 - chance, chance])
        answers = Answers("binary", chance > 0.5, both, chance, (False, True), truth)
        digest = session.artifacts().put(packed(answers, rows))
        known = {"values": digest, "task": "binary", "positive": True, "rows": len(truth)}
        return {**known, "confusion": confusion(answers), "data": None if rows_known else "abc"}

    write(project, FLIGHTS)
    rng = np.random.default_rng(0)
    truth = rng.random(2000) < 0.3
    rows = pd.DataFrame({"hour": rng.random(2000)})
    good, bad = (np.clip(0.3 + shift * (truth - 0.3) + rng.normal(0, 0.2, 2000), 0, 1) for shift in (0.5, 0.2))
    found = value(judged(good, rows if rows_known else None), nb.charter(), judged(bad, rows if rows_known else None))
    assert found["champion"]["same_rows"]
    assert found["champion"]["n"] == 2000
    assert found["champion"]["expected"] == pytest.approx(found["champion"]["difference"])
    assert 0 < found["champion"]["low"] < found["champion"]["expected"] < found["champion"]["high"]
    other = value(judged(good, rows), nb.charter(), {**judged(bad, rows[::-1]), "data": "other"})
    assert "low" not in other["champion"]
    assert not other["champion"]["same_rows"]


def test_value_needs_every_outcome_and_counts(project):
    write(project, {"value": {"per": {"true_positive": 1}}})
    with pytest.raises(Invalid, match="what a false positive is worth"):
        value(evaluation(1, 1, 1, 1), nb.charter())
    write(project, FLIGHTS)
    with pytest.raises(Invalid, match="counts no outcomes"):
        value({"confusion": None}, nb.charter())


def test_the_card_of_the_whole_template_says_every_section(project):
    path = new()
    lines = [t[2:].partition("      or ")[0] for t in path.read_text().splitlines() if EXAMPLE.match(t)]
    path.write_text("\n".join(lines))
    bundle = nb.charter()._repr_mimebundle_()
    for words in ("Question q1", "Deliverable: first champion, done", "Requirement speed: checked: latency 50",
                  "Requirement regulation: answered by compliance", "Planned: forest, 12 runs", "Effort: 2 people",
                  "Implementation: batch", "Target of late-flights: roc_auc at least 0.7", "Reviews: agenda monthly",
                  "travel desk (a warning an hour before)", "3 for a unit of absolute error"):  # fmt: skip
        assert words in bundle["text/plain"]
    for words in ("planned experiment", "how it is known", "whose it is", "no gain in 4 runs"):
        assert words in bundle["text/html"]
