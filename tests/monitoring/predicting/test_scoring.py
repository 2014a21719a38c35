"""A file of any size is scored like a frame: in parts, whole or not at all, recorded when it is whole."""

import errno
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NbmlopsError, NotFound
from nbmlops.monitoring.predicting import predictions, recorder
from nbmlops.store import predictions as stored
from nbmlops.store.journal import Journal
from nbmlops.tracking import session


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    from nbmlops.monitoring.predicting import scoring

    for module in (predictions, scoring):
        monkeypatch.setattr(module, "PART_ROWS", 60)


@pytest.fixture
def late(project, model, held_out):
    nb.evaluate(model, held_out, target="late")
    return nb.register(model, "late")


@pytest.fixture
def rows(late, people):
    return people(250, 9).assign(booking=[f"B{i:03d}" for i in range(250)])


def recorded():
    return stored.blocks(session.store(), "late")


def test_the_file_says_what_predict_says(rows, model):
    rows.to_csv("rows.csv", index=False)
    found = nb.score("rows.csv", "late", "scored.csv", batch="may")
    assert (found.rows, found.recorded, found.model, found.batch) == (250, 250, "late@1", "may")
    scored, said = pd.read_csv("scored.csv"), nb.predict("late", rows)
    assert list(scored) == list(said) == ["prediction_id", "prediction", "probability", "version"]
    assert (scored.prediction.to_numpy() == said.prediction.to_numpy()).all()
    np.testing.assert_allclose(scored.probability, said.probability, rtol=1e-12)  # in parts: BLAS adds in another order
    assert (said.prediction.to_numpy() == model.predict(rows[["age", "city", "noise"]])).all()
    assert [b.rows for b in recorded()] == [60, 60, 60, 60, 10] * 2
    assert nb.prediction(scored.prediction_id[200])["inputs"]["age"] == pytest.approx(rows.age[200])


def test_parquet_in_and_out_a_folder_and_frames(rows, needed):
    needed("pyarrow")
    expected = nb.predict("late", rows, log=False)
    (session.project().root / "parts").mkdir()
    rows[:100].to_parquet("parts/a.parquet")
    rows[100:].to_parquet("parts/b.parquet")
    for data in ("parts", rows, needed("pyarrow").Table.from_pandas(rows)):
        assert nb.score(data, "late", "scored.parquet").rows == 250
        scored = pd.read_parquet("scored.parquet")
        np.testing.assert_array_equal(scored.probability, expected.probability)
        assert scored.prediction_id.is_unique
        assert scored.prediction.dtype == bool
    assert nb.score("parts", "late", "without.parquet", log=False).recorded == 0
    assert pd.read_parquet("without.parquet").prediction_id.isna().all()


def test_dask_reads_partitions(rows, needed):
    needed("dask.dataframe")
    rows[:100].to_csv("part-1.csv", index=False)
    rows[100:].to_csv("part-2.csv", index=False)
    assert nb.score("part-*.csv", "late", "scored.csv", dask=True).rows == 250
    np.testing.assert_array_equal(pd.read_csv("scored.csv").probability, nb.predict("late", rows).probability)
    with pytest.raises(NotFound, match="no such file"):
        nb.score("nothing-*.csv", "late", "scored.csv", dask=True)


def test_a_key_goes_with_the_prediction_and_into_the_file(rows):
    rows.assign(day="2013-12-31").to_csv("rows.csv", index=False)
    nb.score("rows.csv", "late", "scored.csv", key="booking", key_at="day")
    scored = pd.read_csv("scored.csv")
    assert scored.columns[0] == "booking"
    found = nb.prediction(scored.prediction_id[70])
    assert found["key"] == "B070"
    assert str(found["key_at"]).startswith("2013-12-31")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_that_cannot_be_answered_are_all_named_and_nothing_is_written(rows, suffix, needed):
    rows["age"] = rows["age"].astype(object)
    rows.loc[[99, 149], "age"] = None
    rows.loc[7, "city"] = None
    write = rows.to_csv if suffix == "csv" else rows.astype({"age": float}).to_parquet
    write(f"rows.{suffix}", index=False)
    with pytest.raises(Invalid, match=f"cannot take rows.{suffix}: city in row 8 is missing") as error:
        nb.score(f"rows.{suffix}", "late", "scored.csv")
    assert [(p.row, p.column) for p in error.value.problems] == [(8, "city"), (100, "age"), (150, "age")]
    assert recorded() == []
    assert sorted(p.name for p in session.project().root.glob("*")) == [".nbmlops", "nbmlops.toml", f"rows.{suffix}"]


