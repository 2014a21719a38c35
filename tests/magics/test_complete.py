"""Tab behind a magic or command offers what its place holds, in time, however slow or away the store is."""

import sqlite3
import threading
import time
import warnings

import click
import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter, rectify_completions

import nbmlops as nb
from nbmlops.cli import COMMANDS, main
from nbmlops.errors import NbmlopsError, tell
from nbmlops.magics import complete, magics, offered, parser
from nbmlops.magics.complete import offers
from nbmlops.tracking import session

CHARTER = """
roles: {manager: [ann@example.org], ethics: [eve@example.org]}
policy: {staging: {approvals: 1}}
"""


@pytest.fixture
def late(project, model, someone, train):
    (project / "charter.yaml").write_text(CHARTER)
    someone("sam@example.org")
    nb.dataset("trips", train)
    nb.register(model, "late")
    nb.register(model, "late")
    nb.promote("late", 1, to="challenger", reason="first")
    return nb.flag("late@2", "too sure")


@pytest.fixture
def tables(shell, held_out):
    shell.user_ns.update(april=held_out, may=pd.DataFrame({"day of month": [1], 3: [1]}))
    for C in (0.1, 1.0):
        with nb.run("forest", params={"C": C}, tags={"data": "may"}) as run:
            run.log(roc_auc=0.6 + C / 10)
    session.store().sync()
    return shell


@pytest.fixture
def notebook(tables, model, fit, train):
    tables.user_ns["model"] = model
    nb.register(model, "late")
    nb.register(fit("noise"), "late")
    nb.promote("late", 1, to="champion", reason="the first")
    nb.dataset("trips", train)
    return tables


@pytest.fixture
def patient(monkeypatch):
    """Wait for the store: this machine is shared."""
    monkeypatch.setattr(complete, "LIMIT_S", 60)


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(complete, "LIMIT_S", 0.01)


@pytest.fixture(autouse=True)
def nobody_asks():
    """Leave no thread to the next test, and no answer."""
    yield
    for asking in complete._asking:
        asking.thread.join(60)
    complete._asking.clear()


def asked(line):
    return set(offers(f"%nbmlops {line}"))


def tab(shell, text, at=None, jedi=True):
    """Return the lines IPython would make of one, as a terminal and a kernel ask it; ``|`` marks the cursor."""
    at = text.index("|") if "|" in text else len(text)
    text = text.replace("|", "")
    shell.Completer.use_jedi = jedi
    with provisionalcompleter():
        found = list(rectify_completions(text, shell.Completer.completions(text, at)))
    return [text[: one.start] + one.text + text[one.end :] for one in found]


def words(shell, line):
    """Return what would stand last in the line."""
    return {one.removeprefix(line.rpartition(" ")[0] + " ") for one in tab(shell, line)}


# --- what a place holds


def test_the_commands_of_audit_and_what_they_ask_for(late):
    assert {"show", "verify", "head", "anchor", "export"} <= asked("audit ")
    assert {"--model", "--person", "--since", "--action", "--json"} <= asked("audit show ")
    assert "--head" in asked("audit verify --")
    assert {"late", "late@challenger"} <= asked("audit show --model ")
    assert {"sam@example.org", "ann@example.org", "eve@example.org"} == asked("audit show --json --person ")
    assert {"register", "flag", "charter"} <= asked("audit show --action al")


def test_what_a_charter_command_asks_for(late):
    assert {"new", "check", "value", "viability", "review"} <= asked("charter ")
    for verb in ("check", "value", "viability"):
        assert {"late", "late@challenger"} <= asked(f"charter {verb} ")
    assert "--auc" in asked("charter value --")


def test_what_an_answer_asks_for(late):
    assert {"late@2", "late"} <= asked("approve ") & set(offers("%approve "))
    assert {"changes requested", "rejected"} <= asked("approve late@2 --outcome ")
    assert {"manager", "ethics"} <= asked("approve late@2 --role m")
    assert "ann@example.org" in asked("approve late@2 --by ")
    assert {"--condition", "--expires"} <= asked("approve late@2 -")
    assert "--form" not in asked("approve late@2 -")  # the magic refuses it
    assert {"met", "override", "late@2"} <= asked("approvals ")
    assert asked("approvals late@2 --to ") == {"champion", "challenger", "staging"}
    assert {"justified", "not justified"} <= asked("approvals override late@champion ")


