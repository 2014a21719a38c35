"""A function is a model kept as text: self-contained, and run only when somebody else has read it."""

import functools
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Conflict, Invalid, NotAllowed, UntrustedContent
from nbmlops.registry import files, sourcemodel
from nbmlops.registry.subject import content_key
from nbmlops.store import events
from nbmlops.tracking import session

LIMIT = 45


def late(frame: pd.DataFrame) -> "np.ndarray":
    """Say late of the old, and of those in Bern."""
    import numpy as np

    def near(values):
        return [value > 45 for value in values]

    return np.array(near(frame.age)) | ((frame.age > 42) & (frame.city == "Bern"))


def delay(frame):
    return frame.age / 10


@pytest.fixture
def someone(someone):
    """Work as somebody, at first as ann: someone("ben")."""
    someone("ann")
    return someone


@pytest.fixture
def registered(project, someone, held_out):
    model = nb.rule_model(late, columns=["age", "city"], classes=[False, True])
    nb.evaluate(model, held_out, target="late")
    return nb.register(model, "late-rules")


def test_a_function_answers_and_its_source_is_the_model(held_out):
    model = nb.rule_model(late, columns=["age", "city"])
    assert (model.predict(held_out) == late(held_out).to_numpy()).all()
    assert model.outline_ == "function late"
    again = sourcemodel.read(model.to_yaml().encode())
    assert again.source == model.source
    assert content_key(again) == content_key(model)
    assert (again.predict(held_out) == model.predict(held_out)).all()
    assert "\n  def late" in model.to_yaml()
    assert nb.rule_model(delay).predict(held_out) == pytest.approx(held_out.age / 10)


def uses_limit(frame):
    return frame.age > LIMIT


def uses_default(frame, limit=LIMIT):
    return frame.age > limit


def reads_files(frame):
    return open("x").read()  # noqa: PTH123


def imports_os(frame):
    import os

    return os.cpu_count()


def reaches_around(frame):
    return ().__class__.__base__.__subclasses__()


def has_two(frame, other):
    return frame.age > other


def in_parts(frame):
    yield frame.age


@functools.cache
def decorated(frame):
    return frame.age


async def later(frame):
    return frame.age


def has_class(frame):
    class Answer:
        pass

    return Answer


def calls_eval(frame):
    return eval("1")


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (uses_limit, "uses_limit uses LIMIT, defined outside of it"),
        (uses_default, "uses_default uses LIMIT"),
        (reads_files, "uses open"),
        (imports_os, "imports os; it may import datetime"),
        (reaches_around, "uses __"),
        (has_two, "does not take one argument"),
        (in_parts, "returns in parts"),
        (decorated, "no function made with def"),
        (later, "not one function"),
        (has_class, "defines a class"),
        (calls_eval, "uses eval"),
        (lambda frame: frame.age, "no function made with def"),
        (len, "no function made with def"),
        (functools.partial(delay), "no function made with def"),
        (dict.fromkeys, "no function made with def"),
    ],
)
def test_what_is_not_self_contained_is_refused_by_name(function, says):
    with pytest.raises(Invalid, match=says):
        nb.rule_model(function)


def test_a_function_of_a_closure_is_refused():
    limit = 3

    def inner(frame):
        return frame.age > limit

    with pytest.raises(Invalid, match="uses limit, defined outside"):
        nb.rule_model(inner)


def test_where_a_function_is_indented_does_not_matter(held_out):
    def inner(frame):
        """Say it.

        At length.
        """

        def by(value):
            return value / 10

        return frame.age.map(by)

    assert nb.rule_model(inner).predict(held_out) == pytest.approx(held_out.age / 10)


def test_a_source_that_is_not_what_runs_is_refused():
    around = {}
    exec(compile("def delay(frame):\n    return frame.age / 11\n", __file__, "exec"), around)
    with pytest.raises(Invalid, match=r"is not what its source says|is no function|not one function"):
        nb.rule_model(around["delay"])


def short(frame):
    return frame.age[:2]


def silent(frame):
    return frame.age.where(frame.age > 40)


def changes(frame):
    frame["age"] = 0
    return frame.age


