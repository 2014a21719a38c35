"""What stands behind page one: what changed, where data comes from, how a model answers, what watches it."""

import copy
import json

import pytest

import nbmlops as nb
from nbmlops.report import sections, snapshot
from nbmlops.report.blocks import Facts, Fold, Missing, Say, Table
from nbmlops.report.gathered import changes, masked
from nbmlops.report.kinds.kind import subject_of
from nbmlops.tracking import session
from nbmlops.tracking.runs import get_run

from .conftest import code, evaluation, finding, gate, promote, register

CONTRACT = ["changed", "parameters", "data", "pipeline", "checks", "drift", "performance", "explanations", "limits",
            "monitoring", "reproducibility", "audit"]  # fmt: skip


def taken(run):
    return snapshot.build(subject_of(run))


def section(shot, key):
    return next(s for s in sections.build(shot) if s.key == key)


def blocks(part):
    for block in part.blocks:
        yield block
        if isinstance(block, Fold):
            yield from blocks(block)


def words(part):
    """Everything a section says, as lines."""
    lines = [part.summary]
    for b in blocks(part):
        lines += [b.what + ": " + b.do] if isinstance(b, Missing) else []
        lines += [b.text] if isinstance(b, Say) else []
        lines += [f"{k}: {v}" for k, v in b.items] if isinstance(b, Facts) else []
        if isinstance(b, Table):
            lines += [b.caption, *(" | ".join(getattr(c, "word", c) for c in row) for row in b.rows)]
    return lines


def notebook(*sources):
    content = {"cells": [code(s) for s in sources], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content).encode()


def executed(name, version, cells, findings, columns, packages=(("pandas", "2.2"),), champion=None):
    """A run of a notebook that registered a version: its code, what it found, its data and packages."""
    run = session.start(name, kind="notebook", notebook=f"{name}.ipynb", params={"C": version}, origin="set")
    told = [{"name": n, "dtype": d, "fingerprint": n} for n, d in columns]
    about = {"name": "flights", "fingerprint": f"f{version}", "strength": "full", "rows": 100 * version, "role": "read"}
    session.write({"t": "dataset", "run_id": run.run_id, **about, "columns": told})
    session.keep("check", "flights", {"rows": 10, "findings": findings})
    digest = session.artifacts().put(json.dumps({"python": "3.11", "packages": dict(packages)}).encode())
    session.write({"t": "update", "run_id": run.run_id, "environment": digest})
    session.log_artifact("notebook.ipynb", notebook(*cells), run_id=run.run_id)
    if champion:
        session.keep("gate", f"late-flights@{version} against {champion}", gate())
    session.finish(run)
    register(version, run.run_id)
    return get_run(run.run_id)


@pytest.fixture
def two(project):
    """A champion, and a retraining that differs from it in every way there is."""
    old = [finding("range", "issue", "distance above 9", "distance"), finding("unique", "warning", "twice", "id"),
           finding("fresh", "warning", "old", "at"), finding("kind", "passed", "numbers", "hour")]  # fmt: skip
    new = [finding("range", "issue", "distance above 8", "distance"), finding("unique", "passed", "once", "id"),
           finding("kind", "issue", "texts", "hour"), finding("unit", "warning", "miles", "distance")]  # fmt: skip
    before = [("hour", "int64"), ("distance", "float64"), ("wind", "int64")]
    now = [("hour", "int64"), ("distance", "int64"), ("rain", "int64")]
    executed("train", 1, ["import pandas", "x=1  # first", "fit(x)", "gone()"], old, before, (("a", "1"), ("b", "1")))
    promote(1, "first")
    cells = ["import pandas", "# another comment\nx = 1", "fit(x, deep=True)", "token = 'hunter2-secret'\nnew()"]
    return executed("train", 2, cells, new, now, (("a", "2"), ("b", "1"), ("c", "3")), champion="late-flights@1")


def test_every_section_of_the_contract_is_there_and_begins_with_one_line(retrained):
    found = {s.key: s for s in sections.build(taken(retrained))}
    assert [k for k in found if k in CONTRACT] == CONTRACT
    assert all(s.summary.strip() and "\n" not in s.summary for s in found.values())


