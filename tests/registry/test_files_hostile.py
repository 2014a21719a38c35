"""Nothing in a hostile file runs, and none ends the process: each is one clear error."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hostile
from nbmlops.errors import UntrustedContent
from nbmlops.registry import files

MARKER = Path("/tmp/nbmlops-hostile-marker")


@pytest.fixture(autouse=True)
def nothing_ran():
    MARKER.unlink(missing_ok=True)
    yield
    assert not MARKER.exists(), "something in the file was run"


def refused(data, name=""):
    try:
        hostile.read(data)
    except UntrustedContent as error:
        said = str(error)
        assert "\n" not in said, name
        assert "late@1" in said, name
        return said
    return pytest.fail(f"{name} was read")


def test_a_hidden_call_is_not_built():
    for name, data in hostile.with_hidden_calls(MARKER):
        refused(data, name)


def test_a_program_is_not_run():
    for name, data in hostile.pickles(MARKER):
        refused(data, name)


def test_what_becomes_large_is_refused_while_it_is_small():
    for name, data in hostile.bombs():
        refused(data, name)


def test_a_name_that_leaves_the_folder_is_refused():
    for name, data in hostile.paths():
        refused(data, name)


def test_a_file_that_was_cut_or_flipped_is_one_error():
    for name, data in hostile.broken():
        refused(data, name)


def test_an_array_that_leads_out_of_memory_is_refused_before_it_is_asked():
    for name, data in hostile.arrays():
        refused(data, name)


def test_a_number_two_objects_share_is_refused():
    assert "the same number" in refused(hostile.aliased_outputs())


def test_what_is_checked_is_what_is_built():
    assert "not what it should be" in refused(hostile.swapped_outputs())
    assert "made by no plain type" in refused(hostile.called_keys())


def test_any_flipped_bit_is_an_error_or_changes_no_more_than_a_value():
    data = hostile.written(hostile.RandomForestClassifier(2, max_depth=3, random_state=0))
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(data), 150):
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        try:
            hostile.ask(hostile.read(bytes(flipped)))
        except (UntrustedContent, ValueError, TypeError, AttributeError):
            continue


WITHOUT_CHECKS = """
import sys, hostile
from nbmlops.registry import structure
structure.check = lambda model: None
name = sys.argv[1]
hostile.ask(hostile.read(dict(hostile.arrays())[name]))
"""


@pytest.mark.parametrize("name", ["a child far away", "a boosted child far away"])
def test_without_the_check_the_process_would_end(name):
    """Not a test of ours alone: it says that these files are as hostile as they look."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_CHECKS, name], cwd=Path(hostile.__file__).parent, check=False)
    assert done.returncode < 0
    assert files.load
