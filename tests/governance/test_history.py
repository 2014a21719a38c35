"""Who moved an alias, when and why; and what it pointed to at a time, deleted versions too."""

import json
import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.capture import environment
from nbmlops.cli import main
from nbmlops.errors import Conflict, Invalid, NotFound
from nbmlops.governance import history, promotion
from nbmlops.tracking import session


@pytest.fixture
def moved(project, fit):
    """Three versions; the champion went 1, 2, back to 1; a challenger too."""
    for columns in (["noise"], ["age"], ["age", "noise"]):
        nb.register(fit(*columns), "late")
    nb.promote("late", 1, to="champion", reason="the first")
    nb.promote("late", 3, to="challenger", reason="try it")
    nb.promote("late", 2, to="champion", reason="better on March")
    nb.rollback("late", reason="late share off by 9 points")
    return project


def run(*words):
    return CliRunner().invoke(main, list(words))


def test_every_move_with_who_why_and_on_what(moved):
    table = nb.history("late")
    assert table["alias"].tolist() == ["champion", "challenger", "champion", "champion"]
    assert table["version"].tolist() == [1, 3, 2, 1]
    assert table["reason"].tolist()[-1] == "late share off by 9 points"
    assert set(table["actor"]) == {environment.actor()[0]}
    assert table["rollback"].tolist() == [False, False, False, True]
    assert table["digest"].iloc[2] == nb.model_version("late@2").digest


def test_one_alias(moved):
    assert nb.history("late", "challenger")["version"].tolist() == [3]
    assert nb.history("late@champion")["version"].tolist() == [1, 2, 1]


def test_function_and_command_say_the_same(moved):
    said = json.loads(run("models", "history", "late", "--json").output)
    assert said == history.rows("late")
    assert "better on March" in run("models", "history", "late").output
    assert run("models", "history", "late", "--csv").output.splitlines()[0].startswith("at,alias,version")


def test_what_served_at_a_time(moved):
    at = nb.history("late@champion")["at"].tolist()
    found = [nb.model_version("late@champion", at=t) for t in at]
    assert [v.version for v in found] == [1, 2, 1]
    assert (found[1].decision["reason"], found[1].decision["at"]) == ("better on March", at[1])
    between = datetime.fromisoformat(at[1]) - timedelta(microseconds=1)
    assert nb.model_version("late", at=between).version == 1
    said = json.loads(run("models", "history", "late", "--at", at[1], "--json").output)
    assert said == found[1].to_dict()


def test_another_zone_is_the_same_instant(moved):
    at = datetime.fromisoformat(nb.history("late@champion")["at"].iloc[1])
    there = (at + timedelta(hours=5)).replace(tzinfo=None).isoformat() + "+05:00"
    assert nb.model_version("late@champion", at=there).version == 2


def test_a_time_without_a_zone_is_utc_and_that_is_said(moved):
    at = nb.history("late@champion")["at"].iloc[1].removesuffix("+00:00")
    with pytest.warns(RuntimeWarning, match="has no zone and is taken as UTC"):
        assert nb.model_version("late@champion", at=at).version == 2
    result = run("models", "history", "late", "--at", at, "--json")
    assert json.loads(result.stdout)["version"] == 2
    assert "taken as UTC" in result.stderr


def test_a_deleted_version_still_answers(moved):
    at = nb.history("late@champion")["at"].iloc[1]
    nb.delete("late@2", reason="trained on the wrong month")
    assert nb.model_version("late@champion", at=at).version == 2
    with pytest.raises(NotFound):
        nb.model_version("late@2")
    nb.delete("late", reason="all gone", aliases=True)
    assert nb.model_version("late@champion", at=at).version == 2
    assert nb.history("late@champion")["version"].isna().tolist() == [False, False, False, True]
    with pytest.raises(NotFound, match=r"pointed nowhere at .* it was taken away at"):
        nb.model_version("late@champion", at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("at", "kind", "message"),
    [
        ("2020-03-03T14:03Z", NotFound, "pointed nowhere at 2020-03-03T14:03 UTC: it was first promoted at"),
        ("3 March", Invalid, "'3 March' is no time. Write such as 2026-03-03T14:03"),
        ("2999-01-01T00:00Z", Invalid, "lies ahead"),
    ],
)
def test_times_that_have_no_answer(moved, at, kind, message):
    with pytest.raises(kind, match=message):
        nb.model_version("late@champion", at=at)
    result = run("models", "history", "late", "--at", at)
    assert (result.exit_code, message in result.output) == (5 if kind is NotFound else 2, True)


def test_names_that_do_not_exist(moved):
    with pytest.raises(NotFound, match=r"No model 'lat' in this project. Known: late. Did you mean 'late'"):
        nb.history("lat")
    with pytest.raises(NotFound, match="late@shadow never pointed to a version"):
        nb.model_version("late@shadow", at="2026-01-01T00:00Z")
    with pytest.raises(Invalid, match="late@2 is the same version at all times"):
        nb.model_version("late@2", at="2026-01-01T00:00Z")


def test_a_model_nobody_promoted_has_no_history(project, fit):
    nb.register(fit("age"), "late")
    assert nb.history("late").empty
    assert "no alias of late was ever moved" in run("models", "history", "late").output


def test_of_two_who_promote_at_the_same_instant_one_is_told(moved, monkeypatch):
    """Both read that version 1 is champion; the second to write is refused, and the log has one move more."""
    before, ready, said = len(history.rows("late@champion")), threading.Barrier(2, timeout=20), []
    waits = promotion._move

    def together(*evidence):
        ready.wait()
        return waits(*evidence)

    monkeypatch.setattr(promotion, "_move", together)

    def try_it(number):
        try:
            said.append(nb.promote("late", number, to="champion", reason="mine").version)
        except Conflict as error:
            said.append(str(error))

    threads = [threading.Thread(target=try_it, args=(n,)) for n in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [s for s in said if isinstance(s, str)]
    assert len(told) == 1
    assert "late@champion was moved to version" in told[0]
    assert len(history.rows("late@champion")) == before + 1


def test_rollback_does_not_move_to_what_cannot_be_loaded(moved):
    nb.promote("late", 2, to="champion", reason="again")
    path = session.artifacts()._path(nb.model_version("late@1").digest)
    path.write_bytes(b"damaged")
    with pytest.raises(Conflict, match="damaged"):
        nb.rollback("late")
    assert nb.model_version("late@champion").version == 2


def test_rollback_goes_to_the_last_good_one(moved):
    nb.promote("late", 2, to="champion", reason="again")
    nb.promote("late", 3, to="champion", reason="better still")
    path = session.artifacts()._path(nb.model_version("late@2").digest)
    path.write_bytes(b"damaged")
    found = nb.rollback("late")
    assert found.version == 1
    assert "damaged" in found.decision["passed_over"][0]
    with pytest.raises(NotFound, match="only ever pointed to version 1"):
        nb.rollback("late")


def test_rollback_in_one_command(moved):
    nb.promote("late", 2, to="champion", reason="again")
    result = run("rollback", "late", "--json")
    assert json.loads(result.output)["version"] == 1
    with sqlite3.connect(".nbmlops/store.sqlite") as store:
        assert store.execute("SELECT count(*) FROM events WHERE action = 'alias'").fetchone()[0] == 6
