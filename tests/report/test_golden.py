"""Fixed facts give the bytes of tests/report/golden/drift.html: what changes there is seen in review.

Where a page is meant to look otherwise now: ``make golden`` writes it anew, and the commit shows what became different.
"""

import json
from pathlib import Path

import pytest

from nbmlops.report import page

GOLDEN = Path(__file__).parent / "golden"
PAGE, FACTS = GOLDEN / "drift.html", GOLDEN / "drift.json"


def drawn() -> str:
    """Return the page without the version that drew it."""
    return page.render(json.loads(FACTS.read_text(encoding="utf-8"))).replace(f"nbmlops {page.__version__}", "nbmlops")


@pytest.fixture(autouse=True)
def alone(project):
    """Draw where nothing else is known: a page comes from its facts alone."""


def test_fixed_facts_give_the_same_bytes():
    assert drawn().encode() == PAGE.read_bytes(), "If this is meant: make golden"


def test_no_fact_changes_without_the_page():
    taken = json.loads(FACTS.read_text(encoding="utf-8"))
    taken["result"]["data"]["findings"][1]["effect"] = 0.08
    assert page.render(taken) != drawn()


if __name__ == "__main__":
    PAGE.write_bytes(drawn().encode())