def test_what_a_flag_asks_for(late):
    assert {"late", "late@challenger", "trips"} <= asked("flags ")
    assert {"open", "dismissed"} <= asked("flags late --state ")
    assert asked("flags --id ") == {late.flag_id}
    assert late.flag_id in asked("flag answer ") & set(offers("%flag answer "))
    assert late.flag_id not in offers("%flag late ") + offers(f"%flag answer {late.flag_id} ")
    assert offers("%flag late --kind ") == ["model", "dataset", "run"]


def test_a_charter_that_cannot_be_read_hides_nothing_else(late, project):
    (project / "charter.yaml").write_text("roles: nonsense")
    assert asked("audit show --person ") == {"sam@example.org"}
    assert "manager" in asked("approve late@2 --role ")


def test_a_command_of_a_magics_own_name_is_the_command(late, shell, capsys):
    with pytest.raises(NbmlopsError, match="ended with exit code 5"):
        shell.run_line_magic("nbmlops", 'approvals met 1 1 --why "so"')
    assert "Event 1 is no approval" in capsys.readouterr().err


COLUMNS = {"age", "city", "noise", "late"}


OFFERED = {
    "%drift april --by ": COLUMNS,
    "%drift april --against late@champion --chunk ": COLUMNS,
    "%drift april --by ci": {"city"},
    "%drift april --by=ci": {"--by=city"},
    "%drift may --by ": {'"day of month"'},
    "%drift ap": {"april"},
    "%drift april --against la": {"late", "late@champion"},
    "%drift april --sh": {"--show"},
    "%drift april --show w": {"wasserstein"},
    "%profile april --target ": COLUMNS,
    "%check april --accept age ": COLUMNS,
    "%check april --accept age --st": {"--strict"},
    "%evaluate mod": {"model"},
    "%evaluate model april --target la": {"late"},
    "%evaluate model april --target late --by c": {"city"},
    "%register mod": {"model"},
    "%register model l": {"late"},
    "%register late --best ": {"roc_auc"},
    "%register late --from fo": {"forest", "forest~1"},
    "%promote l": {"late"},
    "%promote late ": {"1", "2", "champion"},
    "%promote --to champion late ": {"1", "2", "champion"},
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
    "%report late@ch": {"late@champion"},
    "%nbmlops drift april --by no": {"noise"},
    "%nbmlops run": {"run", "runs"},
    "%nbmlops runs sh": {"show"},
    "%nbmlops runs show fo": {"forest", "forest~1"},
    "%nbmlops audit show --model late@": {"late@champion"},
    "%nbmlops restore fo": {"forest", "forest~1"},
    "%dri": {"%drift"},
    "%%tra": {"%%track"},
}


def test_tab_offers(notebook, patient):
    for line, wanted in OFFERED.items():
        found = words(notebook, line)
        assert wanted <= found, line
        typed = line.split()[-1]
        assert line.endswith(" ") or all(word.startswith(typed) for word in found), (line, found)


def test_columns_of_no_other_frame_are_offered(tables):
    assert not COLUMNS & words(tables, "%drift may --by ")


def parameters():
    """Yield command, name and how the usage calls it, of each parameter of each magic and command."""
    for one in (*magics().values(), "%%track", "%%charter"):
        built = parser(one) if isinstance(one, str) else one.built
        for action in built._actions:
            yield (one.strip("%") if isinstance(one, str) else one.name), action.dest, action.metavar

    def below(command, known):
        for param in command.params:
            yield " ".join(known), param.name, param.metavar
        for name, one in getattr(command, "commands", {}).items():
            yield from below(one, [*known, name])

    for name in COMMANDS:
        yield from below(main.get_command(click.Context(main), name), [name])


def test_each_kind_of_the_table_is_a_place_there_is():
    """A magic that is renamed leaves no line behind; one that is new needs one, where its word is not known."""
    there = set()
    for command, name, metavar in parameters():
        there |= {f"{command} {name}", complete._slot(name, metavar, None, (), None).called}
    assert set(offered.KINDS) - there == set()


