"""``nbmlops store``, as typed: what it prints, what it changes, how it ends; the magic and Python do the same."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.cli import store as commands
from nbmlops.errors import tell
from nbmlops.magics import complete
from nbmlops.store import garbage
from nbmlops.store.driver import connect
from nbmlops.store.journal import Journal
from nbmlops.tracking import session


@pytest.fixture
def kept(project, model, held_out):
    """Two runs of an experiment with a file each, and a model of two versions, the first the champion."""
    for i in range(2):
        with nb.run("forest"):
            nb.log(loss=i)
            nb.log_artifact("note.txt", b"note %d" % i)
    nb.evaluate(model, held_out, target="late")
    nb.register(model, "late")
    nb.register(model, "late")
    nb.promote("late", 1, to="champion", reason="the first")
    return project


def typed(*words, **more):
    return CliRunner().invoke(main, ["store", *words], **more)


def read(*words):
    result = typed(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_delete_and_restore_a_run(kept):
    (gone,) = read("delete", "forest~0", "--yes")
    assert gone == {"kind": "run", "ref": gone["ref"]}
    assert len(nb.runs()) == 1
    assert [r["ref"] for r in read("restore")] == [gone["ref"]]
    assert typed("restore", "--csv").output.splitlines()[1].startswith(f"run,{gone['ref']},forest,2")
    assert read("restore", gone["ref"][-6:]) == [gone]
    assert len(nb.runs()) == 2
    assert typed("restore").output.strip() == "nothing was deleted that could be brought back"


def test_what_is_deleted_is_named_as_in_the_list_of_runs(kept):
    run_id = nb.get_run("forest").run_id
    said = typed("delete", "forest~0", "--yes").output
    assert run_id[-6:] in said
    assert run_id not in said
    assert run_id not in typed("restore").output


def test_a_list_of_nothing_says_of_what(kept):
    assert typed("reap", "--dry-run").output.strip() == "no run is abandoned"


def test_delete_and_restore_model_versions(kept):
    assert read("delete", "late@2", "--yes", "--reason", "wrong month") == [{"kind": "model", "ref": "late@2"}]
    assert list(nb.models().version) == [1]
    assert read("restore", "late") == [{"kind": "model", "ref": "late@2"}]
    assert list(nb.models().version) == [2, 1]


def test_all_names_are_read_before_the_first_is_deleted(kept):
    newest, older = nb.runs().run_id
    assert typed("delete", "forest~0", "nobody~0", "--yes").exit_code == 5
    assert len(nb.runs()) == 2
    assert [row["ref"] for row in read("delete", "forest~0", "forest~1", "--yes")] == [newest, older]
    typed("restore", newest)
    refused = typed("delete", "forest~0", "late@1", "--yes", "--json")
    assert (refused.exit_code, newest in refused.output, "late@champion" in refused.output) == (2, True, True)
    asked = typed("delete", "late", "forest", input="y\n")  # the second is an experiment, or unknown by now
    assert (asked.exit_code != 0, "Delete" in asked.output) == (True, False)


def test_an_export_of_what_is_broken_ends_with_three(kept, tmp_path):
    with connect(session.project()) as connection:
        connection.execute("UPDATE events SET actor = 'eve' WHERE seq = 2")
    broken = typed("export", "out")
    assert (broken.exit_code, "event 2 was changed" in broken.output) == (3, True)
    assert json.loads(typed("export", "again", "--json").stdout)["broken_at"] == 2


def test_a_lost_file_is_said_by_export_and_import(kept, tmp_path, monkeypatch):
    session.artifacts().delete(hashlib.sha256(b"note 1").hexdigest())
    lost = typed("export", "out")
    assert (lost.exit_code, "1 file is missing" in lost.output) == (3, True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "nbmlops.toml").write_text("")
    monkeypatch.chdir(other)
    session.reset()
    assert typed("import", str(kept / "out")).exit_code == 3
    assert len(nb.runs()) == 2


def test_a_warning_is_a_plain_line(kept, monkeypatch):
    from nbmlops.store import health

    monkeypatch.setattr(health, "verify", lambda _: tell("Something is odd.") or [])
    said = typed("verify")
    assert "nbmlops: Something is odd.\n" in said.stderr
    assert "RuntimeWarning" not in said.output


READ_ONLY = """
import os, sys
import nbmlops as nb
from nbmlops.cli import main
from nbmlops.tracking import session
def work(out):
    for words in (["verify"], ["export", out + "/all"], ["backup", out + "/copy.sqlite"]):
        print(words[0], main.main(["store", *words], standalone_mode=False))
    print("report", main.main(["report", "forest"], standalone_mode=False))
    main.main(["doctor"], standalone_mode=False)