def test_answers_are_one_a_row_and_the_frame_stays(held_out):
    before = held_out.copy()
    with pytest.raises(Invalid, match=r"returns \(2,\) for 400 rows"):
        nb.rule_model(short).predict(held_out)
    with pytest.raises(Invalid, match="says nothing of"):
        nb.rule_model(silent).predict(held_out)
    with pytest.raises(Invalid, match="is no class"):
        nb.rule_model(changes, classes=["a", "b"]).predict(held_out)
    with pytest.raises(Invalid, match="columns that are not there: speed"):
        nb.rule_model(delay, columns=["speed"]).predict(held_out)
    pd.testing.assert_frame_equal(held_out, before)


def test_only_what_somebody_else_has_read_runs(registered, someone, held_out, people):
    assert registered.format == "source"
    assert nb.models().estimator.tolist() == ["function late"]
    asks = [
        lambda: nb.load_model("late-rules"),
        lambda: nb.evaluate("late-rules@1", held_out),
        lambda: nb.predict("late-rules", held_out),
        lambda: nb.gate("late-rules@1", "late-rules@1", on=people(300, 9)),
        lambda: nb.promote("late-rules", 1, to="champion", reason="ours"),
    ]
    for ask in asks:
        with pytest.raises(NotAllowed, match="late-rules@1 is a function that nobody else has read"):
            ask()
    assert nb.load_model("late-rules", allow_pickle=True).source.startswith("def late")
    with pytest.raises(NotAllowed, match="ann registered late-rules@1"):
        nb.approve_source("late-rules@1", "I wrote it")
    someone("Ben")
    assert nb.approve_source("late-rules@1", "two columns")["actor"] == "Ben"
    for ask in asks:
        ask()
    assert (nb.load_model("late-rules").predict(held_out) == late(held_out)).all()


def test_a_review_is_of_the_file_and_in_the_log(registered, someone, project, held_out):
    someone("ben")
    nb.approve_source("late-rules", "two columns")
    someone("ann")
    again = nb.register(nb.rule_model(late, columns=["age", "city"], classes=[False, True]), "other-name")
    assert again.digest == registered.digest
    assert nb.load_model("other-name") is not None
    changed = nb.register(nb.rule_model(late, columns=["age", "city", "noise"]), "late-rules", None)
    assert changed.digest != registered.digest
    with pytest.raises(NotAllowed, match="nobody else has read"):
        nb.load_model("late-rules")
    with session.store().reading() as connection:
        (event,) = events.listed(connection, action="review")
        assert events.verify(connection) is None
    assert (event["actor"], event["data"]["digest"]) == ("ben", registered.digest)


def test_who_registered_it_under_any_name_is_no_reader_of_it(registered, someone):
    someone("ANN")
    with pytest.raises(NotAllowed, match="registered"):
        nb.approve_source("late-rules", "again")
    someone("ben")
    nb.register(nb.rule_model(late, columns=["age", "city"], classes=[False, True]), "mine")
    with pytest.raises(NotAllowed, match="ben registered"):
        nb.approve_source("late-rules", "mine as well")


def test_only_functions_are_read_and_with_a_reason(registered, someone, model):
    someone("ben")
    with pytest.raises(Invalid, match="needs a reason"):
        nb.approve_source("late-rules", "  ")
    nb.register(model, "late")
    with pytest.raises(Invalid, match="late@1 is no function kept as source"):
        nb.approve_source("late", "fine")


def test_the_command_shows_the_source_and_takes_the_word_of_who_read_it(registered, someone):
    def run(*words):
        return CliRunner().invoke(main, ["models", "approve", *words])

    someone("ben")
    assert "def late(frame: pd.DataFrame)" in run("late-rules").output
    assert json.loads(run("late-rules@1", "--json").output)["read_by"] == []
    said = json.loads(run("late-rules@1", "--reason", "two columns", "--json").output)
    assert [(r["model"], r["actor"], r["reason"]) for r in said] == [("late-rules@1", "ben", "two columns")]
    assert [r["actor"] for r in json.loads(run("late-rules@1", "--json").output)["read_by"]] == ["ben"]
    someone("ann")
    assert run("late-rules@1", "--reason", "mine").exit_code == 3


@pytest.mark.parametrize(
    "text",
    [
        "source: 'import os'",
        "source: 'def f(frame): return __import__(\"os\")'",
        "source: [1]",
        'source: "def f(frame):\\n  return 1 # \\u202e"',
        "nothing: 1",
        "source: 'def f(frame):\n  import os\n  return os'",
    ],
)
def test_a_file_that_holds_no_such_function_is_refused(text):
    with pytest.raises((Invalid, UntrustedContent, Conflict)):
        files.load(text.encode(), [], "late-rules@1", files.SOURCE, allow_pickle=True)
