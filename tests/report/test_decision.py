"""Page one says what the facts allow, and no more."""

import pytest

from nbmlops.report import decision, snapshot
from nbmlops.report.blocks import Missing, Table
from nbmlops.report.kinds.kind import subject_of
from nbmlops.tracking import session
from nbmlops.tracking.runs import get_run

from .conftest import gate, promote, register


def decided(run):
    return decision.decide(snapshot.build(subject_of(run)))


def test_a_promoted_challenger_is_done(retrained):
    promote(2, "better on April")
    page = decided(retrained)
    assert page.question == "Replace champion late-flights@1 by late-flights@2?"
    assert page.answer.word == "Done"
    assert "same 5,495 held-out rows (roc_auc +0.016 [+0.008,\xa0+0.023])" in page.because


def test_a_better_challenger_is_recommended(retrained):
    assert decided(retrained).answer.word == "Recommended: yes"


@pytest.mark.parametrize(
    ("verdict", "word", "tone"),
    [
        ("non-inferior", "No need to change", "quiet"),
        ("inconclusive", "Not recommended yet", "warn"),
        ("worse", "Recommended: no", "bad"),
        ("odd", "Undecided", "warn"),
    ],
)
def test_any_other_verdict_leaves_the_champion(champion, verdict, word, tone):
    with session.run("retrain") as run:
        session.keep("gate", "pair", gate(verdict))
    register(2, run.run_id)
    page = decided(get_run(run.run_id))
    assert (page.answer.word, page.answer.tone) == (word, tone)
    assert "Champion late-flights@1 stays." in page.because


def test_a_first_champion(champion):
    page = decided(champion)
    assert (page.question, page.answer.word) == ("Use late-flights@1 as champion?", "Done")
    assert "5,495 rows it had not seen" in page.because


def test_a_model_without_evaluation_is_not_called_good(project):
    with session.run("train") as run:
        pass
    register(1, run.run_id)
    promote(1, "hurry")
    page = decided(get_run(run.run_id))
    assert (page.answer.word, page.answer.tone) == ("Done", "warn")
    assert "nothing shows how good it is" in page.because


def test_a_failed_run_says_where_since_when_and_what_serves(failed):
    page = decided(failed)
    assert page.question == "Notebook '03_retrain' failed in cell 7 of 12"
    assert page.answer.tone == "bad"
    assert page.because.startswith("ValueError: found 0 rows. Since ")
    assert "late-flights@1 keeps serving as champion." in page.because
    assert not page.signed


def test_a_target_crossed_by_its_interval_is_not_shown(retrained):
    table = next(b for b in decided(retrained).part("viable").blocks if isinstance(b, Table))
    assert table.rows[0][0] == "roc_auc at least 0.65: ranks well enough"
    assert (table.rows[0][4].word, table.rows[0][4].tone) == ("shown", "good")
    crossed = {"column": "roc_auc", "effect": 0.66, "outcome": "warning"}
    crossed["detail"] = {"word": "not shown", "low": 0.64, "high": 0.68, "at_least": 0.65}
    row = decision._target_row(crossed, {}, {})
    assert (row[4].word, row[4].tone) == ("not shown", "warn")


def test_all_six_outcomes_are_counted_open_ones_first(retrained):
    page = decided(retrained)
    assert [(n, v.word) for n, v in page.part("found").tally] == [
        (1, "issue"),
        (1, "warning"),
        (1, "skipped"),
        (1, "muted"),
        (1, "not applicable"),
        (6, "passed"),
    ]
    table = page.part("found").blocks[0]
    assert [row[0].word for row in table.rows] == ["issue", "warning"]


def test_value_has_three_numbers_and_a_unit(retrained):
    table = next(b for b in decided(retrained).part("worth").blocks if isinstance(b, Table))
    assert table.headers[0] == "EUR per 1,000 rows"
    low, expected, high = (float(v.replace(",", "")) for v in table.rows[0][1:])
    assert low < expected < high


def test_what_is_unknown_is_missing_with_what_to_do(project):
    with session.run("bare") as run:
        pass
    page = decided(get_run(run.run_id))
    assert page.answer.word == "For information"
    for blocks in [page.part(key).blocks for key in ("viable", "worth", "found")]:
        assert isinstance(blocks[0], Missing)
        assert blocks[0].do
