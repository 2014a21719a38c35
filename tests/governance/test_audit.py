"""The audit log reads as a story, is checked with and without a head from outside, and can be taken away."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound
from nbmlops.governance.audit.anchor import anchor
from nbmlops.governance.audit.verify import head
from nbmlops.governance.audit.words import ACTIONS, told
from nbmlops.tracking import session

ANN, BOB = ("ann@example.org", "git"), ("bob@example.org", "jupyterhub")
ROOT = Path(nb.__file__).parent


@pytest.fixture
def log(project):
    """A short story: registered by Ann, promoted, rejected by Bob."""
    with session.store().atomic() as change:
        change.event("alias", "late@champion", {"version": 1, "from": None, "reason": "the first"}, ANN)
        change.event("alias", "late@champion", {"version": 2, "from": 1, "reason": "better", "gate": "9f" * 32}, BOB)
        change.event("reject", "price@3", {"reason": "worse on March", "digest": "ab" * 32}, BOB)
    return project


@pytest.fixture
def repository(log, monkeypatch):
    """The same in a git repository with one commit, by somebody git knows."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ann")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ann@example.org")
    for words in (["init", "-q"], ["add", "nbmlops.toml"], ["commit", "-q", "-m", "one"]):
        git(*words)
    return log


def git(*words):
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    return subprocess.run(["git", *who, *words], check=True, capture_output=True, text=True).stdout.strip()


def run(*words):
    done = CliRunner().invoke(main, ["audit", *words])
    return done.exit_code, done.output


def test_it_reads_as_a_story(log):
    found = nb.audit()
    assert [e["what"] for e in found.events] == [
        "late@1 became champion",
        "late@2 became champion (was 1)",
        "price@3 was rejected",
    ]
    assert found.events[1]["why"] == "better"
    assert found.events[1]["evidence"] == "gate 9f9f9f9f9f9f"
    line = repr(found).splitlines()[2]
    assert line.endswith(
        "bob@example.org (by jupyterhub): late@2 became champion (was 1), because better [gate 9f9f9f9f9f9f]"
    )
    assert list(found.to_frame().columns[:4]) == ["seq", "at", "actor", "known_by"]


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"model": "late"}, [1, 2]),
        ({"model": "late@2"}, [2]),
        ({"model": "late@champion"}, [1, 2]),
        ({"person": "BOB@example.org"}, [2, 3]),
        ({"action": "reject"}, [3]),
        ({"since": "1h"}, [1, 2, 3]),
        ({"until": "2020-01-01"}, []),
        ({"limit": 1}, [3]),
    ],
)
def test_it_is_asked_by_model_person_time_and_action(log, asked, numbers):
    found = nb.audit(**asked)
    assert [e["seq"] for e in found.events] == numbers
    assert found.left_out == (2 if "limit" in asked else 0)


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"model": "lste"}, NotFound, "Did you mean 'late'"),
        ({"person": "an@example.org"}, NotFound, "Did you mean 'ann@example.org'"),
        ({"action": "aprove"}, NotFound, "Did you mean 'approve'"),
        ({"since": "soon"}, Invalid, "since is 'soon', which is no time"),
        ({"limit": 0}, Invalid, "limit is 0"),
    ],
)
def test_what_is_not_there_is_said(log, asked, error, says):
    with pytest.raises(error) as raised:
        nb.audit(**asked)
    assert says in str(raised.value)


VARIABLE = {"governance/agenda/decided.py": ("question_verdict", "decision")}  # what stands in a variable there


def actions():
    """Yield every action of an event in the code with where it stands; None where the walk cannot tell."""
    for path in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {n.targets[0].id: n.value for n in tree.body if isinstance(n, ast.Assign) and is_name(n.targets[0])}
        for node in ast.walk(tree):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr == "event" and len(node.args) == 4:
                name = path.relative_to(ROOT).as_posix()
                for said in VARIABLE.get(name) or values(node.args[0], constants):
                    yield f"{name}:{node.lineno}", said


def is_name(node):
    return isinstance(node, ast.Name)


def values(node, constants):
    """Return the texts that an argument may be."""
    if isinstance(node, ast.IfExp):
        return [*values(node.body, constants), *values(node.orelse, constants)]
    node = constants.get(node.id) if is_name(node) else node
    return [node.value if isinstance(node, ast.Constant) else None]