def test_only_what_differs_is_said(two):
    said = words(section(taken(two), "changed"))
    assert "setting C | 1 | 2" in said
    assert "data flights | 100 rows, f1 | 200 rows, f2" in said
    assert [r for r in said if r.startswith("flights |")] == [
        "flights | distance | float64 became int64",
        "flights | wind | gone (was int64)",
        "flights | rain | new (int64)",
    ]
    assert "a | 1 | 2" in said
    assert "c | - | 3" in said
    assert not any(r.startswith("b |") for r in said)


def test_cells_differ_by_what_they_do_not_by_how_they_look(two):
    said = words(section(taken(two), "changed"))
    rows = [r for r in said if r.partition(" | ")[0] in ("changed", "new", "gone")]
    assert rows == [
        "changed | 3 | fit(x) | fit(x, deep=True)",
        "changed | 4 | gone() | token = '[secret]'",
    ]
    assert changes.normalised("if a:\n    b( 1 )\n\n# c") == changes.normalised("if a:\n  b(1)")
    assert changes.normalised("%%track x\n# c\n\nfit()") == "%%track x\nfit()"


def test_findings_are_new_resolved_still_there_or_not_looked_at(two):
    said = words(section(taken(two), "changed"))
    assert "issue | still there | rules | distance above 8" in said
    assert "passed | resolved | rules | twice" in said
    assert "unknown | not looked at now | rules | old" in said
    assert "issue | new | rules | texts" in said
    assert "warning | new, not looked at before | rules | miles" in said


def test_what_cannot_be_compared_is_said(retrained):
    said = " ".join(words(section(taken(retrained), "changed")))
    assert "The code of one of both was not kept" in said
    assert "The packages of one of both were not recorded" in said


def test_a_version_without_a_gate_is_compared_with_the_champion_of_its_time(project, champion):
    second = session.start("train", params={"C": 2.0})
    session.finish(second)
    register(2, second.run_id)
    promote(2, "better")
    third = session.start("train", params={"C": 3.0})
    session.finish(third)
    register(3, third.run_id)
    assert taken(get_run(second.run_id))["before"]["ref"] == "late-flights@1"
    assert taken(get_run(champion.run_id))["before"] is None
    assert taken(get_run(third.run_id))["before"]["ref"] == "late-flights@2"


def test_nothing_of_a_private_column_is_shown_but_that_something_was_found(project, retrained):
    charter = (project / "charter.yaml").read_text()
    (project / "charter.yaml").write_text(charter + "private: [origin, late]\n")
    shot = taken(retrained)
    told = json.dumps(shot["results"])
    assert shot["private"] == ["late", "origin"]
    assert "JFK" not in told
    assert "22 % to 28 %" not in told
    assert '"labels"' not in told
    assert "target drift of late, which is private" in told
    assert "something about origin, which is private" in told
    assert "hour has not moved" in told


def test_of_a_signature_nothing_private_is_kept_and_no_sketch_of_rows():
    column = {"name": "zip", "kind": "category", "categories": ["1234"], "distinct": 1}
    model = {"signature": {"columns": [column, {"name": "age", "min": 1}], "example": [{"zip": "1234", "age": 1}],
                           "fitted_on": {"sketch": [1]}}}  # fmt: skip
    found = masked.gather({"charter": {"private": ["zip"]}, "models": [model], "results": []})
    assert found["models"][0]["signature"] == {
        "columns": [{"name": "zip", "kind": "category"}, {"name": "age", "min": 1}],
        "example": [{"zip": None, "age": 1}],
    }


def test_drift_is_told_worst_first_with_rows_p_and_other_measures(retrained):
    shot = taken(retrained)
    result = next(r for r in shot["results"] if r["kind"] == "drift")["data"]
    tested = {"rows": 300, "bins": 4, "p_notice": 1e-9, "shown": {"psi": {"value": 0.31, "chance": 0.01}}}
    result["findings"][0]["detail"], result["findings"][1]["detail"] = {"rows": 300, "p_notice": 0.5}, tested
    table = next(b for b in section(shot, "drift").blocks if isinstance(b, Table) and "worst first" in b.caption)
    assert table.headers == ("Outcome", "Column", "Finding", "Effect", "Rows", "p", "psi")
    assert [row[3:] for row in table.rows][:2] == [("0.07", "300", "under 0.0001", "0.31"), ("0.01", "300", "0.5", "-")]


