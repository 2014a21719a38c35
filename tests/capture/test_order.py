"""Which cells ran, and whether what a run rests on would come about again from the top."""

import hashlib
import json
import os
import subprocess
import sys
import threading

import pytest
from IPython.core.interactiveshell import InteractiveShell

from nbmlops.capture import order
from nbmlops.capture.cell import analyse
from nbmlops.capture.order import Execution, History, Label, label, notebook_cells
from nbmlops.records import iso


class Notebook:
    """A notebook in a front end: its cells run in a history, and it is saved when asked."""

    def __init__(self, folder, ids=True):
        self.history, self.path, self.ids = History(), folder / "flights.ipynb", ids
        self.cells = {}

    def write(self, **cells):
        self.cells |= cells
        return self

    def run(self, *names, succeeded=True):
        for name in names:
            text = self.cells[name]
            begun = self.history.begin(text, text, name if self.ids else None, notebook="flights.ipynb")
            self.history.end(begun, succeeded)
        return self.history.execution(begun)

    def save(self, seconds=60.0, form=lambda cell: cell):
        """Write the file, as if it were saved some seconds from now."""
        cells = [
            form({"id": name, "cell_type": "code", "source": text.splitlines(keepends=True), "outputs": []})
            for name, text in self.cells.items()
        ]
        self.path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "cells": cells}))
        at = self.path.stat().st_mtime + seconds
        os.utime(self.path, (at, at))
        return notebook_cells(self.path)

    def label(self, *names, **words):
        return label(self.history, self.run(*names), **words)


@pytest.fixture
def notebook(tmp_path):
    made = Notebook(tmp_path)
    return made.write(load="df = read()", clean="late = df.delay > 15", fit="model = Tree().fit(df, late)")


def judged(notebook, *names, **words):
    """Run cells in order, as many as there are; what is not recorded but named ``read`` or ``Tree`` is no variable."""
    return notebook.label(*names, present={"df", "late", "model"}, **words)


def test_cells_run_once_from_the_top_are_clean(notebook):
    found = judged(notebook, "load", "clean", "fit", saved=notebook.save())
    assert (found.word, found.cell) == ("clean", None)
    assert found.finding().outcome == "passed"


def test_a_name_no_cell_made_is_unknown(notebook):
    found = judged(notebook, "clean", "fit")
    assert (found.word, found.cell) == ("unknown", None)
    assert found.message == "No cell that was seen makes df, so the order is not known."
    assert found.finding().outcome == "skipped"


def test_a_name_that_does_not_exist_was_not_read(notebook):
    notebook.write(helper="def score():\n    return unfinished(model)\nmodel = 1", use="score()")
    assert notebook.label("helper", "use").word == "unknown"
    assert notebook.label("use", present={"score", "model"}).word == "clean"


@pytest.mark.parametrize("source", ["from tools import *\ndf = read()", "exec(text)\ndf = 1"])
def test_a_cell_that_may_make_anything_is_unknown(notebook, source):
    notebook.write(load=source)
    found = judged(notebook, "load", "clean")
    assert (found.word, found.cell) == ("unknown", 1)
    assert "Cell [1] may make any name" in found.message


def test_a_failed_execution_makes_nothing(notebook):
    notebook.run("load", succeeded=False)
    assert judged(notebook, "clean").word == "unknown"


def test_a_cell_that_was_run_again_and_makes_it_no_longer_leaves_an_orphan(notebook):
    notebook.run("load", "clean")
    notebook.write(load="df_2024 = read()")
    found = judged(notebook, "load", "fit")
    assert (found.word, found.cell) == ("orphaned", 1)
    assert found.message == "df comes from cell [1], which as [3] no longer makes it."
    assert found.finding().outcome == "warning"


def test_this_run_itself_may_make_an_orphan(notebook):
    notebook.write(fit="df = read()\nmodel = Tree().fit(df)")
    notebook.run("fit")
    notebook.write(fit="model = Tree(depth=3).fit(df)")
    assert judged(notebook, "fit").word == "orphaned"


def test_a_cell_that_makes_it_again_leaves_none(notebook):
    notebook.run("load", "clean")
    before = notebook.cells["load"]
    notebook.write(load="pass")
    notebook.run("load")
    notebook.write(load=before)
    notebook.run("load")
    notebook.write(fit="model = Tree().fit(late)")
    assert judged(notebook, "fit").word == "clean"


def test_a_cell_that_was_deleted_leaves_an_orphan(notebook):
    notebook.run("load", "clean")
    del notebook.cells["load"]
    execution = notebook.run("fit")
    assert label(notebook.history, execution, notebook.save(seconds=-60), {"df"}).word == "clean"
    found = label(notebook.history, execution, notebook.save(), {"df"})
    assert (found.word, found.cell) == ("orphaned", 1)
    assert found.message == "df comes from cell [1], which is no longer in the notebook."


