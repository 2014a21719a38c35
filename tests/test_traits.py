"""A user's code is the same with and without tracking: one small notebook a trait, run both ways."""

from __future__ import annotations

import json

import pytest

import traits

NOTEBOOKS = sorted(traits.FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module")
def runner():
    with traits.runner() as running:
        yield running


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_the_same_with_and_without_tracking(path, runner, tmp_path):
    plain, tracked = (runner.run(path, tmp_path / "work", way) for way in (False, True))
    found = traits.differences(plain["same"], tracked["same"])
    assert not found, "\n".join(found)
    assert tracked["changed"] == []
    assert not tracked["expected"], tracked["expected"]


def test_every_notebook_says_what_is_kept_and_has_lasting_cell_ids():
    assert len(NOTEBOOKS) >= 40
    for path in NOTEBOOKS:
        node = json.loads(path.read_text())
        assert node["metadata"]["nbmlops"]["expect"], path.name
        assert [c["id"] for c in node["cells"]] == [f"{path.stem}-{i}" for i in range(1, len(node["cells"]) + 1)]
        assert any("".join(c["source"]).startswith("%%track ") for c in node["cells"]), path.name
