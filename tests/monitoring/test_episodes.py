"""An episode opens once, goes on while it is seen, and closes when it was not seen twice."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import NotFound
from nbmlops.monitoring.episodes import Episode, Observation, advance
from nbmlops.tracking import session
from waiting import until
from watched import months, registered, rows

TESTS = str(Path(__file__).parents[1])
KEY = ("feature_drift", "carrier")
LEVEL = {"o": "ok", "n": "notice", "a": "alert", "i": "insufficient data"}


def observed(letters, key=KEY):
    """Observations of one column: o for ok, n notice, a alert, i insufficient data, - for not judged."""
    levels = [{} if c == "-" else {key: LEVEL[c]} for c in letters]
    return [Observation(f"day={i}", f"day {i}", f"t{i}", found, {}) for i, found in enumerate(levels)]


def changes(letters, **options):
    """What each observation did, the first letter of it, and a dot where it did nothing."""
    done = {}
    for step in advance("m", 1, [], [], observed(letters, **options)):
        done[step.episode.last_on] = step.change[0]
    return "".join(done.get(f"day {i}", ".") for i in range(len(letters)))


@pytest.mark.parametrize(
    ("seen", "done"),
    [
        ("ooo", "..."),
        ("a", "o"),
        ("n", "."),
        ("nn", ".o"),
        ("non", "..o"),
        ("noon", "...."),
        ("na", ".o"),
        ("nina", "..or"),  # what is not known is no observation of it
        ("aao", "ooo"),
        ("aoo", "ooc"),
        ("aoaoo", "ooooc"),
        ("aioio", "o.o.c"),
        ("ai-i", "o..."),
        ("ao-o", "oo.c"),
        ("aooa", "ooco"),
        ("nna", ".or"),
        ("nnana", ".oroo"),
        ("aoon", "ooc."),
        ("nnoon", ".ooc."),
    ],
)
def test_an_episode_opens_goes_on_and_closes(seen, done):
    assert changes(seen) == done


def test_what_is_told_only_where_broken_passes_where_it_is_not_told():
    assert changes("a--", key=("stuck", "carrier")) == "ooc"
    assert changes("a--") == "o.."


def test_a_column_that_is_gone_is_not_unstuck():
    first, *_ = observed("a", key=("stuck", "carrier"))
    gone = [Observation(f"{i}", f"{i}", "t", {("column_missing", "carrier"): "alert"}) for i in (1, 2)]
    assert [s.episode.code for s in advance("m", 1, [], [], [first, *gone]) if s.change == "closed"] == []


@given(st.text(alphabet="onai-", max_size=25), st.integers(0, 25))
def test_it_does_not_matter_in_how_many_checks_observations_come(letters, cut):
    whole = advance("m", 1, [], [], observed(letters), new=lambda: "id")
    seen, standing, steps = observed(letters), {}, []
    for part, before in ((seen[:cut], []), (seen[cut:], [o.levels for o in seen[:cut]])):
        made = advance("m", 1, list(standing.values()), before, part, new=lambda: "id")
        steps += made
        for step in made:
            standing = {} if step.change == "closed" else {"id": step.episode}
    assert steps == whole


@pytest.fixture
def late(project):
    registered()
    return project


def of_amount(report):
    return next(e for e in report.episodes if (e["code"], e["column"]) == ("feature_drift", "amount"))


def test_checks_of_a_model_open_and_close_an_episode(late):
    def checked(shift, seed):
        return of_amount(nb.drift(rows(2000, seed, shift), "late-flights@1"))

    first = checked(2.0, 2)
    assert (first["change"], first["words"]) == ("opened", "episode opened: amount (alert)")
    again = checked(2.0, 3)
    assert again["episode_id"] == first["episode_id"]
    assert again["words"] == f"episode ongoing: amount (alert), since {first['since']}, 2 checks"
    assert [checked(0.0, s)["change"] for s in (4, 5)] == ["ongoing", "closed"]
    found = nb.episodes("late-flights")
    assert set(found.state) == {"closed"}
    assert nb.episodes("late-flights", state="open").empty


def test_the_report_shows_episodes_in_json_text_and_card(late):
    report = nb.drift(rows(2000, 2, 2.0), "late-flights@1")
    shown = report._repr_mimebundle_()
    assert "episode opened: amount (alert)" in shown["text/plain"]
    assert "episode opened: amount (alert)" in shown["text/html"]
    assert json.loads(report.to_json())["episodes"][0]["change"] == "opened"


def test_each_chunk_is_an_observation_and_counts_once(late):
    frame = months(0.0, 2.0, 2.0)
    first = of_amount(nb.drift(frame, "late-flights@1", chunk="month"))
    assert (first["since"], first["checks"], first["change"]) == ("month 1", 2, "opened")
    again = of_amount(nb.drift(frame, "late-flights@1", chunk="month"))
    assert (again["checks"], again["change"]) == (2, "ongoing")
    later = of_amount(nb.drift(months(0.0, 2.0, 2.0, 0.0, 0.0), "late-flights@1", chunk="month"))
    assert (later["change"], later["words"]) == ("closed", "episode closed: amount, since month 1 until month 4")


def test_frames_against_frames_have_no_episode(project):
    assert nb.drift(rows(2000, 2, 2.0), rows(2000, 1)).episodes == ()
    assert nb.episodes().empty


def test_a_check_of_few_rows_neither_opens_nor_closes(late):
    opened = of_amount(nb.drift(rows(2000, 2, 2.0), "late-flights@1"))
    for seed in (3, 4, 5):
        after = of_amount(nb.drift(rows(5, seed), "late-flights@1"))
    assert (after["checks"], after["state"]) == (opened["checks"], opened["state"])


def test_the_same_table_by_every_way(late, shell, capsys):
    nb.drift(rows(2000, 2, 2.0), "late-flights@1")
    expected = nb.episodes("late-flights").to_dict("records")
    typed = CliRunner().invoke(main, ["episodes", "late-flights", "--json"])
    assert [{k: r[k] for k in ("episode_id", "state")} for r in json.loads(typed.output)] == [
        {k: r[k] for k in ("episode_id", "state")} for r in expected
    ]
    capsys.readouterr()
    shell.run_line_magic("nbmlops", "episodes late-flights --json")
    assert json.loads(capsys.readouterr().out) == json.loads(typed.output)
    assert CliRunner().invoke(main, ["episodes", "late-flights@1", "--csv"]).output.startswith("episode_id,model")
    assert "feature_drift amount" in CliRunner().invoke(main, ["episodes"]).output


def test_a_check_tells_the_same_episodes_by_every_way(late, shell):
    frame = months(0.0, 2.0, 2.0)
    frame.to_parquet("moved.parquet")
    nb.drift(frame, "late-flights@1", chunk="month")
    expected = json.loads(nb.drift(frame, "late-flights@1", chunk="month").to_json())["episodes"]
    shell.user_ns["moved"] = frame
    asked = shell.run_line_magic("drift", "moved --against late-flights@1 --chunk month")
    typed = CliRunner().invoke(
        main, ["drift", "moved.parquet", "--model", "late-flights@1", "--chunk", "month", "--json"]
    )
    assert json.loads(asked.to_json())["episodes"] == json.loads(typed.output)["episodes"] == expected


def test_an_export_carries_episodes_and_alerts(late, tmp_path, monkeypatch):
    from nbmlops.config import find_project
    from nbmlops.store.exchange import load
    from nbmlops.store.export import export

    nb.drift(months(2.0), "late-flights@1", chunk="month")
    before = nb.episodes().to_dict("records"), nb.alerts().to_dict("records")
    export(find_project(), tmp_path / "out")
    other = tmp_path / "other"
    other.mkdir()
    (other / "nbmlops.toml").write_text("")
    monkeypatch.chdir(other)
    session.reset()
    load(find_project(), tmp_path / "out")
    assert (nb.episodes().to_dict("records"), nb.alerts().to_dict("records")) == before
    again = of_amount(nb.drift(months(2.0), "late-flights@1", chunk="month"))
    assert (again["change"], again["checks"]) == ("ongoing", 1)


def test_unknown_names_are_told(late):
    with pytest.raises(NotFound, match="No model 'nix'"):
        nb.episodes("nix")
    with pytest.raises(NotFound, match="No state 'opne' of an episode"):
        nb.episodes(state="opne")
    assert CliRunner().invoke(main, ["episodes", "--state", "opne"]).exit_code == 5


def test_a_store_that_is_locked_is_a_note_and_takes_seconds(late, monkeypatch):
    from nbmlops.monitoring import episodes

    monkeypatch.setattr(episodes, "WAIT_S", 0.2)
    frame = rows(2000, 2, 2.0)
    locked = sqlite3.connect(late / ".nbmlops" / "store.sqlite", isolation_level=None)
    original = episodes._kept

    def kept(*args):
        locked.execute("BEGIN IMMEDIATE")
        return original(*args)

    monkeypatch.setattr(episodes, "_kept", kept)
    report = nb.drift(frame, "late-flights@1")
    locked.close()
    assert (report.verdict, report.episodes) == ("alert", ())
    assert "not monitored: Unavailable" in report.notes[-1]


def test_switched_off_nothing_is_followed(late, monkeypatch):
    monkeypatch.setenv("NBMLOPS_DISABLED", "1")
    assert nb.drift(rows(2000, 2, 2.0), "late-flights@1").episodes == ()
    monkeypatch.delenv("NBMLOPS_DISABLED")
    assert nb.episodes().empty


def test_a_feature_of_little_weight_is_a_notice(late):
    """As in the verdict: it opens an episode where it stays, and alerts nobody."""
    from nbmlops.monitoring.episodes import _levels
    from nbmlops.records import Finding

    light, heavy = (Finding("feature_drift", "issue", "", "x", detail={"importance": w}) for w in (0.02, 0.5))
    assert _levels([light])[0] == {("feature_drift", "x"): "notice"}
    assert _levels([heavy])[0] == {("feature_drift", "x"): "alert"}


def test_monitoring_that_fails_is_a_note(late, monkeypatch):
    from nbmlops.monitoring import episodes

    def broken(*_):
        raise RuntimeError("password='hunter2'\nmore")

    monkeypatch.setattr(episodes, "advance", broken)
    report = nb.drift(rows(2000, 2, 2.0), "late-flights@1")
    assert report.verdict == "alert"
    assert report.notes[-1].startswith("not monitored: RuntimeError")
    assert "hunter2" not in repr(report)


@pytest.mark.parametrize("chunk", ["month", None])
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_two_checks_at_once_open_one_episode_and_send_one_alert(project, database, chunk, request, monkeypatch):
    if database == "postgresql":
        monkeypatch.setenv("NBMLOPS_STORE", request.getfixturevalue("postgres")())
    late = project
    registered()
    (late / "nbmlops.toml").write_text('[alerts]\nfile = "alerts.jsonl"\n')
    months(2.0).to_parquet("moved.parquet")
    code = f"import sys, watched; watched.check({chunk!r}, sys.argv[1])"
    both = [subprocess.Popen([sys.executable, "-c", code, n], env={**os.environ, "PYTHONPATH": TESTS}) for n in "ab"]
    for process, name in zip(both, "ab", strict=True):
        until((late / f"ready-{name}").exists, process=process)
    (late / "go").touch()
    assert [p.wait(120) for p in both] == [0, 0]
    found = nb.episodes("late-flights")
    assert not found.duplicated(["code", "column"]).any()
    assert set(found.checks) == {1 if chunk else 2}
    assert len((late / "alerts.jsonl").read_text().splitlines()) == 1


def test_episodes_on_postgresql(project, postgres, monkeypatch):
    monkeypatch.setenv("NBMLOPS_STORE", postgres())
    session.reset()
    registered()
    frame = months(0.0, 2.0, 2.0)
    assert of_amount(nb.drift(frame, "late-flights@1", chunk="month"))["checks"] == 2
    assert of_amount(nb.drift(frame, "late-flights@1", chunk="month"))["checks"] == 2
    assert list(nb.alerts().state) == ["kept"]


def test_an_open_episode_is_one_by_the_store_itself(late):
    from nbmlops.store import episodes as stored

    one = Episode("a", "m", 1, *KEY, "alert", "opened", "d", "t", "d", "t", 1, 0, "")
    two = {**one.__dict__, "episode_id": "b"}
    with session.store().atomic() as change:
        stored.put(change, [one.__dict__])
    with pytest.raises(Exception, match="UNIQUE"), session.store().atomic() as change:
        stored.put(change, [two])
    with session.store().atomic() as change:
        stored.put(change, [{**one.__dict__, "state": "closed", "closed_on": "e", "closed_at": "t"}, two])
    assert len(nb.episodes()) == 2