def test_every_action_of_the_code_has_words():
    found = list(actions())
    assert {action for _, action in found} >= {"alias", "register", "delete", "restore", "charter", "anchor"}
    assert [(place, action) for place, action in found if action not in ACTIONS] == []


@pytest.mark.parametrize("action", sorted(ACTIONS))
@pytest.mark.parametrize("data", [{}, [], {"reason": "{x} because"}])
def test_words_survive_an_event_that_says_little(action, data):
    said = told({"action": action, "subject": "late@{odd}", "data": data})
    assert said.what
    assert said.why == ("{x} because" if data else "")


def test_without_a_head_it_is_consistent_and_not_proven(log):
    found = nb.verify_audit()
    assert (found.verdict, found.events, found.proven_to) == ("consistent, not proven", 3, 0)
    assert "Nobody outside vouches for it" in repr(found)


def test_an_empty_log_is_consistent(project):
    assert nb.verify_audit().verdict == "consistent, not proven"
    assert head().seq == 0
    assert nb.verify_audit(str(head())).verdict == "consistent, not proven"


def test_with_a_head_it_is_proven_up_to_there(log):
    held = str(head())
    with session.store().atomic() as change:
        change.event("handover", "late", {"to": "bob@example.org"}, ANN)
    found = nb.verify_audit(held)
    assert (found.verdict, found.proven_to) == ("proven", 3)
    assert found.says == ("Proven up to event 3, by the head that was given.", "Event 4 is consistent, not proven.")


@pytest.mark.parametrize("given", ["3:abc", "latest", "no/such/file.html"])
def test_what_is_no_head_is_said_in_one_line(log, given):
    with pytest.raises(Invalid, match="No head of an audit log"):
        nb.verify_audit(given)


def test_a_head_is_read_from_a_text_and_from_json(log, tmp_path):
    for text in (str(head()), json.dumps(head().to_dict()), f"words\nnbmlops-audit {head().chain_id} {head()}\n"):
        (tmp_path / "held").write_text(text)
        assert nb.verify_audit(tmp_path / "held").proven_to == 3


def test_a_head_of_another_project_is_refused(log, tmp_path):
    (tmp_path / "held.json").write_text(json.dumps({"head": {"chain_id": "x" * 36, "seq": 3, "hash": "0" * 64}}))
    with pytest.raises(Invalid, match="another project's log"):
        nb.verify_audit(tmp_path / "held.json")


def test_an_anchor_is_found_without_being_named(repository):
    made = anchor()
    assert made.where == "git tag nbmlops-audit-3"
    assert git("cat-file", "-t", "nbmlops-audit-3") == "tag"
    assert nb.verify_audit().says[0] == "Proven up to event 3, by git tag nbmlops-audit-3."
    assert nb.audit().events[-1]["what"] == "event 3 was anchored in git tag nbmlops-audit-3"
    assert not anchor().made
    assert anchor(commit=True).made  # another form is asked for


def test_an_anchor_leaves_index_and_files_alone(repository):
    Path("half.txt").write_text("half done")
    git("add", "half.txt")
    Path("nbmlops.toml").write_text("# edited\n")
    before = git("status", "--porcelain"), git("rev-parse", "HEAD^{tree}"), git("ls-files", "--stage")
    made = anchor(commit=True)
    assert (git("status", "--porcelain"), git("rev-parse", "HEAD^{tree}"), git("ls-files", "--stage")) == before
    assert git("log", "-1", "--format=%s").startswith("Audit log of project up to event 3")
    assert made.where == f"git commit {git('rev-parse', '--short=12', 'HEAD')}"
    assert nb.verify_audit().proven_to == 3


def test_where_no_anchor_can_be_made_nothing_changes(log):
    with pytest.raises(NotFound, match="no git repository"):
        anchor()
    git("init", "-q")
    with pytest.raises(Conflict, match="no commit yet"):
        anchor()
    git("commit", "-q", "--allow-empty", "-m", "one")
    git("checkout", "-q", "--detach")
    with pytest.raises(Conflict, match="No branch is checked out"):
        anchor(commit=True)
    (Path(".git") / "MERGE_HEAD").write_text("x")
    with pytest.raises(Conflict, match="middle of something"):
        anchor(commit=True)
    assert nb.verify_audit().events == 3


def test_a_broken_log_is_not_anchored(repository):
    tamper("UPDATE events SET actor = 'eve' WHERE seq = 2")
    with pytest.raises(NotAllowed, match="Broken at event 2: it was edited"):
        anchor()
    assert git("tag") == ""