def test_what_is_there_stays_when_the_new_one_is_refused(rows):
    rows.to_csv("rows.csv", index=False)
    nb.score("rows.csv", "late", "scored.csv")
    before = Path("scored.csv").read_text()
    rows.assign(age="x").to_csv("rows.csv", index=False)
    with pytest.raises(Invalid, match="in rows 1, 2, 3, 4, 5 and 245 more"):
        nb.score("rows.csv", "late", "scored.csv")
    assert Path("scored.csv").read_text() == before


def test_a_model_that_fails_half_way_records_nothing(rows, monkeypatch):
    from nbmlops.registry import models

    asked, real = [], models.asked

    def fails(version, part):
        asked.append(len(part))
        if len(asked) == 4:
            raise ValueError("unknown thing")
        return real(version, part)

    monkeypatch.setattr(models, "asked", fails)
    rows.to_csv("rows.csv", index=False)
    with pytest.raises(Invalid, match=r"late@1 does not take these rows \(ValueError\): unknown thing"):
        nb.score("rows.csv", "late", "scored.csv")
    assert asked == [60] * 4
    asked.clear()
    with pytest.raises(Invalid, match="unknown thing"):
        nb.predict("late", rows)
    assert recorded() == []


def test_it_says_what_is_worth_knowing(rows, project):
    rows.assign(more=1).to_csv("rows.csv", index=False)
    found = nb.score("rows.csv", "late", "scored.csv", key="booking")
    assert [(n.code, n.detail["columns"]) for n in found.notes] == [("extra_columns", ["late", "more"])]
    assert "250 rows by late@1" in repr(found)
    assert "note: columns the model does not take are ignored: late, more" in repr(found)


def test_progress_is_told(rows, needed):
    needed("pyarrow")
    rows.to_parquet("rows.parquet")
    told = []
    nb.score("rows.parquet", "late", "scored.csv", progress=lambda done, total: told.append((done, total)))
    assert told == [(60, 250), (120, 250), (180, 250), (240, 250), (250, 250)]


def test_no_rows_make_an_empty_file(rows):
    rows[:0].to_csv("rows.csv", index=False)
    assert nb.score("rows.csv", "late", "scored.csv").rows == 0
    assert Path("scored.csv").read_text() == "prediction_id,prediction,probability,version\n"
    assert recorded() == []


@pytest.mark.parametrize(
    ("content", "output", "error", "message"),
    [
        (None, "scored.csv", NotFound, "no such file"),
        ("", "scored.csv", Invalid, "rows.csv cannot be read"),
        ("age,city,noise\n1,Ulm,1\n1,Ulm,1,3,4,5\n", "scored.csv", Invalid, "rows.csv cannot be read"),
        ("age,city,noise\n9,1,Ulm,1\n9,1,Ulm,1\n", "scored.csv", Invalid, "more values than the header has names"),
        ("age,city\n1,Ulm\n", "scored.csv", Invalid, "needs columns that are not there: noise"),
        ("age,age,city,noise\n1,1,Ulm,1\n", "scored.csv", Invalid, "age is there more than once"),
        ("age,city,noise\n1,Ulm,1\n", "scored.xlsx", Invalid, "neither CSV nor Parquet"),
        ("age,city,noise\n1,Ulm,1\n", "gone/scored.csv", NotFound, "There is no folder 'gone'"),
        ("age,city,noise\n1,Ulm,1\n", "rows.csv", Invalid, "is the file to be scored"),
    ],
)
def test_bad_input_is_one_line(late, project, content, output, error, message):
    if content is not None:
        (project / "rows.csv").write_text(content)
    with pytest.raises(error, match=message):
        nb.score("rows.csv", "late", output)
    assert not (project / "scored.csv").exists()


def test_function_and_command_say_the_same(rows):
    rows.to_csv("rows.csv", index=False)
    one = nb.score("rows.csv", "late", "a.csv", key="booking").to_dict()
    run = CliRunner().invoke(
        main, ["score", "rows.csv", "--model", "late", "-o", "a.csv", "--key", "booking", "--json"]
    )
    other = json.loads(run.stdout)
    assert one.pop("seconds") > 0
    assert other.pop("seconds") > 0
    assert one == other


def test_not_recording_says_what_it_costs(rows):
    rows.to_csv("rows.csv", index=False)
    run = CliRunner().invoke(main, ["score", "rows.csv", "--model", "late", "-o", "a.csv", "--no-log"])
    assert run.exit_code == 0
    assert "no outcome can come back" in run.stderr
    assert pd.read_csv("a.csv").prediction_id.isna().all()
    assert recorded() == []


