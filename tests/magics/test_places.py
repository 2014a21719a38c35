"""Tab behind a magic offers what its place holds, in time, however slow the store is."""

import threading
import time

import pandas as pd
import pytest

import nbmlops as nb
from nbmlops.magics import magics, offered, places, track


@pytest.fixture
def notebook(shell, model, fit, train, held_out):
    shell.user_ns.update(april=held_out, may=pd.DataFrame({"day of month": [1], 3: [1]}), model=model)
    for C in (0.1, 1.0):
        with nb.run("forest", params={"C": C}, tags={"data": "may"}) as run:
            run.log(roc_auc=0.6 + C / 10)
    nb.register(model, "late")
    nb.register(fit("noise"), "late")
    nb.promote("late", 1, to="champion", reason="the first")
    nb.dataset("trips", train)
    return shell


@pytest.fixture
def patient(monkeypatch):
    """Wait for the store: this machine is shared."""
    monkeypatch.setattr(places, "LIMIT_S", 60)


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(places, "LIMIT_S", 0.01)


def tab(shell, line):
    """Return what IPython offers at the end of a line, each as the last word would read."""
    word = line.split()[-1] if line and not line.endswith(" ") else ""
    text, found = shell.complete("", line, len(line))
    return {word[: len(word) - len(text)] + one for one in found}


COLUMNS = {"age", "city", "noise", "late"}


OFFERED = {
    "%drift april --by ": COLUMNS,
    "%drift april --against late@champion --chunk ": COLUMNS,
    "%drift april --by ci": {"city"},
    "%drift may --by ": {'"day of month"'},
    "%drift ap": {"april"},
    "%drift april --against la": {"late", "late@champion"},
    "%drift april --sh": {"--show"},
    "%drift april --show w": {"wasserstein"},
    "%profile april --target ": COLUMNS,
    "%check april --accept age ": COLUMNS,
    "%evaluate mod": {"model"},
    "%evaluate model april --target la": {"late"},
    "%evaluate model april --target late --by c": {"city"},
    "%register mod": {"model"},
    "%register model l": {"late"},
    "%register late --best ": {"roc_auc"},
    "%register late --from fo": {"forest", "forest~1"},
    "%promote l": {"late"},
    "%promote late ": {"1", "2", "champion"},
    "%promote late 2 --to ch": {"challenger", "champion"},
    "%gate late@champion model --on tr": {"trips@1"},
    "%compare fo": {"forest", "forest~1"},
    "%runs roc": {"roc_auc"},
    '%runs "roc_auc > 0.6 and C': {"C"},
    "%runs --sort -ro": {"-roc_auc"},
    "%runs --sort exp": {"experiment"},
    "%track o": {"off", "on"},
    "%%track fo": {"forest"},
    "%%track forest --met": {"--metric"},
    "%%track forest --metric ro": {"roc_auc"},
    "%review l": {"late"},
    "%report late --for sci": {"scientist"},
    "%nbmlops drift april --by no": {"noise"},
    "%nbmlops run": {"run", "runs"},
    "%nbmlops restore fo": {"forest", "forest~1"},
    "%dri": {"%drift"},
    "%%tra": {"%%track"},
}


def test_tab_offers(notebook, patient):
    for line, offers in OFFERED.items():
        found = tab(notebook, line)
        assert offers <= found, line
        typed = line.split()[-1]
        assert line.endswith(" ") or all(word.startswith(typed) for word in found), (line, found)


def test_columns_of_no_other_frame_are_offered(notebook):
    assert not COLUMNS & tab(notebook, "%drift may --by ")


def test_a_store_that_hangs_offers_nothing_and_nobody_waits(notebook, monkeypatch):
    from nbmlops.tracking import session

    released = threading.Event()
    monkeypatch.setattr(session, "store", lambda: released.wait(60))
    try:
        for line in ("%drift april --against ", "%promote late ", "%runs ", "%report ", "%nbmlops advise "):
            before = time.monotonic()
            found = tab(notebook, line)
            assert time.monotonic() - before < 10, line  # of 60, and not the limit itself: this machine is shared
            assert not {"late", "late@champion", "roc_auc"} & found
        assert len(places._asking) == 1  # one thread waits, however often it is asked
    finally:
        released.set()
        for thread in places._asking:
            thread.join(60)


def test_an_answer_that_comes_too_late_serves_the_next_time(hurried):
    released = threading.Event()
    ask = lambda: [str(released.wait(60))]  # noqa: E731
    assert places.within("slow", ask) == []
    released.set()
    places._asking[0].join(60)
    blocked = threading.Event()
    try:
        assert places.within("slow", lambda: [str(blocked.wait(60))]) == ["True"]
    finally:
        blocked.set()
        places._asking[0].join(60)


def test_a_fault_is_nothing(patient):
    def broken():
        raise RuntimeError("no store")

    assert places.within("broken", broken) == []


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("", "frame"),
        ("april", None),
        ("april --by", "by"),
        ("april --by city", None),
        ("--multivariate", "frame"),
        ("--by city april --against", "against"),
    ],
)
def test_the_parser_tells_the_place(words, place):
    found = places.action_at(magics()["drift"].built, words.split())
    assert (found and found.dest) == place


def test_options_that_take_several_words_or_none():
    check, cell = magics()["check"].built, track.parser()
    assert places.action_at(check, ["april", "--accept", "age"]).dest == "accept"
    assert places.action_at(check, ["april", "--strict"]) is None
    assert places.action_at(cell, ["--no-model"]).dest == "experiment"
    assert places.action_at(magics()["compare"].built, ["a", "b"]).dest == "runs"
    assert offered.value("promote", "--from") is None