def test_a_place_whose_word_is_known_needs_no_line(tables, monkeypatch, patient):
    """To complete a new magic is one line in the table, or none: here its parser says FRAME and COL."""
    from nbmlops.magics import base

    def made():
        new = base.Parser("%new", "", "%new april")
        new.add_argument("frame", metavar="FRAME")
        new.add_argument("--by", metavar="COL")
        new.add_argument("--odd", metavar="ODD")
        return new

    new = base.Magic("new", made, print)
    monkeypatch.setattr("nbmlops.magics.magics", lambda: {"new": new})
    monkeypatch.setitem(offered.KINDS, "ODD", (lambda place: ["one", "two"],))
    assert {"april", "may", "--by"} <= set(offers("%new ", tables.user_ns))
    assert set(offers("%new april --by ", tables.user_ns)) == COLUMNS
    assert offers("%new april --odd ") == ["one", "two"]


# --- how a name is written


NAMES = ["day of month", "it's", 'say "x"', "a/b", "größe", "{x} $y", "back\\slash", "--odd", "日付", "a=b", "#1"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_what_is_offered_is_the_name_when_it_runs(tables, patient, name, quote):
    tables.user_ns["odd"] = pd.DataFrame({name: [1, 2], "X": [1, 2]})
    seen = []
    tables.register_magic_function(seen.append, "line", "profile")  # what it is given, IPython's replacements done
    for typed in ("", name[:1]) if name[0] not in "\"'-" else ("",):
        found = tab(tables, f"%profile odd --by {quote}{typed}")
        (line,) = [one for one in found if one.strip("\"'")[-1] != "X"]
        tables.run_cell(line)
        assert magics()["profile"].built.parse_line(seen[-1]).by == name, line


def test_a_closing_quote_that_is_there_is_not_written_again(tables, patient):
    """Notebooks write both quotes when one is typed."""
    assert tab(tables, '%drift may --by "da|"') == ['%drift may --by "day of month"']
    assert tab(tables, '%drift may --by "day of mo|') == ['%drift may --by "day of month"']
    assert tab(tables, '%runs "roc_auc > 0.6 and C|"') == ['%runs "roc_auc > 0.6 and C"']


# --- which line, and where in it


@pytest.mark.parametrize("jedi", [True, False])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("%drift ap| --by age", "%drift april --by age"),
        ("import os\n%drift ap|\n%profile ap", "import os\n%drift april\n%profile ap"),
        ("import os\n%drift ap\n%profile ap|", "import os\n%drift ap\n%profile april"),
        ("%%track fo|\nmodel = 1", "%%track forest\nmodel = 1"),
        ("# first\n\n%%track forest --metric ro|\nmodel = 1", "# first\n\n%%track forest --metric roc_auc\nmodel = 1"),
        ("if True:\n    %drift ap|", "if True:\n    %drift april"),
        ("found = %drift ap|", "found = %drift april"),
        ("drift ap|", "drift april"),
        ("%drift april \\\n  --by ci|", "%drift april \\\n  --by city"),
        ("%drift\tapril --by ci|", "%drift\tapril --by city"),
        ("%nbmlops drift april --by ci|", "%nbmlops drift april --by city"),
    ],
)
def test_where_the_cursor_is(tables, patient, jedi, before, after):
    found = tab(tables, before, jedi=jedi)
    assert after in found
    assert all(one.startswith(after[:-3].split("forest")[0][:6]) for one in found)


@pytest.mark.parametrize("line", ["drift = ap", "x = 5 % ap", "print(%drift ap", "%driftx ap", "%%drift ap", "%drift"])
def test_what_is_no_magic_of_ours_is_left_to_others(tables, monkeypatch, line):
    seen = []
    monkeypatch.setattr(complete, "_answer", lambda *about: seen.append(about) or ("", []))
    tab(tables, line, jedi=False)
    assert seen == []
    tab(tables, "%drift ap", jedi=False)
    assert len(seen) == 1