def test_a_cell_of_another_notebook_is_not_missed(notebook):
    begun = notebook.history.begin("df = read()", "df = read()", "elsewhere", notebook="other.ipynb")
    notebook.history.end(begun, succeeded=True)
    assert judged(notebook, "clean", saved=notebook.save()).word == "clean"


def test_a_cell_that_says_something_else_in_the_file_was_edited_since(notebook):
    notebook.run("load", "clean")
    notebook.write(clean="late = df.delay > 30")
    execution = notebook.run("fit")
    assert label(notebook.history, execution, notebook.save(seconds=-60), {"df"}).word == "clean"
    found = label(notebook.history, execution, notebook.save(), {"df"})
    assert (found.word, found.cell) == ("edited since", 2)
    assert found.message == "late comes from cell [2], which now says something else."


def test_a_cell_that_was_run_again_as_something_else_was_edited_since(notebook):
    notebook.write(fit="model = Tree().fit(late)")
    notebook.run("load", "clean")
    notebook.write(load="df = read('2024')")
    found = judged(notebook, "load", "fit")
    assert (found.word, found.cell, found.message[:2]) == ("edited since", 1, "df")


def test_an_edit_that_failed_counts(notebook):
    notebook.run("load", "clean")
    notebook.write(clean="late = df.dellay > 30")
    notebook.run("clean", succeeded=False)
    assert judged(notebook, "fit").word == "edited since"


def test_spaces_an_editor_takes_away_are_no_edit(notebook):
    notebook.write(load="df = read()  \n\n")
    execution = notebook.run("load", "clean")
    notebook.write(load="df = read()")
    assert label(notebook.history, execution, notebook.save(), {"df"}).word == "clean"


def test_cells_that_ran_against_their_order_are_reordered(notebook):
    saved = notebook.write(below="df = df.dropna").save(seconds=-60)
    notebook.write(below="df = read()")
    found = judged(notebook, "below", "clean", saved=saved)
    assert (found.word, found.cell) == ("reordered", 1)
    assert found.message == "df comes from cell [1], which ran before cell [2] and stands below it."


def test_without_a_file_cells_stand_in_the_order_they_first_ran(notebook):
    notebook.write(below="df = read()")
    assert judged(notebook, "load", "clean", "below", "clean").word == "reordered"
    assert judged(notebook, "load", "clean").word == "clean"


def test_a_cell_that_ran_twice_and_changes_what_it_reads_is_reordered(notebook):
    notebook.write(clean="df.drop(columns='x', inplace=True)", fit="model = Tree().fit(df)")
    assert judged(notebook, "load", "clean", "fit").word == "clean"
    found = judged(notebook, "clean", "fit")
    assert (found.word, found.cell) == ("reordered", 2)
    assert found.message == "df comes from cell [2], the same cell as [4]: it ran more than once."


def test_a_run_that_builds_on_its_own_repeat_is_reordered(notebook):
    notebook.write(fit="df = df.dropna()\nmodel = Tree().fit(df)")
    assert judged(notebook, "load", "fit").word == "clean"
    assert judged(notebook, "fit").word == "reordered"


def test_cells_that_ran_twice_and_build_on_nothing_of_theirs_are_clean(notebook):
    assert judged(notebook, "load", "load", "clean", "fit", "fit", saved=notebook.save()).word == "clean"
    notebook.write(look="df.head()\nplt.plot(df)", libraries="import matplotlib.pyplot as plt")
    notebook.run("libraries")
    assert notebook.label("look", "look", present={"df", "plt"}).word == "clean"


def test_a_function_may_use_what_is_made_after_it(notebook):
    notebook.write(
        first="def train():\n    return helper(df)", second="def helper(x):\n    return x", use="m = train()"
    )
    found = notebook.label("load", "first", "second", "use", present={"df", "helper", "train"})
    assert found.word == "clean"
    names = label_slice(notebook)
    assert names == {1: ("df",), 2: ("train",), 3: ("helper",)}


def label_slice(notebook):
    executions = notebook.history.before(100)
    found = order.backward(executions[-1], executions[:-1])
    return {e.number: names for e, names in found.sources.items()}


def test_a_slice_holds_every_change_since_a_name_was_made(notebook):
    notebook.write(sort="df.update(more)\nmore = 1", other="x = 1", again="df['a'] = x", more="more = {}")
    notebook.run("more", "load", "sort", "other", "again", "clean")
    assert label_slice(notebook) == {1: ("more",), 2: ("df",), 3: ("df",), 4: ("x",), 5: ("df",)}


