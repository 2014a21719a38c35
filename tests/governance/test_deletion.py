"""Deleting a model is governed: it says so in the chain, and an alias holds its version."""

import pytest

import nbmlops as nb
from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound
from nbmlops.governance.deletion import deleted
from nbmlops.store import events, health
from nbmlops.store.driver import connect
from nbmlops.tracking import session


@pytest.fixture
def late(project, model, held_out):
    """Two versions, the first the champion."""
    nb.evaluate(model, held_out, target="late")
    for _ in range(2):
        nb.register(model, "late")
    nb.promote("late", 1, to="champion", reason="the first")
    return model


def log():
    with session.store().reading() as connection:
        assert events.verify(connection) is None
        return [(e["action"], e["subject"], e["data"]) for e in events.listed(connection)]


def test_a_deleted_version_is_hidden_and_its_number_never_used_again(late):
    assert nb.delete("late@2", reason="wrong month") == [{"kind": "model", "ref": "late@2"}]
    assert list(nb.models().version) == [1]
    with pytest.raises(NotFound):
        nb.load_model("late@2")
    assert nb.register(late, "late").version == 3
    assert ("delete", "late@2", {"reason": "wrong month", "versions": [2]}) in log()


def test_an_alias_holds_its_version_and_its_model(late):
    for ref in ("late@1", "late@champion", "late"):
        with pytest.raises(Conflict, match=r"late@champion points to version 1.*Move the alias first"):
            nb.delete(ref)
    assert len(nb.models()) == 2
    nb.promote("late", 2, to="champion", reason="newer")
    nb.delete("late@1")
    assert list(nb.models().version) == [2]


def test_a_whole_model_goes_with_its_aliases_when_asked(late):
    assert len(nb.delete("late", aliases=True)) == 2
    assert nb.models().empty
    assert nb.register(late, "late").version == 3
    assert nb.model_version("late").aliases == ()
    nb.promote("late", 3, to="champion", reason="again")
    with pytest.raises(NotFound, match="nothing to go back to"):
        nb.rollback("late")


def test_a_whole_model_comes_back_as_it_went_but_its_aliases(late):
    nb.promote("late", 2, to="champion", reason="newer")
    nb.delete("late@1")
    nb.delete("late", aliases=True)
    assert nb.restore("late") == [{"kind": "model", "ref": "late@2"}]
    assert nb.restore("late") == [{"kind": "model", "ref": "late@1"}]
    assert [v.aliases for v in map(nb.model_version, ("late@1", "late@2"))] == [(), ()]
    assert [action for action, *_ in log()][-2:] == ["restore", "restore"]


def test_the_run_a_version_came_from_comes_back_with_it(project, model, held_out):
    with nb.run("train") as opened:
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    nb.delete("late@1")
    nb.delete(opened.run_id)
    assert {"kind": "run", "ref": opened.run_id} in nb.restore("late@1")
    assert list(nb.runs().run_id) == [opened.run_id]
    with connect(session.project()) as connection:
        connection.execute("UPDATE runs SET deleted_at = 'now'")
    (found,) = [c for c in health.verify(session.project()) if not c.right]
    assert (found.what, "late@1" in found.says) == ("references", True)


def test_a_run_comes_back_by_the_name_it_was_deleted_by(late):
    for _ in range(2):
        with nb.run("forest"):
            pass
    (new,), (old,) = nb.delete("forest~0"), nb.delete("forest~0")
    nb.delete("late@2")
    with pytest.raises(NotFound, match="Known: forest~0, late@2"):
        nb.restore("forset~9")
    assert nb.restore("forest~1") == [new]
    assert nb.restore("forest~0") == [old]


def test_the_charter_keeps_the_alias_it_governs(late, project):
    (project / "charter.yaml").write_text("project: p\nproblem: delays\n", encoding="utf-8")
    with pytest.raises(NotAllowed, match=r"governs late@champion"):
        nb.delete("late", aliases=True)
    assert len(nb.models()) == 2


def test_objects_are_taken_as_well_as_names(late):
    with nb.run("forest"):
        pass
    nb.delete(nb.get_run("forest"))
    nb.delete(nb.model_version("late@2"))
    assert {row["name"] for row in deleted()} == {"forest", "late"}


@pytest.mark.parametrize(
    ("ref", "error", "message"),
    [
        ("forest", Invalid, "forest~0"),
        ("forest~3", NotFound, "forest"),
        ("lat", NotFound, "No run or experiment 'lat'"),
        ("lat@1", NotFound, "Did you mean 'late'"),
        ("", NotFound, "No run or experiment"),
        (3, Invalid, "int cannot be deleted"),
    ],
)
def test_what_does_not_fit_is_refused(late, ref, error, message):
    with nb.run("forest"):
        pass
    with pytest.raises(error, match=message):
        nb.delete(ref)
    assert deleted() == []


def test_two_that_delete_at_once_delete_once(late, monkeypatch):
    from nbmlops.store import models

    stamp = models._stamp

    def faster(change, name, numbers, at, *more):
        stamp(change, name, numbers, at, *more)
        return stamp(change, name, numbers, at, *more)

    monkeypatch.setattr(models, "_stamp", faster)
    with pytest.raises(Conflict, match="just now"):
        nb.delete("late@2")
    assert [action for action, *_ in log()].count("delete") == 0