closed, here, out = os.getcwd(), sys.argv[1], sys.argv[2]
os.chdir(here)  # once where all may be written: another user may not read what is imported late
with nb.run("forest"):
    pass
work(here)
session.reset()
os.chdir(closed)
print("now closed")
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
work(out)
"""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX permissions")
def test_a_folder_that_cannot_be_written_is_verified_exported_and_backed_up(kept, tmp_path):
    other = Journal(kept / ".nbmlops" / "journal")
    other.append({"t": "tag", "run_id": "r", "name": "a", "value": "b"})  # waits, and cannot be brought in
    other.close()
    for name in ("open", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
    (tmp_path / "open" / "nbmlops.toml").write_text("")
    for place in (kept, *kept.parents):
        if place.owner() != Path.home().owner() or place.stat().st_mode & 0o1000:
            break
        place.chmod(0o755)
    for path in sorted((kept / ".nbmlops").rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    (kept / ".nbmlops").chmod(0o555)
    command = [sys.executable, "-c", READ_ONLY, str(tmp_path / "open"), str(tmp_path / "out")]
    done = subprocess.run(command, cwd=kept, capture_output=True, text=True)
    for path in (kept / ".nbmlops", *(kept / ".nbmlops").rglob("*")):
        path.chmod(0o755)
    said = done.stdout.partition("now closed")[2]
    assert {"verify 0", "export 0", "report 3"} <= set(said.splitlines()), (said, done.stderr)
    assert (tmp_path / "out" / "copy.sqlite").is_file()
    assert "No report can be written" in done.stderr
    assert "cannot be written, so it is only read" in said
    assert "read in when the store can be written" in said


def test_nothing_is_deleted_without_a_yes(kept):
    asked = typed("delete", "forest~0", input="n\n")
    assert (asked.exit_code, len(nb.runs())) == (8, 2)
    assert "Delete forest~0?" in asked.output
    assert typed("delete", "forest~0", input="y\n").exit_code == 0
    assert len(nb.runs()) == 1
    silent = typed("delete", "forest~0", input="")
    assert silent.exit_code == 2
    assert "--yes" in silent.output


def test_gc_counts_first_and_takes_with_yes(kept, monkeypatch):
    monkeypatch.setattr(garbage, "SPARED_S", -60)
    nb.delete("forest~0")
    said = typed("gc", "--older-than", "0h")
    assert "would go" in said.output
    assert "nbmlops store gc --yes" in said.output
    assert read("gc", "--older-than", "0h")["runs"] == 1
    assert len(nb.runs()) == 1
    assert len(read("restore")) == 1
    done = read("gc", "--older-than", "0h", "--yes", "--vacuum")
    assert (done["runs"], done["artifacts"], done["dry_run"]) == (1, 1, False)
    assert read("restore") == []


def test_export_and_import(kept, tmp_path, monkeypatch):
    done = read("export", "out", "--query", "loss == 1")
    assert done["counts"]["runs"] == 1
    typed("export", "all")
    other = tmp_path / "other"
    other.mkdir()
    (other / "nbmlops.toml").write_text("")
    monkeypatch.chdir(other)
    session.reset()
    assert read("import", str(kept / "all"))["new"] is True
    assert "was imported before" in typed("import", str(kept / "all")).output
    assert len(nb.runs()) == 2


def test_backup_is_a_store(kept):
    (made,) = read("backup", "copy.sqlite")
    assert made["bytes"] == Path("copy.sqlite").stat().st_size
    with sqlite3.connect("copy.sqlite") as copy:
        assert copy.execute("SELECT count(*) FROM runs").fetchone()[0] >= 2


def test_reap_lists_and_writes(kept):
    with connect(session.project()) as connection:
        gone = json.dumps({"host": "elsewhere", "boot_id": "x", "pid": 1, "started": 1})
        connection.execute("UPDATE runs SET status = 'running', lease = 'gone', process = ? WHERE no = 1", (gone,))
        connection.execute("INSERT INTO leases (lease, process, renewed_at) VALUES ('gone', ?, 1)", (gone,))
    assert [r["cause"] for r in read("reap", "--dry-run")] == ["lease_lapsed"]
    assert len(read("reap")) == 1
    assert read("reap") == []
    assert "abandoned" in set(nb.runs().status)


def test_verify_ends_with_three_when_something_is_wrong(kept):
    assert all(c["right"] for c in read("verify"))
    with connect(session.project()) as connection:
        connection.execute("UPDATE events SET actor = 'eve' WHERE seq = 2")
    result = typed("verify")
    assert result.exit_code == 3
    assert "event 2 was changed" in result.output


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["delete", "forest", "--yes"], 2, "'forest' is an experiment"),
        (["delete", "forrest~0", "--yes"], 5, "Did you mean 'forest'"),
        (["delete", "late@9", "--yes"], 5, "No version or alias of late '9'"),
        (["delete", "late@1", "--yes"], 2, "late@champion points to version 1"),
        (["delete", "late", "--yes"], 2, "late@champion points to version 1"),
        (["delete"], 2, "REF"),
        (["restore", "nobody"], 5, "No deleted run or model 'nobody'"),
        (["gc", "--older-than", "soon"], 2, "12h, 30d, 8w"),
        (["gc", "--older-than", "-3d"], 2, "12h, 30d, 8w"),
        (["export", "."], 2, "nothing is overwritten"),
        (["export", "out", "--query", "los > 1"], 5, "loss"),
        (["import", "."], 5, "no manifest.json"),
        (["backup", "nbmlops.toml"], 2, "is there already"),
        (["nothing"], 2, "No such command"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(kept, words, code, message):
    result = typed(*words)
    assert result.exit_code == code, result.output
    assert message in result.output
    assert "Traceback" not in result.output
    assert len(nb.runs()) == 2


@pytest.mark.parametrize("name", ["delete", "restore", "gc", "export", "import", "backup", "reap", "verify"])
def test_help_has_an_example(name):
    assert f"Example: nbmlops store {name}" in typed(name, "--help").output


def test_a_shell_completes_what_can_be_deleted_and_brought_back(kept):
    assert set(commands.names()) == {"forest~0", "late", "late@1", "late@2"}
    done = commands.Names().shell_complete(None, None, "late@")
    assert [item.value for item in done] == ["late@2", "late@1"]
    nb.delete("late@2")
    assert commands.names(deleted=True) == ["late@2"]


def test_the_magic_completes_commands_and_names(kept, shell, monkeypatch):
    monkeypatch.setattr(complete, "LIMIT_S", 60)

    def offered(line):
        return set(shell.complete(line.split(" ")[-1], line, len(line))[1])

    assert {"doctor", "store", "runs"} <= offered("%nbmlops ")
    assert "store" in offered("%nbmlops sto")
    assert {"delete", "gc", "import"} <= offered("%nbmlops store ")
    assert {"forest~0", "late@1"} <= offered("%nbmlops store delete ")
    nb.delete("late@2")
    assert "late@2" in offered("%nbmlops store restore late@")


def test_python_command_and_magic_do_the_same(kept, shell):
    (first,) = nb.delete("late@2")
    nb.restore("late@2")
    assert read("delete", "late@2", "--yes") == [first]
    nb.restore("late@2")
    shell.run_line_magic("nbmlops", "store delete late@2 --yes")
    assert list(nb.models().version) == [1]
    shell.run_line_magic("nbmlops", "store restore late@2")
    assert list(nb.models().version) == [2, 1]
