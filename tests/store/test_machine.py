"""A state machine against a model in memory: whatever happens in whatever order, the store says what was tracked."""

import math
import shutil
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import nbmlops as nb
from nbmlops.errors import Unavailable
from nbmlops.store import events, journal, lifecycle, runs
from nbmlops.store.driver import connect
from nbmlops.tracking import opened, session

NUMBERS = count(1)
NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)
values = st.one_of(st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 0.5, 1.0]))
params = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    st.lists(texts),
)
contexts = st.sampled_from([{}, {}, {"split": "train"}, {"a": "ü"}])
steps = st.one_of(st.none(), st.integers(-(2**63) + 1, 2**63 - 1))
names = st.sampled_from(["loss", "acc", "a b", "ä"])
numbers = st.one_of(st.floats(-2, 2), st.sampled_from([0.5, 1.0, -1.0]))
which = st.integers(0, 10**6)

CONDITIONS = st.recursive(
    st.one_of(
        st.tuples(
            st.sampled_from(["metrics.loss", "params.C"]), st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), numbers
        ),
        st.tuples(st.just("status"), st.sampled_from(["=", "!="]), st.sampled_from(["running", "finished", "failed"])),
        st.tuples(st.sampled_from(["metrics.loss", "params.C"]), st.just("is missing")),
    ),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(inner, st.just("and"), inner),
        st.tuples(inner, st.just("or"), inner),
    ),
    max_leaves=5,
)
OPERATORS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


class Tracked:
    """What the model knows of one run."""

    def __init__(self, experiment, parent):
        self.experiment, self.parent, self.status, self.deleted = experiment, parent, "running", None
        self.params, self.tags, self.points, self.artifacts = {}, {}, {}, {}

    def column(self, name):
        """Return what a query sees: None where it is missing, or no number."""
        if name == "status":
            return self.status
        if name == "params.C":
            return self.params.get("C")
        value = self.points.get(("loss", ()), [(None, None)])[-1][0]
        return None if value is None or math.isnan(value) else value


def written(condition):
    """Return a condition as a person types it."""
    if condition[0] == "not":
        return f"not ({written(condition[1])})"
    if condition[1] in ("and", "or"):
        return f"({written(condition[0])}) {condition[1]} ({written(condition[2])})"
    return " ".join(str(part) for part in condition)


def holds(condition, run):
    """Evaluate a condition in Python, with None for unknown."""
    if condition[0] == "not":
        inner = holds(condition[1], run)
        return None if inner is None else not inner
    if condition[1] in ("and", "or"):
        left, right = holds(condition[0], run), holds(condition[2], run)
        decides = condition[1] == "or"
        if decides in (left, right):
            return decides
        return None if None in (left, right) else not decides
    value = run.column(condition[0])
    if condition[1] == "is missing":
        return value is None
    return None if value is None else OPERATORS[condition[1]](value, condition[2])