def test_nothing_is_recorded_where_tracking_is_off(rows, monkeypatch):
    monkeypatch.setenv("NBMLOPS_DISABLED", "1")
    assert nb.predict("late", rows).prediction_id.isna().all()
    monkeypatch.delenv("NBMLOPS_DISABLED")
    assert recorded() == []


def test_predictions_come_though_they_cannot_be_recorded(rows, monkeypatch):
    from nbmlops.store.artifacts import Artifacts

    def full(self, data):
        raise NbmlopsError("Artifacts cannot be written: No space left on device.")

    monkeypatch.setattr(Artifacts, "put", full)
    with pytest.warns(
        RuntimeWarning, match="not recorded: Artifacts cannot be written: No space left on device"
    ) as told:
        said = nb.predict("late", rows)
    assert [w.category for w in told].count(RuntimeWarning) == 1  # scikit-learn has warnings of its own
    assert said.prediction_id.is_unique
    assert said.probability.notna().all()
    rows.to_csv("rows.csv", index=False)
    with pytest.warns(RuntimeWarning, match="not recorded"):
        found = nb.score("rows.csv", "late", "scored.csv")
    assert (found.rows, found.recorded, [p.code for p in found.problems]) == (250, 0, ["not_recorded"])
    assert recorded() == []


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_no_journal_takes_is_not_counted_as_recorded(rows, monkeypatch):
    rows.to_csv("rows.csv", index=False)
    with monkeypatch.context() as patched, pytest.warns(RuntimeWarning, match="not recorded: .*No space left"):
        patched.setattr(Journal, "_put", full_disk)
        found = nb.score("rows.csv", "late", "scored.csv")
    assert (found.rows, found.recorded, [p.code for p in found.problems]) == (250, 0, ["not_recorded"])
    assert recorded() == []


def test_the_blocks_of_a_call_are_one_record_of_the_journal(rows, monkeypatch):
    from nbmlops.tracking import opened

    kept, usual = [], opened.keep
    monkeypatch.setattr(opened, "keep", lambda event: (kept.append(event), usual(event)))
    monkeypatch.setattr(predictions, "PART_ROWS", 40)
    monkeypatch.setattr(recorder, "MOST_IN_PLACE", 2)
    said = nb.predict("late", rows)
    (event,) = kept
    assert [block["digest"] is None for block in event["blocks"]] == [True, True, False, False, False, False, False]
    assert sorted(block.rows for block in recorded()) == [10, 40, 40, 40, 40, 40, 40]
    assert nb.prediction(said.prediction_id.iloc[249])["inputs"]["age"] == pytest.approx(rows.age.iloc[249])


def test_csv_is_as_pandas_writes_it(tmp_path):
    from nbmlops.monitoring.predicting.written import written

    frame = pd.DataFrame(
        {
            "prediction_id": ["a", None, "c"],
            "prediction": ['say "x", y', "line\nbreak", "plain"],
            "probability": [0.1, np.nan, 1e-17],
            "version": [1, 2, 3],
            "late": [True, False, True],
        }
    )
    with written(tmp_path / "a.csv", lambda: None) as out:
        out.add(frame[:2])
        out.add(frame[2:])
    assert (tmp_path / "a.csv").read_bytes() == frame.to_csv(index=False, lineterminator="\n").encode()
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_keys_are_text_in_parquet_also_where_the_first_part_has_none(rows, needed):
    needed("pyarrow")
    rows = rows.assign(booking=[None] * 100 + [f"B{i}" for i in range(150)])
    nb.score(rows, "late", "scored.parquet", key="booking")
    assert pd.read_parquet("scored.parquet").booking.fillna("-").tolist()[99:102] == ["-", "B0", "B1"]
    nb.score(rows.assign(booking=[None, *range(249)]), "late", "scored.parquet", key="booking")
    assert pd.read_parquet("scored.parquet").booking.fillna("-").tolist()[:3] == ["-", "0", "1"]


@pytest.mark.parametrize("count", [1001, 2500])
def test_wrong_rows_of_one_part_are_of_the_rows_and_few_are_listed(rows, people, monkeypatch, count):
    from nbmlops.monitoring.predicting import scoring

    monkeypatch.setattr(scoring, "PART_ROWS", 1001)
    frame = people(4000, 9)
    frame["age"] = frame.age.astype(object)
    frame.iloc[:count, frame.columns.get_loc("age")] = "old"
    frame.iloc[3999, frame.columns.get_loc("noise")] = np.inf
    with pytest.raises(Invalid, match="noise in row 3999") as error:
        nb.score(frame, "late", "scored.csv")
    ages = [p for p in error.value.problems if p.column == "age"]
    assert (len(ages), sum(p.count for p in ages)) == (1001, count)