@pytest.mark.parametrize(
    "line", [" " * 200_000, "a " * 100_000, "%drift " + "a " * 100_000, "a=" * 100_000, "%" * 200_000]
)
def test_a_line_nobody_typed_takes_no_time(line):
    before = time.process_time()
    for _ in range(3):
        assert complete._ours(None, {"%drift"}, line) is None
    assert time.process_time() - before < 1


def test_of_many_names_as_many_are_offered_as_are_shown(tables, patient, monkeypatch):
    monkeypatch.setitem(offered.KINDS, "COL", (lambda place: [f"a b {n}" for n in range(100_000)],))
    before = time.process_time()
    assert len(words(tables, "%drift april --by a")) == complete.MOST_WORDS
    assert time.process_time() - before < 5


def test_a_variable_of_a_magics_name_is_the_variable(tables, patient):
    tables.user_ns["drift"] = 1
    assert complete._ours(tables, {"%drift"}, "drift ap") is None
    assert complete._ours(tables, {"%drift"}, "%drift ap") == "%drift ap"


def test_a_magic_somebody_else_has_is_not_completed(shell, patient):
    shell.run_line_magic("unload_ext", "nbmlops")
    assert not [m for m in shell.Completer.custom_matchers if getattr(m, "matcher_identifier", "") == "nbmlops"]
    shell.register_magic_function(lambda line: "theirs", "line", "report")
    shell.run_line_magic("load_ext", "nbmlops")
    assert "scientist" not in " ".join(tab(shell, "%report x --for sci", jedi=False))
    assert words(shell, "%nbmlops report x --for sci") == {"scientist"}
    shell.magics_manager.magics["line"].pop("report")


# --- in time, and nothing happens


def test_a_store_that_hangs_hides_nothing_else_and_nobody_waits(notebook, monkeypatch):
    released, asked = threading.Event(), []

    def hang():
        asked.append(1)
        return released.wait(60)

    monkeypatch.setattr(session, "store", hang)
    try:
        for line in ("%drift april --against ", "%promote late ", "%runs ", "%report ", "%nbmlops advise "):
            before = time.monotonic()
            found = words(notebook, line)
            assert time.monotonic() - before < 10, line  # of 60, and not the limit itself: this machine is shared
            assert not {"late", "late@champion", "roc_auc"} & found
            assert not line.startswith("%drift") or {"april", "may"} <= found
        assert len(asked) == 1  # one thread waits for the store, however often somebody asks
    finally:
        monkeypatch.undo()
        released.set()
    for asking in complete._asking:
        asking.thread.join(60)
    monkeypatch.setattr(complete, "LIMIT_S", 0)
    assert "roc_auc" in words(notebook, "%runs ")  # each had its turn


def test_an_object_that_hangs_is_left_to_its_thread(tables, monkeypatch):
    released = threading.Event()

    class Slow:
        @property
        def shape(self):
            released.wait(60)
            return (1, 1)

    tables.user_ns["slow"] = Slow()
    try:
        for n in range(9):
            before = time.monotonic()
            tab(tables, f"%drift x --against y{n} --chunk a ", jedi=False)
            tab(tables, f"%drift --by y{n} ", jedi=False)
            assert time.monotonic() - before < 10
        assert len([one for one in complete._asking if one.thread.is_alive()]) <= 2 * complete.MOST_WAITING
    finally:
        released.set()


def test_an_answer_that_comes_too_late_serves_the_next_time_once(hurried):
    released, asked = threading.Event(), []

    def ask(found, turn):
        found.append("at once")
        released.wait(60)
        found.append("late")
        asked.append(1)

    assert complete.within("slow", ask) == ["at once"]
    released.set()
    complete._asking[0].thread.join(60)
    assert complete.within("slow", ask) == ["at once", "late"]
    assert len(asked) == 1
    complete.LIMIT_S = 60
    assert complete.within("slow", ask) == ["at once", "late"]
    assert len(asked) == 2


def test_an_old_answer_serves_nobody(hurried, monkeypatch):
    released = threading.Event()
    assert complete.within("slow", lambda found, turn: (released.wait(60), found.append("old"))) == []
    released.set()
    complete._asking[0].thread.join(60)
    complete._asking[0].began -= complete.LATE_S
    monkeypatch.setattr(complete, "LIMIT_S", 60)
    assert complete.within("slow", lambda found, turn: found.append("new")) == ["new"]