def test_masking_keeps_numbers_and_names():
    part = {"importance": {"zip": 0.4}, "columns": {"zip": {"labels": ["1234"]}, "age": {"labels": ["1"]}}}
    assert masked.masked(part, ["zip"]) == {"importance": {"zip": 0.4}, "columns": {"age": {"labels": ["1"]}}}
    assert masked.masked({"slice": "zip=1234", "reference": "zip@3"}, ["zip"]) == {
        "slice": "something about zip, which is private",
        "reference": "zip@3",
    }
    assert masked.masked({"by": "zip", "segments": [{"name": "1234"}]}, ["zip"])["segments"] == []
    assert "1234" not in str(masked.masked({"code": "slice", "column": "zip=1234", "message": "worse"}, ["zip"]))


def test_data_is_told_with_its_source_owner_licence_and_window(project):
    import pandas as pd

    from nbmlops.quality.versions import dataset

    (project / "nbmlops.toml").write_text(
        '[sources.flights]\npath = "flights.parquet"\nowner = "dan@example.org"\nmeaning = "one row a flight"\n'
    )
    (project / "charter.yaml").write_text("problem: late?\nroles: {data_engineer: [eve@example.org]}\n")
    session.reset()
    frame = pd.DataFrame({"at": pd.date_range("2013-01-01", periods=48, freq="h"), "hour": range(48)})
    with session.run("look") as run:
        version = dataset("flights", frame, source="flights.parquet")
        for name, fingerprint in (("flights", version.fingerprint), ("loose", "77")):
            about = {"name": name, "fingerprint": fingerprint, "strength": "full", "rows": 48, "role": "read"}
            session.write({"t": "dataset", "run_id": run.run_id, **about, "columns": []})
    said = " ".join(words(section(taken(get_run(run.run_id)), "data")))
    assert "flights@1: 48 rows, from flights.parquet" in said
    assert "they are not kept" in said
    assert "It holds one row a flight." in said
    assert "Owner: dan@example.org." in said
    assert "By at it reaches from 2013-01-01\xa000:00 to 2013-01-02\xa023:00 (UTC)." in said
    assert "No licence is named of flights@1" in said
    assert "data engineer: eve@example.org" in said
    assert "No version is recorded of loose" in said
    (project / "nbmlops.toml").write_text("[sources.flights]\nwhere = 3\n")
    session.reset()
    assert "The sources cannot be read" in " ".join(words(section(taken(get_run(run.run_id)), "data")))


@pytest.fixture(scope="module")
def fitted():
    """A small fitted pipeline with its rows."""
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.default_rng(3)
    rows = pd.DataFrame({"hour": generator.integers(0, 24, 600), "distance": generator.gamma(2, 500, 600)})
    late = generator.random(600) < 1 / (1 + np.exp(-(rows["hour"] - 12) / 4))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[:300], late[:300])
    return model, rows, late


def registered(fitted, **more):
    from nbmlops.registry.evaluation import evaluate
    from nbmlops.registry.models import register as keep

    model, rows, late = fitted
    with session.run("late") as run:
        judged = evaluate(model, rows[300:].assign(late=late[300:]), target="late")
        version = keep(model, "late", evaluation=judged, **more)
    return get_run(run.run_id), version, judged


def test_a_model_is_told_in_sentences_curves_and_worst_rows(project, fitted):
    run, _, judged = registered(fitted, background=fitted[1])
    shot = taken(run)
    assert "centred and scaled" in " ".join(words(section(shot, "pipeline")))
    assert any(row.startswith("run | late") for row in words(section(shot, "pipeline")))
    curve = next(c for c in shot["explained"]["curves"] if c["column"] == "hour")
    assert curve["points"][0]["mean"] < curve["points"][-1]["mean"]
    said = " ".join(words(section(shot, "explanations")))
    assert "Mean answer by hour, over 100 rows" in said
    assert "not what would happen" in said
    first = shot["worst"][0]
    assert first["row"] == judged.worst[0]["row"]
    assert first["truth"] == bool(fitted[2][300 + first["row"]])
    table = next(b for b in section(shot, "performance").blocks if isinstance(b, Table) and "most wrong" in b.caption)
    assert table.headers == ("Row", "It said", "Came true", "Log loss", "Chance given to what came true")
    assert snapshot.digest(shot) == snapshot.digest(taken(run))


def test_of_a_private_target_no_answer_and_no_truth_is_shown(project, fitted):
    run, _, _ = registered(fitted)
    (project / "charter.yaml").write_text("problem: late?\nprivate: [late]\n")
    shot = taken(run)
    assert set(shot["worst"][0]) == {"row", "loss"}
    assert "private: not shown" in " ".join(words(section(shot, "performance")))


