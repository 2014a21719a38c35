"""Notebooks that became scripts: what a magic says where no cell is."""

import pytest

from nbmlops.errors import Invalid


def test_a_tracked_cell_in_a_script_says_what_to_write(shell):
    """`jupyter nbconvert --to script` writes cell magics as calls."""
    with pytest.raises(Invalid) as said:
        shell.run_cell_magic("track", "forest --tag month=march", "x = 1\n")
    assert said.value.hint.endswith("in a script write: with nb.run('forest'):")
    assert "x" not in shell.user_ns
