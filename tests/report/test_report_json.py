"""The documentation of report.json names every key of a run's snapshot."""

import re
from pathlib import Path

import pytest

from nbmlops.report import snapshot
from nbmlops.report.kinds.kind import KINDS, subject_of

PAGE = (Path(__file__).parents[2] / "docs" / "report-json.md").read_text(encoding="utf-8")
# What stands in these is named by people or told elsewhere: models, settings, the charter, packages.
OPEN = ("serving_since", "looked_at", "charter", "environment", "targets")


def rows():
    """Return each key that is documented, with the words of its row."""
    found = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE)
    return dict(reversed(found))  # a run's come first; other kinds may have a key of the same name


def below(value):
    """Return the keys of a mapping, or of the mappings in a list."""
    found = value if isinstance(value, list) else [value]
    return {key for one in found if isinstance(one, dict) for key in one}


@pytest.mark.parametrize("which", ["retrained", "champion", "failed"])
def test_every_key_is_documented(which, request):
    taken = snapshot.build(subject_of(request.getfixturevalue(which)))
    documented = rows()
    assert set(taken) <= set(documented), set(taken) - set(documented)
    words = {key: documented["run"] if key == "parts" else documented[key] for key in taken}
    missing = [
        f"{key}.{inner}"
        for key in taken
        if key not in OPEN
        for inner in below(taken[key])
        if f"`{inner}`" not in words[key]
    ]
    assert missing == []


def test_every_kind_and_the_schema_are_named():
    assert f"`schema` is {snapshot.SCHEMA}." in PAGE
    for kind in KINDS:
        assert f"`{kind}`" in rows()["kind"], kind