def test_a_model_without_a_background_or_a_file_says_so(project, fitted):
    run, _, _ = registered(fitted)
    assert "no background was kept" in " ".join(words(section(taken(run), "explanations")))
    hand_made = session.start("other")
    session.finish(hand_made)
    register(1, hand_made.run_id)
    said = " ".join(words(section(taken(get_run(hand_made.run_id)), "pipeline")))
    assert "What late-flights@1 does was not read: which columns it takes was not recorded" in said


def test_right_and_wrong_are_counted_at_the_bound_of_best_value(retrained):
    shot = taken(retrained)
    shot["value"]["threshold"] = 0.3
    said = words(section(shot, "performance"))
    assert "Right and wrong at a bound of best value by the charter, 0.3" in said
    assert "late was yes | 800 | 400 | 66.7 %" in said
    assert "late was not yes | 1,200 | 3,095 | 72.1 %" in said
    shot["value"] = None
    assert any("at a bound of one half, 0.5" in line for line in words(section(shot, "performance")))


def test_who_watches_is_said_and_what_is_not_watched(project, retrained):
    empty = " ".join(words(section(taken(retrained), "monitoring")))
    for gap in ("No job looks", "How long outcomes take", "No time between reviews", "Nobody is told"):
        assert gap in empty
    (project / "jobs").mkdir()
    (project / "jobs" / "again.yaml").write_text(
        "notebook: retrain.ipynb\nwhen: {drift: late-flights}\nthen: [gate, challenger, report]\n"
    )
    (project / "jobs" / "other.yaml").write_text("notebook: x.ipynb\nwhen: {drift: late-flights-2}\n")
    (project / "charter.yaml").write_text((project / "charter.yaml").read_text() + "review_days: 90\n")
    (project / "nbmlops.toml").write_text(
        '[predictions]\noutcomes_after = "2d"\n[alerts]\nfile = "alerts.jsonl"\nurls = ["https://x/secret"]\n'
    )
    session.reset()
    shot = taken(get_run(retrained.run_id))
    said = " ".join(words(section(shot, "monitoring")))
    assert [j["name"] for j in shot["watch"]["jobs"]] == ["again"]
    assert "again | retrain.ipynb | drift late-flights at alert | gate, challenger and report | ok" in said
    assert "Feedback delay: outcomes take 2d" in said
    assert "Review: every 90 days" in said
    assert "An alert channel does not work: urls[1]" in said
    assert "secret" not in said
    assert "No job looks" not in said
    assert "Nobody is told" not in said


def test_problems_that_are_open_are_told_and_closed_ones_are_not(retrained):
    from nbmlops.store import episodes

    now = "2026-03-01T10:00:00+00:00"
    about = {"model": "late-flights", "version": 1, "code": "feature_drift", "column": "hour", "level": "alert"}
    about |= {"opened_on": "2026-03-01", "opened_at": now, "last_on": "2026-03-01", "last_at": now, "checks": 1}
    open_one = {"episode_id": "a", "state": "opened", "message": "hour moved", "closed_on": None, "closed_at": None}
    closed = {
        "episode_id": "b",
        "state": "closed",
        "message": "hour was odd",
        "closed_on": "2026-03-01",
        "closed_at": now,
    }
    with session.store().atomic() as change:
        episodes.put(change, [{**about, "passes": 0, **one} for one in (open_one, closed)])
    found = section(taken(retrained), "monitoring")
    assert "1 problem open" in found.summary
    assert "alert | late-flights@1 | 2026-03-01\xa010:00 | hour moved" in words(found)
    assert "hour was odd" not in " ".join(words(found))


def test_a_run_without_models_has_nothing_to_watch(project):
    with session.run("bare") as run:
        pass
    shot = taken(get_run(run.run_id))
    assert shot["watch"] is None
    assert shot["chain"] is None
    assert shot["explained"] is None
    assert len(snapshot.canonical(shot)) < 20_000, {k: len(json.dumps(v)) for k, v in shot.items()}