def test_a_builtin_another_cell_bound_is_read(notebook):
    notebook.write(first="max = 3", use="late = max", again="if late:\n    n = max\nprint(n)")
    assert notebook.run("use").reads == ()
    assert notebook.run("first", "use").reads == ("max",)
    assert notebook.run("again", "again").reads == ("late", "max")  # n is its own


@pytest.mark.parametrize("saved", [True, False])
def test_without_cell_ids_the_source_stands_for_the_cell(tmp_path, saved):
    notebook = Notebook(tmp_path, ids=False).write(a="x = 1", b="x += 1", c="y = x")
    file = notebook.save() if saved else None
    assert notebook.label("a", "b", "c", saved=file).word == "clean"
    assert notebook.label("b", "c", saved=file).word == "reordered"
    notebook.write(a="x = 10")
    notebook.run("a")
    assert notebook.label("c", saved=notebook.save() if saved else None).word == ("clean" if saved else "reordered")


@pytest.mark.parametrize("own", [False, True])
def test_a_file_that_has_not_the_ids_of_the_front_end_is_matched_by_text(tmp_path, own):
    notebook = Notebook(tmp_path).write(a="x = 1", b="y = x")
    keep = (lambda c: c | {"id": f"other-{c['id']}"}) if own else (lambda c: {k: c[k] for k in c if k != "id"})
    execution = notebook.run("a", "b")
    assert label(notebook.history, execution, notebook.save(form=keep)).word == "clean"
    notebook.cells = dict(reversed(notebook.cells.items()))
    assert label(notebook.history, execution, notebook.save(seconds=90, form=keep)).word == "reordered"


def test_a_notebook_file_is_read_with_json_alone(notebook):
    saved = notebook.save(form=lambda c: c | ({"cell_type": "markdown"} if c["id"] == "clean" else {}))
    assert saved.positions == {"load": 0, "fit": 2}
    assert saved.sources["load"] == "df = read()"
    assert saved.saved_at == iso(notebook.path.stat().st_mtime_ns / 1e9)


def test_a_notebook_file_is_read_again_only_when_it_changed(notebook):
    first = notebook.save()
    assert notebook_cells(notebook.path) is first
    notebook.write(load="df = 2")
    assert notebook.save(seconds=90).sources["load"] == "df = 2"


@pytest.mark.parametrize("text", ["", "[]", '{"cells": 3}', '{"cells": [', '{"worksheets": []}', "\xff"])
def test_a_file_that_is_no_notebook_says_nothing(tmp_path, text):
    path = tmp_path / "x.ipynb"
    assert notebook_cells(path) is None
    path.write_text(text, encoding="latin-1")
    assert notebook_cells(path) is None


def test_odd_cells_of_a_file_do_no_harm(tmp_path):
    path = tmp_path / "x.ipynb"
    cells = [3, {"cell_type": "code"}, {"cell_type": "code", "source": "a\nb", "id": 5}, {"source": "x"}]
    path.write_text(json.dumps({"cells": cells}))
    assert notebook_cells(path).sources == {"#1": "", "5": "a\nb"}


def test_a_file_too_large_to_read_after_each_cell_is_not_read(notebook, monkeypatch):
    notebook.save()
    monkeypatch.setattr("nbmlops.capture.saved.MOST_BYTES", 10)
    assert notebook_cells(notebook.path) is None


def test_nothing_is_written_until_it_is_asked_and_then_once(notebook):
    events, kept = [], []
    notebook.run("load", "load", "clean")
    running = notebook.history.begin("x = 1", "x = 1", "other")
    assert [e.number for e in notebook.history.pending()] == [1, 2, 3]
    assert notebook.history.flush(events.append, kept.append) == 3
    assert [e["number"] for e in events] == [1, 2, 3]
    assert kept == [b"df = read()", b"late = df.delay > 15"]
    notebook.history.end(running, succeeded=False, run_id="r")
    assert notebook.history.flush(events.append, kept.append) == 1
    assert events[-1] == {
        "t": "execution",
        "kernel": notebook.history.kernel,
        "number": 4,
        "run_id": "r",
        "cell_id": "other",
        "notebook": None,
        "digest": hashlib.sha256(b"x = 1").hexdigest(),
        "at": running.at,
        "status": "failed",
        "reads": [],
        "writes": ["x"],
        "mutates": [],
    }
    assert notebook.history.flush(events.append, kept.append) == 0


def test_what_could_not_be_written_is_written_later(notebook):
    events, kept = [], []

    def full(_):
        raise OSError("disk full")

    notebook.run("load", "clean")
    with pytest.raises(OSError, match="disk full"):
        notebook.history.flush(events.append, full)
    with pytest.raises(OSError, match="disk full"):
        notebook.history.flush(full, kept.append)
    assert notebook.history.flush(events.append, kept.append) == 2
    assert [e["number"] for e in events] == [1, 2]
    assert len(kept) == 2