def test_a_fault_is_nothing(notebook, patient, monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("no store")

    assert complete.within("broken", broken) == []
    monkeypatch.setattr(session, "store", broken)
    assert {"april", "may"} <= words(notebook, "%drift april --against ")
    monkeypatch.setattr(complete, "_answer", broken)
    tab(notebook, "%drift ap", jedi=False)
    assert capsys.readouterr() == ("", "")


def test_tab_makes_no_folder_and_no_store(shell, project, patient, monkeypatch):
    left = set(project.iterdir())
    for line in OFFERED:
        tab(shell, line, jedi=False)
    for line in ("audit show --person ", "store delete ", "jobs show ", "flags --id ", "dataset "):
        tab(shell, f"%nbmlops {line}", jedi=False)
    assert set(project.iterdir()) == left


def test_tab_brings_no_older_store_to_this_schema(notebook, patient, project):
    with sqlite3.connect(project / ".nbmlops" / "store.sqlite") as connection:
        connection.execute("UPDATE meta SET value = '2' WHERE key = 'schema'")
    assert not {"late", "late@champion"} & words(notebook, "%drift april --against ")
    with sqlite3.connect(project / ".nbmlops" / "store.sqlite") as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == ("2",)


def test_a_locked_store_is_told_to_nobody(notebook, patient, project, capsys, monkeypatch):
    from nbmlops.store import database

    monkeypatch.setattr(database, "READ_WAIT_S", 0.1)
    with nb.run("forest"):
        nb.log(roc_auc=0.1)  # it waits in the journal
    other = sqlite3.connect(project / ".nbmlops" / "store.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert {"late", "late@champion"} <= words(notebook, "%drift april --against ")
        assert [
            str(one.message) for one in told if "nbmlops" in str(one.message) or "journal" in str(one.message)
        ] == []
        assert capsys.readouterr() == ("", "")
    finally:
        other.execute("ROLLBACK")
        other.close()
    with pytest.warns(RuntimeWarning, match="a word"):
        tell("a word")  # and only the thread that completes is silent


def test_a_server_that_is_away_hides_nothing_else(tables, project, monkeypatch):
    monkeypatch.setenv("NBMLOPS_STORE", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    session.reset()
    before = time.monotonic()
    assert {"april", "may"} <= words(tables, "%drift april --against ")
    assert time.monotonic() - before < 10


def test_an_empty_database_of_a_server_stays_empty(shell, postgres, monkeypatch, patient, needed):
    needed("psycopg")
    monkeypatch.setenv("NBMLOPS_STORE", postgres())
    session.reset()
    tab(shell, "%promote ", jedi=False)
    from nbmlops.store import driver

    assert not driver.is_made(session.project())
    with driver.connect(session.project()):
        pass
    assert driver.is_made(session.project())


def test_the_store_is_asked_in_a_thread_only(notebook, patient, monkeypatch):
    asked = []
    kept = session.store
    monkeypatch.setattr(session, "store", lambda: asked.append(threading.current_thread().name) or kept())
    assert "late" in words(notebook, "%promote ")
    assert set(asked) == {"nbmlops-completion"}


# --- the place


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("%drift ", "frame"),
        ("%drift april ", None),
        ("%drift april --by ", "by"),
        ("%drift april --by city ", None),
        ("%drift --multivariate ", "frame"),
        ("%drift --by city april --against ", "against"),
        ("%drift --by=city april --against ", "against"),
        ("%check april --accept age ", "accept"),
        ("%check april --strict ", None),
        ("%%track --no-model ", "experiment"),
        ("%compare a b ", "runs"),
        ("%retrain job -p a ", "parameters"),
        ("%retrain job -p a 1 ", None),
        ("%nbmlops store delete a b ", "refs"),
        ("%nbmlops runs --limit 3 ", "query"),
    ],
)
def test_the_parser_tells_the_place(line, place):
    _, slots, _, words = complete._meant(line.split()[0], complete._split(line)[0])
    found, _ = complete._place(slots, words)
    assert (found and found.name) == place