def test_the_chain_is_recomputed_and_a_changed_event_is_said(project, champion):
    import sqlite3

    assert "The whole chain was recomputed and fits." in section(taken(champion), "audit").summary
    with sqlite3.connect(project / ".nbmlops" / "store.sqlite") as database:
        database.execute("PRAGMA writable_schema=1")
        database.execute("UPDATE events SET actor = 'eve' WHERE seq = 1")
    found = section(taken(champion), "audit")
    assert "The chain is broken." in found.summary
    assert "does not fit from event 1 on" in " ".join(words(found))


def test_sections_survive_a_snapshot_that_knows_less(two):
    shot = taken(two)
    old = {
        k: v
        for k, v in shot.items()
        if k not in ("origins", "explained", "worst", "watch", "chain", "cells", "private")
    }
    old["before"] = {k: v for k, v in copy.deepcopy(shot["before"]).items() if k in ("ref", "parts")}
    assert {s.key for s in sections.build(old)} == {s.key for s in sections.build(shot)}


def test_a_run_can_be_run_again_by_its_command(two, project):
    assert f"nbmlops run --again {two.run_id}" in [
        b.text for b in section(taken(two), "reproducibility").blocks if hasattr(b, "text")
    ]
    with session.run("bare") as run:
        pass
    assert "Nothing was kept that could be run again" in " ".join(
        words(section(taken(get_run(run.run_id)), "reproducibility"))
    )


def test_a_regression_has_an_error_and_no_chance(retrained):
    shot = taken(retrained)
    judged = next(r for r in shot["results"] if r["kind"] == "evaluation")["data"]
    judged |= {"task": "regression", "confusion": None}
    shot["worst"] = [{"row": 3, "loss": 12.5, "said": 3.0, "truth": 15.5, "chance_of_truth": None}]
    assert "3 | 3.0 | 15.5 | 12.5" in words(section(shot, "performance"))
    assert evaluation("x")["task"] == "binary"


def test_a_report_is_not_out_of_date_because_its_model_is_watched(retrained):
    from nbmlops.report.kept import facts_digest

    before = taken(retrained)
    assert before["looked_at"] == {}
    session.keep("drift", "late-flights", {"reference": "late-flights@1", "verdict": "ok", "findings": []})
    after = taken(retrained)
    assert after["looked_at"]["late-flights@1"]["verdict"] == "ok"
    assert facts_digest(after) == facts_digest(before)
    assert "late-flights@1: ok" in " ".join(words(section(after, "monitoring")))


def test_a_long_metric_is_drawn_along_its_steps_and_says_that_it_is_thinned(project):
    with session.run("long") as run:
        for step in range(1, 501):
            nb.log({"loss": 1 / step}, step=step)
            nb.log({"unstepped": step / 500})
        for step in (10, 20, 40):
            nb.log({"few": step}, step=step)
    shot = taken(get_run(run.run_id))
    assert shot["run"]["logged"]["few"] == {"count": 3, "steps": [10, 20, 40]}
    assert len(shot["run"]["series"]["loss"]) == len(shot["run"]["logged"]["loss"]["steps"]) <= 200
    drawn = str(section(shot, "performance").blocks)
    assert "of 500, thinned to those that show its shape, from step 1 to 500. Lowest 0.002 at 500" in drawn
    assert "thinned to those that show its shape, from logged 1 to 500" in drawn
    assert "3 points from step 10 to 40" in drawn
    del shot["run"]["logged"]  # as snapshots were before
    assert "from logged 1 to" in str(section(shot, "performance").blocks)


def test_the_chance_shown_of_a_wrong_row_is_that_of_what_came_true(project):
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    generator = np.random.default_rng(5)
    rows = pd.DataFrame({"hour": generator.normal(size=600)})
    for kinds in (("no", "yes"), ("high", "low", "middle")):
        at = np.clip(rows.hour + generator.normal(0, 0.5, 600) + 1, 0, len(kinds) - 0.01).astype(int)
        held = rows.assign(late=np.array(kinds)[at])
        with session.run("late") as run:
            model = LogisticRegression().fit(rows[:300], held.late[:300])
            nb.register(model, f"of-{len(kinds)}", evaluation=nb.evaluate(model, held[300:], target="late"))
        for row in taken(get_run(run.run_id))["worst"]:
            assert -np.log(row["chance_of_truth"]) == pytest.approx(row["loss"])
            place = list(model.classes_).index(row["truth"])
            chance = model.predict_proba(rows[300:].iloc[[row["row"]]])[0, place]
            assert row["chance_of_truth"] == pytest.approx(chance)
