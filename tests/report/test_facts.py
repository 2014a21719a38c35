"""Which evaluation a report rests on where nobody said of which model it is."""

import pytest

from nbmlops.report import facts


def known(*rows, models=()):
    """Return what is known of a run with an evaluation on so many rows each, the oldest first."""
    results = [
        {
            "kind": "evaluation",
            "result_id": str(i),
            "at": str(i),
            "subject": "Tree",
            "data": {"n": i, "rows": amount, "model": "Tree"},
        }
        for i, amount in enumerate(rows)
    ]
    return {"run": {"run_id": "a"}, "parts": [], "results": results, "models": list(models), "events": []}


@pytest.mark.parametrize(
    ("rows", "counts"), [((900, 50), 0), ((50, 900), 1), ((900, 900), 1), ((900, None), 0), ((50,), 0)]
)
def test_a_part_of_the_rows_never_passes_for_the_whole(rows, counts):
    assert facts.evaluation(known(*rows))["n"] == counts


def test_without_an_evaluation_there_is_none():
    assert facts.evaluation(known()) is None