def tamper(sql):
    """Change the database behind nbmlops."""
    import sqlite3

    with sqlite3.connect(".nbmlops/store.sqlite") as connection:
        connection.execute(sql)
    connection.close()


@pytest.mark.parametrize("name", ["audit.zip", "audit"])
def test_an_export_is_checked_by_python_alone(log, name):
    made = nb.export_audit(name)
    held = str(head())
    assert made.events == 3
    script = "audit/verify.py"
    if name == "audit.zip":
        import zipfile

        with zipfile.ZipFile(name) as packed:
            packed.extract("verify.py", "out")
        script = "out/verify.py"
    say = lambda *words: subprocess.run(  # noqa: E731
        [sys.executable, "-I", "-S", script, name, *words], capture_output=True, text=True, check=False
    )
    assert say().stdout.splitlines() == list(nb.verify_audit().says)
    assert say("--head", held).stdout.splitlines() == list(nb.verify_audit(held).says)
    wrong = say("--head", f"3:{'0' * 64}")
    assert (wrong.returncode, wrong.stdout.splitlines()) == (3, list(nb.verify_audit(f"3:{'0' * 64}").says))
    assert say("--head", "nonsense").returncode == 2


def test_the_script_needs_python_3_8_and_nothing_else():
    text = (ROOT / "templates" / "audit" / "verify.py").read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 8))
    roots = {n.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names}
    roots |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert roots <= {*sys.stdlib_module_names}


def test_the_same_log_gives_the_same_bytes(log):
    nb.export_audit("one.zip")
    nb.export_audit("two.zip")
    assert Path("one.zip").read_bytes() == Path("two.zip").read_bytes()
    with pytest.raises(Conflict, match=r"one\.zip is there already"):
        nb.export_audit("one.zip")


def test_the_commands_say_what_the_functions_say(repository):
    assert json.loads(run("show", "--model", "late", "--json")[1]) == nb.audit("late").to_dict()
    assert run("show", "--csv")[1].splitlines()[0].startswith("seq,at,actor,known_by,action")
    assert json.loads(run("verify", "--json")[1]) == nb.verify_audit().to_dict()
    assert run("head")[1].strip() == str(head())
    assert json.loads(run("head", "--json")[1]) == head().to_dict()
    assert json.loads(run("anchor", "--json")[1])["where"] == "git tag nbmlops-audit-3"
    assert json.loads(run("export", "a.zip", "--json")[1])["events"] == 4
    tamper("DELETE FROM events WHERE seq = 2")
    code, output = run("verify")
    assert code == 3
    assert output.startswith("Broken at event 2: it is missing: event 3 follows.")
    assert run("export", "b.zip")[0] == 3
    assert run("verify", "--head", "x")[0] == 2


