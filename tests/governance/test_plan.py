"""What was planned is read from the charter, or refused with the key that is wrong."""

import re

import pytest
import yaml

import nbmlops as nb
from nbmlops.errors import Invalid
from nbmlops.governance.written.plan import Deliverable, budget, deliverables, effort, left


def write(project, content):
    (project / "charter.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))


def test_it_says_vision_budget_and_what_is_due(project):
    write(
        project,
        "vision: Nobody waits at a gate\n"
        "budget: {amount: 60000, unit: EUR, spent: 21000}\n"
        "deliverables:\n"
        "  - {name: how-to page, due: 2013-06-30, owner: ada}\n"
        "  - {name: some day}\n"
        "  - {name: champion, due: 2013-03-31, done: 2013-04-02}\n",
    )
    found = nb.charter()
    assert found.vision == "Nobody waits at a gate"
    assert found.budget == {"amount": 60000.0, "unit": "EUR", "spent": 21000.0}
    assert [d.name for d in found.deliverables] == ["champion", "how-to page", "some day"]
    assert [d.state("2013-07-01") for d in found.deliverables] == ["done late", "late", "open"]
    assert found.to_dict()["deliverables"][0]["done"] == "2013-04-02"
    assert "Nobody waits" in repr(found)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"vision": ["a"]}, "vision is ['a']. It should be text"),
        ({"budget": 60000}, "budget is 60000. It should be keys"),
        ({"budget": {"unit": "EUR"}}, "budget has no amount"),
        ({"budget": {"amount": "much"}}, "budget.amount is 'much'"),
        ({"budget": {"amount": 1, "spent": -1}}, "budget.spent is -1"),
        ({"budget": {"amount": float("nan")}}, "budget.amount is nan"),
        ({"budget": {"amount": 1, "cost": 1}}, "budget has 'cost'. Allowed: amount, unit, spent, per_month, since"),
        ({"budget": {"amount": 1, "since": "soon"}}, "budget.since is 'soon'"),
        ({"deliverables": {"name": "a"}}, "deliverables is {'name': 'a'}. It should be a list"),
        ({"deliverables": ["page"]}, "deliverables holds 'page'"),
        ({"deliverables": [{"due": "2013-06-30"}]}, "Write {name: ..."),
        ({"deliverables": [{"name": "page", "until": 1}]}, "deliverable 'page' has 'until'. Allowed: name, due"),
        ({"deliverables": [{"name": "page", "due": "June"}]}, "due of 'page' is 'June'"),
        ({"deliverables": [{"name": "page", "done": 3}]}, "done of 'page' is '3'"),
    ],
)
def test_a_broken_plan_is_refused_with_its_key(project, content, message):
    write(project, content)
    with pytest.raises(Invalid) as error:
        nb.charter()
    assert message in str(error.value)


def test_what_is_left_of_a_budget():
    monthly = {"amount": 36000.0, "per_month": 3000.0, "since": "2013-01-01"}
    found = left(monthly, "2014-01-01T00:00:00+00:00")
    assert found["spent"] == pytest.approx(36000, abs=60)
    assert left({"amount": 9.0, "spent": 12.0}, "2013-01-01") == {"spent": 12.0, "left": -3.0, "months": None}
    assert left({"amount": 9.0}, "2013-01-01") == {"spent": None, "left": None, "months": None}
    assert left(monthly, "2012-06-01")["spent"] == 0  # not begun


def test_done_on_a_later_day_is_not_done_yet():
    promised = Deliverable("page", "2013-06-30", done="2099-01-01")
    assert (promised.state("2013-06-01"), promised.state("2013-07-01")) == ("open", "late")
    assert promised.state("2099-01-01") == "done late"


@pytest.mark.parametrize(
    "amount", [10**400, -(10**400), 10**5000, float("inf"), float("nan"), "x" * 1000, True], ids=range(7)
)
def test_an_amount_that_is_none_is_refused_in_few_words(amount):
    with pytest.raises(Invalid, match=r"budget\.amount is") as error:
        budget({"amount": amount})
    assert len(str(error.value)) < 150


@pytest.mark.parametrize("written", [f"budget: {{amount: {'9' * 5000}}}", "deliverables: [{name: x, due: 2026-13-45}]"])
def test_a_number_or_a_day_that_yaml_cannot_read_is_refused(project, written):
    write(project, written)
    with pytest.raises(Invalid, match="is not valid YAML"):
        nb.charter()


def test_a_deliverable_without_a_day_is_never_late():
    assert Deliverable("page").state("2999-01-01") == "open"
    assert Deliverable("page", "2013-01-01", done=True).state("2013-05-01") == "done"


def test_what_a_deliverable_is_made_of():
    problem = {"name": "delays are known late", "who": "ada", "state": "open"}
    more = {
        "needs": "flights",
        "metrics": ["roc_auc"],
        "data": ["weather"],
        "state": "begun",
        "value": 5000,
        "weeks": 2,
    }
    found = deliverables([{"name": "warnings", "problems": [problem], **more}])[0]
    assert found.problems[0].who == ("ada",)
    assert (found.needs, found.metrics, found.data) == (("flights",), ("roc_auc",), ("weather",))
    assert (found.progress, found.value, found.weeks) == ("begun", 5000.0, 2.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"problems": ["late"]}, "problems is 'late'. Write {name"),
        ({"problems": [{"who": "ada"}]}, "a problem has no name"),
        ({"value": "much"}, "value of 'page' is 'much'"),
        ({"weeks": -1}, "weeks of 'page' is -1"),
        ({"needs": {"a": 1}}, "needs of 'page' is {'a': 1}"),
    ],
)
def test_a_broken_part_of_a_deliverable_is_refused(content, message):
    with pytest.raises(Invalid, match=re.escape(message)):
        deliverables([{"name": "page", **content}])


def test_effort_is_people_times_weeks():
    assert effort({"people": 2, "weeks": 6, "per_week": 2000}).cost == 24000
    assert effort({"people": 0.5, "weeks": 6}).person_weeks == 3
    assert effort({"people": 2, "weeks": 6}).cost is None
    assert effort({}) is None
    with pytest.raises(Invalid, match=r"effort\.weeks is None"):
        effort({"people": 2})