class Machine(RuleBasedStateMachine):
    """One project; ``runs`` and ``chain`` are what it should hold."""

    def __init__(self, folder, monkeypatch, postgres=None):
        super().__init__()
        self.place, self.patch, self.url = folder / f"project {next(NUMBERS)}", monkeypatch, postgres and postgres()
        self.place.mkdir()
        (self.place / "nbmlops.toml").touch()
        monkeypatch.chdir(self.place)
        self.back_again()
        session.reset()
        self.runs, self.open, self.chain, self.copies, self.away = {}, {}, [], {}, False
        self.home = opened.project().home

    def teardown(self):
        if self.away:
            self.database_back()
        self.everything_is_as_it_was_tracked()
        opened.store().engine.dispose()  # a server has so many connections
        session.reset()
        shutil.rmtree(self.place)

    # What a user does.

    @rule(experiment=st.sampled_from(["a", "b b", "ü"]))
    def start(self, experiment):
        outer = session.current()
        made = session.start(experiment)
        self.runs[made.run_id] = Tracked(experiment, outer and outer.run_id)
        self.open[made.run_id] = made

    @precondition(lambda self: self.open)
    @rule(at=which, name=names, points=st.lists(st.tuples(values, steps), min_size=1, max_size=4), context=contexts)
    def log(self, at, name, points, context):
        run_id = self._one(self.open, at)
        for value, step in points:
            session.log({name: value}, step=step, context=context or None, run_id=run_id)
            self.runs[run_id].points.setdefault((name, tuple(context.items())), []).append((value, step))

    @precondition(lambda self: self.open)
    @rule(at=which, name=st.sampled_from(["solver", "a.b", "ä"]), value=params)
    def param(self, at, name, value):
        run_id = self._one(self.open, at)
        session.log_params(run_id, {name: value})
        self.runs[run_id].params[name] = value

    @precondition(lambda self: self.open)
    @rule(at=which, value=numbers)
    def number(self, at, value):
        run_id = self._one(self.open, at)
        session.log_params(run_id, {"C": value})
        self.runs[run_id].params["C"] = value

    @precondition(lambda self: self.open)
    @rule(at=which, value=texts)
    def tag(self, at, value):
        run_id = self._one(self.open, at)
        session.write({"t": "tag", "run_id": run_id, "name": "who", "value": value})
        self.runs[run_id].tags["who"] = value

    @precondition(lambda self: self.open)
    @rule(at=which, name=st.sampled_from(["a.txt", "b.bin"]), content=st.binary(max_size=20))
    def artifact(self, at, name, content):
        run_id = self._one(self.open, at)
        session.log_artifact(name, content, run_id=run_id)
        self.runs[run_id].artifacts[name] = content

    @precondition(lambda self: self.open)
    @rule(at=which, status=st.sampled_from(["finished", "failed", "interrupted"]))
    def finish(self, at, status):
        run_id = self._one(self.open, at)
        session.finish(self.open.pop(run_id), status)
        self.runs[run_id].status = status

    @rule(subject=st.sampled_from(["m@1", "m@champion", "n@1"]))
    def govern(self, subject):
        def change():
            with opened.store().atomic() as transaction:
                assert transaction.event("advice", subject, {"n": len(self.chain)}, ("me", "os")) == len(self.chain) + 1
            self.chain.append(subject)

        self._asked(change)

    @precondition(lambda self: self._deletable())
    @rule(at=which)
    def delete(self, at):
        run_id = self._one(self._deletable(), at)
        hidden = [i for i in self._part_of(run_id) if self.runs[i].deleted is None]

        def change():
            assert sorted(lifecycle.delete_runs(opened.project(), [run_id])) == sorted(hidden)
            group = next(NUMBERS)
            for i in hidden:
                self.runs[i].deleted = group

        self._asked(change)

    @precondition(lambda self: any(run.deleted for run in self.runs.values()))
    @rule(at=which)
    def restore(self, at):
        run_id = self._one([i for i, run in self.runs.items() if run.deleted], at)
        group = self.runs[run_id].deleted
        together = [i for i in self._part_of(run_id) if self.runs[i].deleted == group]

        def change():
            assert sorted(lifecycle.restore_runs(opened.project(), run_id)) == sorted(together)
            for i in together:
                self.runs[i].deleted = None

        self._asked(change)

    @rule(condition=CONDITIONS)
    def query(self, condition):
        visible = {i: run for i, run in self.runs.items() if run.deleted is None}

        def ask():
            known = {"status"} | {f"metrics.{n}" for r in visible.values() for n, c in r.points if not c}
            known |= {f"params.{n}" for r in visible.values() for n in r.params}
            if set(_columns(condition)) <= known:
                found = nb.runs(written(condition), limit=None, children=True)
                wanted = [i for i, run in visible.items() if holds(condition, run)]
                assert sorted(found["run_id"]) == sorted(wanted), written(condition)

        self._asked(ask)

    # What happens to it.

    @rule()
    def sync(self):
        self._asked(lambda: opened.store().sync())

    @rule()
    def crash(self):
        """The process forgets everything; its runs stay as they were (the process itself goes on, so: running)."""
        session.reset()
        self.open.clear()

    @rule()
    def copy_journals(self):
        self.copies.update({path: path.read_bytes() for path in journal.journals(self.home / "journal")})

    @precondition(lambda self: self.copies)
    @rule()
    def bring_journals_back(self):
        """Segments that are in the database already turn up again."""
        for path, content in self.copies.items():
            if not path.exists():
                path.write_bytes(content)
        self.copies.clear()

    @precondition(lambda self: not self.away)
    @rule()
    def database_away(self):
        self.away = True
        if self.url:
            self.patch.setenv("NBMLOPS_STORE", NOWHERE)
        else:
            file = self.home / "store.sqlite"
            self.home.mkdir(exist_ok=True)
            if file.exists():
                file.rename(self.home / "away")
            file.mkdir()

    @precondition(lambda self: self.away)
    @rule()
    def database_back(self):
        self.away = False
        if not self.url:
            file = self.home / "store.sqlite"
            file.rmdir()
            if (self.home / "away").exists():
                (self.home / "away").rename(file)
        self.back_again()

    def back_again(self):
        self.patch.setenv("NBMLOPS_STORE", self.url) if self.url else self.patch.delenv("NBMLOPS_STORE", False)

    # What must hold.

    @invariant()
    def ids_differ(self):
        assert len(set(self.runs)) == len(self.runs)

    @precondition(lambda self: not self.away)
    @rule()
    def everything_is_as_it_was_tracked(self):
        store = opened.store()
        visible = {i: run for i, run in self.runs.items() if run.deleted is None}
        assert {run["run_id"] for run in runs.summaries(store)} == set(visible)
        for whole in runs.load_many(store, list(visible)):
            self._compare(whole, visible[whole["run_id"]], store)
        listed = nb.runs(limit=None, children=True)
        assert [*listed["run_id"]] == [] if listed.empty else sorted(listed["run_id"]) == sorted(visible)
        with store.reading() as connection:
            assert events.verify(connection) is None
            assert [(e["seq"], e["subject"]) for e in events.listed(connection)] == [*enumerate(self.chain, 1)]
        assert store.set_aside() == []
        with connect(opened.project()) as connection:
            assert connection.scalar("SELECT count(*) FROM runs") == len(self.runs)
            if connection.sqlite:
                assert connection.scalar("PRAGMA quick_check") == "ok"

    def _compare(self, whole, run, store):
        assert (whole["experiment"], whole["status"], whole["parent"]) == (run.experiment, run.status, run.parent)
        assert {p["name"]: p["value"] for p in whole["params"]} == run.params
        assert whole["tags"] == run.tags
        assert {a["name"]: store.artifacts.get(a["digest"]) for a in whole["artifacts"]} == run.artifacts
        newest = {(m["name"], tuple(m["context"].items())): (m["value"], m["step"]) for m in whole["metrics"]}
        assert repr(sorted(newest.items())) == repr(sorted((key, points[-1]) for key, points in run.points.items()))
        for name in {name for name, _ in run.points}:
            for context, points in runs.points(store, whole["run_id"], name):
                found = [(math.nan if value is None else value, step) for step, value, _ in points]
                assert repr(found) == repr(run.points[name, tuple(context.items())])
        shown = nb.get_run(whole["run_id"])
        assert (shown.status, shown.experiment) == (run.status, run.experiment)

    def _asked(self, call):
        """Do what needs the database; while it is away it is refused, and changes nothing."""
        if not self.away:
            return call()
        with pytest.raises(Unavailable):
            opened.store().engine.connect()
        return None

    def _part_of(self, run_id):
        found = [run_id]
        for one in found:
            found += [i for i, run in self.runs.items() if run.parent == one]
        return found

    def _deletable(self):
        return [i for i, r in self.runs.items() if not r.deleted and not set(self._part_of(i)) & set(self.open)]

    def _one(self, some, at):
        some = list(some)
        return some[at % len(some)]


def _columns(condition):
    if isinstance(condition, tuple):
        if condition[0] == "not":
            yield from _columns(condition[1])
        elif condition[1] in ("and", "or"):
            yield from _columns(condition[0])
            yield from _columns(condition[2])
        else:
            yield condition[0]


def machine(request, database, tmp_path, monkeypatch):
    return lambda: Machine(tmp_path, monkeypatch, request.getfixturevalue("postgres") if database else None)


FEW = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
    database=None,
    suppress_health_check=list(HealthCheck),
)
MANY = settings(FEW, max_examples=200, stateful_step_count=50)


def test_whatever_happens_the_store_says_what_was_tracked(request, project, database, tmp_path, monkeypatch):
    run_state_machine_as_test(machine(request, database, tmp_path, monkeypatch), settings=FEW)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whatever_happens_for_long_the_store_says_what_was_tracked(request, project, database, tmp_path, monkeypatch):
    run_state_machine_as_test(machine(request, database, tmp_path, monkeypatch), settings=MANY)