def test_the_digest_is_of_the_source_without_its_secrets(notebook):
    kept = []
    execution = notebook.write(load="password = 'hunter2'\nconnect('hunter2')").run("load")
    notebook.history.flush(lambda _: None, kept.append)
    assert kept == [b"password = '[secret]'\nconnect('[secret]')"]
    assert execution.digest == hashlib.sha256(kept[0]).hexdigest()


def test_a_source_no_encoding_takes_is_kept_all_the_same():
    history, kept = History(), []
    history.end(history.begin("x = '\ud800'", "x = 1"), succeeded=True)
    assert history.flush(lambda _: None, kept.append) == 1
    assert kept == [b"x = '?'"]


def test_a_cell_is_translated_and_analysed_when_it_is_asked_and_once(monkeypatch):
    translated, history = [], History()
    analysed = []
    monkeypatch.setattr(order, "analyse", lambda source: analysed.append(source) or analyse(source))
    for _ in range(3):
        begun = history.begin("%time x", lambda text: translated.append(text) or "x")
        history.end(begun, succeeded=True)
    assert (translated, analysed) == ([], [])
    history.before(100)
    history.pending()
    assert (translated, analysed) == (["%time x"], ["%time x", "x"])


def test_a_cell_that_cannot_be_translated_has_no_names():
    def refuse(_):
        raise ValueError("a bad header")

    history = History()
    begun = history.begin("%%track", refuse)
    history.end(begun, succeeded=False)
    assert history.execution(begun) == Execution(
        1, None, hashlib.sha256(b"%%track").hexdigest(), (), (), (), False, begun.at
    )


def test_numbers_are_those_of_the_shell_and_never_used_twice():
    history = History()
    numbers = [history.begin("x", "x", number=n).number for n in (None, 7, 8, 8, 1, None)]
    assert numbers == [1, 7, 8, 9, 10, 11]


def test_a_history_forgets_its_oldest_executions(monkeypatch):
    monkeypatch.setattr(order, "MOST", 5)
    history = History()
    begun = [history.begin(f"x{i} = 1", f"x{i} = 1") for i in range(8)]
    for one in begun:
        history.end(one, succeeded=True)
    assert [e.number for e in history.before(100)] == [4, 5, 6, 7, 8]
    assert history.text(history.execution(begun[7])) == "x7 = 1"
    del begun, one
    assert len(history._sources) == 5


def test_cells_that_overlap_are_each_judged_by_what_had_ended(notebook):
    slow = notebook.history.begin("df = read()", "df = read()", "load")
    assert judged(notebook, "clean").word == "unknown"
    notebook.history.end(slow, succeeded=True)
    assert judged(notebook, "clean").word == "clean"


def test_threads_lose_nothing():
    history, events = History(), []

    def work(of):
        for i in range(200):
            history.end(history.begin(f"x{of} = {i}", f"x{of} = {i}"), succeeded=True)
            history.flush(events.append, len)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(e["number"] for e in events) == list(range(1, 801))


def test_every_word_has_its_outcome():
    words = ("clean", "reordered", "edited since", "orphaned", "unknown")
    outcomes = [Label(word, "why", 3).finding().outcome for word in words]
    assert outcomes == ["passed", "warning", "warning", "warning", "skipped"]
    found = Label("reordered", "why", 3).finding()
    assert (found.code, found.message, found.detail) == ("order", "why", {"order": "reordered", "cell": 3})


def test_a_real_shell_gives_what_is_recorded():
    shell, history, found = InteractiveShell(), History(), []
    shell.events.register("pre_run_cell", lambda info: found.append(history.begin(info.raw_cell, shell.transform_cell)))
    shell.events.register("post_run_cell", lambda result: history.end(found[-1], result.success))
    for cell in ("%%time\nrows = [3]", "rows.append(1)", "total = sum(rows)", "1/0"):
        shell.run_cell(cell, store_history=True)
    executions = [history.execution(begun) for begun in found]
    assert [(e.reads, e.writes, e.mutates, e.succeeded) for e in executions] == [
        ((), ("rows",), (), True),
        (("rows",), (), ("rows",), True),
        (("rows",), ("total",), (), True),
        ((), (), (), False),
    ]
    assert label(history, executions[2], present=shell.user_ns).word == "clean"


def test_the_record_loads_no_library_of_data():
    code = "import sys, nbmlops.capture.order; print({'pandas', 'numpy', 'IPython', 'sqlalchemy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
