"""A report says what was judged under a charter of before, when that was, and what changed since."""

import pytest

import nbmlops as nb
from nbmlops.governance.agreed_on import agree
from nbmlops.report import snapshot
from nbmlops.report.kinds.kind import subject_of
from nbmlops.report.page_one import measured
from nbmlops.report.sections.changed import changed

FIRST = "metrics: [{name: roc_auc, at_least: 0.6}]\n"


@pytest.fixture
def taken(project, model, held_out):
    def take(new):
        agree(FIRST)
        with nb.run("late") as run:
            nb.register(model, "late", evaluation=nb.evaluate(model, held_out, target="late"))
        agree(new)
        return snapshot.build(subject_of(run.run_id))

    return take


def says(found):
    return [block.text for block in measured.under(found)]


def test_an_evaluation_of_before_says_what_changed_since(taken):
    found = taken(FIRST.replace("0.6", "0.7"))
    [said] = says(found)
    assert said.startswith("The evaluation was made under the charter of ")
    assert said.endswith("since changed: target roc_auc: at least 0.7, was 0.6.")
    assert says(found)[0] in [getattr(b, "text", "") for b in measured.blocks(found)]
    assert said in [getattr(b, "text", "") for b in changed(found).blocks]


def test_nothing_is_said_while_it_is_the_same(taken):
    assert says(taken(FIRST)) == []


def test_a_model_with_targets_of_its_own_is_held_against_them(taken):
    own = FIRST + "models: {late: {metrics: [{name: brier, at_most: 0.4}]}}\n"
    assert [t["column"] for t in taken(own)["targets"]] == ["brier"]