def test_each_shows_itself_in_a_notebook(repository):
    hostile = "<script>alert(1)</script>"
    with session.store().atomic() as change:
        change.event("reject", "late@2", {"reason": hostile}, ANN)
    for shown in (nb.audit(), nb.verify_audit(), anchor(), nb.export_audit("a.zip")):
        bundle = shown._repr_mimebundle_()
        assert f"application/vnd.nbmlops.{shown.shows}.v1+json" in bundle
        assert hostile not in bundle["text/html"]
        assert bundle["text/plain"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("data", ["'no json'", "X'ff41'", "'[1]'"])
def test_a_log_that_was_made_unreadable_is_still_read_and_exported(log, data):
    tamper(f"UPDATE events SET data = {data} WHERE seq = 2")
    assert nb.verify_audit().says == ("Broken at event 2: it was edited: its hash is not that of what it says.",)
    assert [e["what"] for e in nb.audit().events][1:] == ["late@champion was taken away", "price@3 was rejected"]
    assert nb.export_audit("a.zip").verdict == "broken"


@pytest.mark.parametrize(
    ("action", "data", "missing"),
    [
        ("flag", {"digest": "ab" * 32}, "flag"),
        ("flag_answer", {}, "flag and state and digest"),
        ("delete", {"reason": "x"}, "versions"),
        ("charter", {}, "digest"),
        ("condition_met", {}, "approve and condition and why"),
    ],
)
def test_an_event_that_says_too_little_is_a_warning_and_breaks_nothing(repository, action, data, missing):
    """No row can be held against it, and the log is anchored all the same."""
    with session.store().atomic() as change:
        change.event(action, "late", data, ANN)
    found = nb.verify_audit()
    line = f"Event 4 ({action}) says too little, without {missing}: nothing can be held against it."
    assert (found.verdict, found.warnings) == ("consistent, not proven", (line,))
    assert line in repr(found)
    nb.export_audit("audit")
    done = subprocess.run([sys.executable, "audit/verify.py"], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == list(found.says)
    assert anchor().made


def test_times_at_the_ends_of_the_calendar_are_answered(log):
    assert [e["seq"] for e in nb.audit(until="9999-12-31", since="0001-01-01").events] == [1, 2, 3]
    for asked in ({"since": "0001-01-01T00:00+10:00"}, {"until": "9999-12-31T23:59-10:00"}):
        with pytest.raises(Invalid, match="which is no time"):
            nb.audit(**asked)
    code, output = run("show", "--until", "9999-12-31")
    assert (code, "late@1 became champion" in output) == (0, True)


def test_what_is_nested_too_deeply_is_no_head(log, tmp_path):
    (tmp_path / "deep.json").write_text('{"a":' * 100_000)
    with pytest.raises(Invalid, match="nested too deeply"):
        nb.verify_audit(tmp_path / "deep.json")
    code, output = run("verify", "--head", str(tmp_path / "deep.json"))
    assert (code, "No head of an audit log" in output) == (2, True)


@pytest.mark.parametrize("column", ["actor", "subject", "data", "hash"])
def test_text_that_is_no_utf_8_gets_a_verdict(log, column):
    tamper(f"UPDATE events SET {column} = CAST(X'ff41' AS TEXT) WHERE seq = 2")
    found = nb.verify_audit()
    assert (found.verdict, found.broken_at) == ("broken", 2)
    code, output = run("verify")
    assert (code, output.startswith("Broken at event 2")) == (3, True)
    assert run("show", "--json")[0] == 0
    assert nb.export_audit("audit").verdict == "broken"
    done = subprocess.run([sys.executable, "audit/verify.py"], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == list(found.says)


@pytest.mark.parametrize("line", ["{", "[1]", "", '{"at": 3}', '{"a":' * 50_000, "\udcff"])
@pytest.mark.parametrize("name", ["events.jsonl", "tables.jsonl"])
def test_a_line_of_an_export_that_cannot_be_read_is_a_broken_log(log, name, line):
    """A broken log is a no, not a wrong question."""
    nb.export_audit("audit")
    whole = Path("audit", name).read_bytes().splitlines(keepends=True)
    whole[:1] = [line.encode("utf-8", "surrogateescape") + b"\n"]
    Path("audit", name).write_bytes(b"".join(whole))
    done = subprocess.run([sys.executable, "audit/verify.py"], capture_output=True, text=True, check=False)
    where = "event 1: what stands in its place" if name == "events.jsonl" else "line 1 of tables.jsonl: it"
    assert (done.returncode, done.stdout.startswith(f"Broken at {where} cannot be read")) == (3, True), done
    Path("audit", "audit.json").write_text("{")
    assert subprocess.run([sys.executable, "audit/verify.py"], capture_output=True, check=False).returncode == 2


def test_a_flag_whose_event_does_not_say_which_is_not_broken(log):
    """A row whose text has the digest of such an event stands; one of another text does not."""
    from nbmlops.store.flags import digest_of

    said = {"text": "odd", "question": False}
    data = json.dumps({"said": said, "thread": []})
    row = f"'f1', 'late@1', 'other', 'low', 'open', '{digest_of(said)}', '{data}', 'ann', '2026-03-01'"
    tamper(f"INSERT INTO flags (flag_id, subject, kind, severity, state, digest, data, author, at) VALUES ({row})")
    assert nb.verify_audit().where == "flags f1"
    with session.store().atomic() as change:
        change.event("flag", "late@1", {"digest": digest_of(said)}, ANN)
    found = nb.verify_audit()
    assert (found.verdict, len(found.warnings)) == ("consistent, not proven", 1)
    with session.store().atomic() as change:  # excuses the digests of its own table alone
        change.event("erase", "feedback", {"rows": 1, "digests_before": ["x"]}, ANN)
    tamper("UPDATE flags SET digest = 'x', data = 'no json'")
    assert nb.verify_audit().where == "flags f1"
