"""Deleted is hidden at once, and comes back."""

from contextlib import contextmanager

import pytest

import nbmlops as nb
from nbmlops.errors import Conflict, Unavailable
from nbmlops.store import lifecycle, runs
from nbmlops.store.driver import Connection
from nbmlops.tracking import session


def test_a_deleted_run_is_gone_from_every_list_with_its_children(tree):
    (old, child), (new, _) = tree
    assert set(lifecycle.delete_runs(session.project(), [old])) == {old, child}
    assert old not in set(nb.runs(children=True).run_id)
    assert list(nb.runs("trees >= 0").run_id) == [new]
    assert runs.load(session.store(), old) is None
    assert runs.ids_like(session.store(), old[-12:]) == []
    assert nb.get_run("forest").children[0].run_id == tree[1][1]


def test_the_index_forgets_a_deleted_run_and_learns_a_restored_one(tree):
    (old, child), _ = tree
    assert len(nb.runs("loss >= 0")) == 2
    lifecycle.delete_runs(session.project(), [old])
    assert len(nb.runs("loss >= 0")) == 1
    assert set(lifecycle.restore_runs(session.project(), old)) == {old, child}
    assert len(nb.runs("loss >= 0")) == 2


def test_restoring_brings_back_only_what_was_deleted_together(tree):
    (old, child), _ = tree
    lifecycle.delete_runs(session.project(), [child])
    lifecycle.delete_runs(session.project(), [old])
    assert lifecycle.restore_runs(session.project(), old) == [old]
    assert [r["run_id"] for r in lifecycle.deleted_runs(session.project())] == [child]


@pytest.mark.parametrize("made", [True, False])
def test_a_commit_that_failed_is_asked_again(tree, monkeypatch, made):
    (old, _), (new, _) = tree
    usual, failing = Connection.writing, [made]

    @contextmanager
    def writing(self):
        if not failing:
            with usual(self):
                yield
            return
        failing.clear()
        with usual(self):
            yield
            if not made:
                raise Unavailable("The disk failed.")
        raise Unavailable("The disk failed.")

    session.store().sync()
    monkeypatch.setattr(Connection, "writing", writing)
    if made:
        assert old in lifecycle.delete_runs(session.project(), [old])
        assert list(nb.runs().run_id) == [new]
    else:
        with pytest.raises(Unavailable, match="The disk failed"):
            lifecycle.delete_runs(session.project(), [old])
        assert len(nb.runs()) == 2


def test_an_experiment_can_be_used_again_at_once(tree):
    lifecycle.delete_runs(session.project(), [run_id for run_id, _ in tree])
    assert runs.experiments(session.store()) == []
    with nb.run("forest") as again:
        pass
    assert nb.get_run("forest").run_id == again.run_id


def test_a_run_that_made_a_registered_model_is_kept(project, model, held_out):
    with nb.run("train") as made:
        nb.evaluate(model, held_out, target="late")
        nb.register(model, "late")
    with pytest.raises(Conflict, match=r"late@1.*nbmlops store delete late@1"):
        lifecycle.delete_runs(session.project(), [made.run_id])
    assert nb.get_run("train").run_id == made.run_id
