"""Erasing personal rows: gone from every table and file, the log still verifies, and a kill loses nothing."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Conflict, Invalid, NotFound
from nbmlops.governance import erasing
from nbmlops.monitoring.predicting.retention import prune
from nbmlops.store import erasing as stored_erasing
from nbmlops.store import flags as stored_flags
from nbmlops.store import predictions as stored
from nbmlops.tracking import session

PERSON = "zqx17"


@pytest.fixture
def kept(project, train, fit, held_out):
    """A model, predictions in a small and a large block, feedback, a flag on a row, kept rows, a background."""
    rows = train.assign(booking=[f"zqx{i}" for i in range(len(train))])
    nb.dataset("bookings", rows, keep=True)
    model = fit("age", "city", "noise")
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late", background=rows[["age", "city", "noise"]])
    small = rows.iloc[15:20][["booking", "age", "city", "noise"]]
    nb.predict("late@1", small, key="booking")
    said = nb.predict("late@1", rows[["booking", "age", "city", "noise"]], key="booking")
    nb.feedback(pd.DataFrame({"prediction_id": said.prediction_id[15:20], "outcome": [True] * 5}))
    nb.flag("bookings@1", "zqx17 is odd", row={"booking": PERSON})
    return project


def held():
    """Return whether the person is among the kept rows, and in how many predictions."""
    session.store().catch_up()
    keys = [k for b in stored.blocks(session.store(), "late") for k in _keys(b)]
    return PERSON in nb.load_dataset("bookings@1").booking.tolist(), keys.count(PERSON)


def _keys(block):
    from nbmlops.monitoring.predicting.recorded import content

    return content(block)["key"].tolist()


def test_it_only_counts_without_yes(kept):
    before = nb.verify_audit().head
    found = nb.erase(f"key = '{PERSON}'")
    assert found.what_if
    assert found.rows == {"predictions": 2, "feedback": 1, "flags": 0, "dataset": 0}
    assert nb.verify_audit().head == before
    assert held()[1] == 2


def test_a_person_goes_from_predictions_and_feedback(kept):
    found = nb.erase(f"key = '{PERSON}'", yes=True)
    assert found.rows["predictions"] == 2
    assert held()[1] == 0
    blocks = stored.blocks(session.store(), "late")
    assert sum(b.rows for b in blocks) == 505
    assert len(stored.feedback_of(session.store(), "late")) == 4
    from nbmlops.monitoring.predicting.recorded import predicted

    whole = predicted("late", inputs=True)
    assert whole.said.prediction.notna().all()
    assert whole.inputs.isna().all(axis=1).sum() == 2


def test_a_person_goes_from_rows_that_were_made_of_their_predictions(kept):
    """A training increment holds inputs beside the id of the prediction, and no key."""
    from nbmlops.monitoring.predicting.recorded import predicted

    whole = predicted("late", inputs=True)
    rows = whole.inputs.reset_index(drop=True).assign(prediction_id=whole.said.prediction_id.tolist(), late=True)
    nb.dataset("late-increment", rows, keep=True)
    found = nb.erase(f"key = '{PERSON}'", yes=True)
    assert (found.rows["dataset"], found.of["dataset"]) == (2, ("late-increment@1",))
    left = nb.load_dataset("late-increment@1")
    gone = whole.said.prediction_id[whole.said.key == PERSON]
    assert left.isna().all(axis=1).sum() == 2
    assert not left.prediction_id.isin(gone).any()
    assert nb.verify_audit().verdict != "broken"


def test_a_person_goes_from_kept_rows_and_flags_and_places_stay(kept):
    before = nb.load_dataset("bookings@1")
    old = nb.datasets().iloc[0].fingerprint
    found = nb.erase(f"booking = '{PERSON}'", yes=True)
    assert found.rows["dataset"] == 1
    assert found.rows["flags"] == 1
    after = nb.load_dataset("bookings@1")
    assert len(after) == len(before)
    assert after.iloc[17].isna().all()
    pd.testing.assert_frame_equal(after.drop(index=17), before.drop(index=17), check_dtype=False)
    assert nb.datasets().iloc[0].fingerprint == old
    flag = stored_flags.listed(session.store())[0]
    assert PERSON not in json.dumps(flag["data"])
    assert found.files == 1
    assert not held()[0]


def test_rows_of_a_background_go(kept):
    from nbmlops.registry.kept import background

    few, about = int((background("late@1").age > 50).sum()), nb.model_version("late@1").signature["background"]
    found = nb.erase("age > 50", table="dataset", yes=True)
    assert found.rows["dataset"] == 2 * few
    assert (background("late@1").age <= 50).all()
    now = nb.model_version("late@1").signature["background"]
    assert now == {**about, "digest": now["digest"], "rows": about["rows"] - few}
    assert nb.verify_audit().verdict != "broken"


def test_a_background_of_nobody_is_none(kept):
    from nbmlops.registry.kept import background

    nb.erase("age > -1000", table="dataset", yes=True)
    with pytest.raises(NotFound):
        background("late@1")
    assert nb.verify_audit().verdict != "broken"


def test_the_log_verifies_and_holds_no_value(kept):
    nb.erase(f"booking = '{PERSON}'", yes=True)
    nb.erase(f"key = '{PERSON}'", yes=True)
    assert nb.verify_audit().verdict != "broken"
    nb.export_audit(kept / "audit")
    done = subprocess.run([sys.executable, "-I", "verify.py"], cwd=kept / "audit", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert PERSON not in (kept / "audit" / "events.jsonl").read_text()


def test_what_was_derived_is_named(kept):
    said = " ".join(nb.erase(f"booking = '{PERSON}'").not_erased)
    assert "Profiles" in said
    assert "backups" in said


def test_again_finds_nothing(kept):
    nb.erase(f"key = '{PERSON}'", yes=True)
    again = nb.erase(f"prediction_id = '{stored.blocks(session.store(), 'late')[0].prediction_id}'")
    assert again.rows["predictions"] == 1
    nb.erase(f"booking = '{PERSON}'", yes=True)
    assert nb.erase(f"booking = '{PERSON}'").rows == {"predictions": 0, "feedback": 0, "flags": 0, "dataset": 0}


def test_one_table_alone(kept):
    found = nb.erase(f"booking = '{PERSON}'", table="flags", yes=True)
    assert found.rows == {"flags": 1}
    assert held()[0]


KILLED = """
import os, signal, nbmlops as nb
from nbmlops.governance import erasing
from nbmlops.store import erasing as stored
def kill(*args, **more): os.kill(os.getpid(), signal.SIGKILL)
if {point!r} == "files": erasing._swept = kill
elif {point!r} == "tables": stored.forget_feedback = kill
nb.erase("booking = 'zqx17' ", yes=True) if {point!r} == "files" else nb.erase("key = 'zqx17'", yes=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no such signal on Windows")
@pytest.mark.parametrize("point", ["files", "tables"])
def test_killed_in_the_middle_it_loses_nothing_and_goes_on(kept, point):
    session.reset()
    done = subprocess.run(
        [sys.executable, "-c", KILLED.format(point=point)], cwd=kept, capture_output=True, timeout=100
    )
    assert done.returncode == -9
    assert nb.verify_audit().verdict != "broken"
    assert len(nb.load_dataset("bookings@1")) == 500
    if point == "tables":
        assert held()[1] == 2
        assert nb.erase(f"key = '{PERSON}'", yes=True).rows["predictions"] == 2
        assert held()[1] == 0
    else:
        assert not held()[0]
        assert nb.erase(f"booking = '{PERSON}'", yes=True).files == 1


def test_function_and_command_say_the_same(kept):
    done = CliRunner().invoke(main, ["store", "erase", "--where", f"key = '{PERSON}'", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == nb.erase(f"key = '{PERSON}'").to_dict()
    shown = nb.erase(f"key = '{PERSON}'")._repr_mimebundle_()
    assert "Nothing was changed" in shown["text/plain"]
    assert "application/vnd.nbmlops.erased.v1+json" in shown


@pytest.mark.parametrize(
    ("where", "table", "error", "says"),
    [
        ("", None, Invalid, "no condition"),
        ("key = 'a' and", None, Invalid, "."),
        ("nothing = 3", None, Invalid, "Nothing that is kept has a column 'nothing'"),
        ("key = 'a'", "runs", NotFound, "No table 'runs'"),
    ],
)
def test_bad_input_changes_nothing(kept, where, table, error, says):
    before = nb.verify_audit().head
    with pytest.raises(error, match=says):
        nb.erase(where, table, yes=True)
    assert nb.verify_audit().head == before


def test_no_file_of_the_store_holds_the_person_any_more(kept):
    assert holding(kept)
    nb.erase(f"booking = '{PERSON}'", yes=True)
    nb.erase(f"key = '{PERSON}'", yes=True)
    assert holding(kept) == []


def holding(folder):
    """Return the files of the store in which a key is, as far as it is not packed."""
    session.store().catch_up()
    files = [p for p in (folder / ".nbmlops").rglob("*") if p.is_file()]
    return [p.name for p in files if PERSON.encode() in p.read_bytes()]


def test_a_block_that_another_changed_meanwhile_is_a_conflict(kept, monkeypatch):
    write = erasing._write

    def late(*args):
        prune(at="2099-01-01T00:00:00+00:00")
        write(*args)

    monkeypatch.setattr(erasing, "_write", late)
    with pytest.raises(Conflict, match="changed by somebody else"):
        nb.erase(f"key = '{PERSON}'", yes=True)
    assert stored_erasing.named(session.store()) == []
    assert len(stored.feedback_of(session.store(), "late")) == 5


def test_the_store_is_whole_after_it_and_goes_elsewhere(kept, tmp_path):
    nb.erase(f"booking = '{PERSON}'", yes=True)
    nb.erase("age > 50", yes=True)
    for words in (["store", "verify"], ["store", "export", str(tmp_path / "out")]):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
