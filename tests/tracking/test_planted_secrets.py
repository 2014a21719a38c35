"""Credentials are planted wherever a user could leave one; then every byte that was written is searched for them."""

import random
import string
import subprocess
import threading

import pytest

import nbmlops as nb
from nbmlops.capture import secrets

LETTERS, HEX = string.ascii_letters + string.digits, "0123456789abcdef"
WINDOW = 12  # characters of a secret that may nowhere be seen

# (what stands before, alphabet, length, what stands behind); put together when the test runs, so that nobody who
# scans this file finds a credential.
SHAPES = [
    ("AK" + "IA", string.ascii_uppercase, 16, ""),
    ("AS" + "IA", string.ascii_uppercase, 16, ""),
    ("FwoGZXIv" + "YXdzE", LETTERS, 80, ""),
    ("gh" + "p_", LETTERS, 36, ""),
    ("gh" + "s_", LETTERS, 36, ""),
    ("github" + "_pat_", LETTERS, 59, ""),
    ("gl" + "pat-", LETTERS, 20, ""),
    ("gl" + "ptt-", HEX, 40, ""),
    ("xo" + "xb-1234567890-", LETTERS, 24, ""),
    ("https://hooks.sl" + "ack.com/services/T01/B01/", LETTERS, 24, ""),
    ("sk" + "_live_", LETTERS, 24, ""),
    ("S" + "K", HEX, 32, ""),
    ("SG" + "." + "a" * 22 + ".", LETTERS, 43, ""),
    ("ke" + "y-", HEX, 32, ""),
    ("s" + "k-", LETTERS, 48, ""),
    ("s" + "k-proj-", LETTERS, 80, ""),
    ("s" + "k-ant-api03-1", LETTERS, 80, ""),
    ("h" + "f_", LETTERS, 34, ""),
    ("AI" + "za", LETTERS, 35, ""),
    ("ya" + "29.", LETTERS, 60, ""),
    ("GOC" + "SPX-", LETTERS, 28, ""),
    ("da" + "pi", HEX, 32, ""),
    ("np" + "m_", LETTERS, 36, ""),
    ("py" + "pi-AgEIcHlwaS5vcmc", LETTERS, 60, ""),
    ("dckr" + "_pat_", LETTERS, 27, ""),
    ("do" + "p_v1_", HEX, 64, ""),
    ("shp" + "at_", HEX, 32, ""),
    ("123456789" + ":AA", LETTERS, 33, ""),
    ("NR" + "AK-", string.ascii_uppercase, 27, ""),
    ("sntr" + "ys_", LETTERS, 60, ""),
    ("hv" + "s.", LETTERS, 30, ""),
    ("a" * 14 + ".atlas" + "v1.", LETTERS, 60, ""),
    ("li" + "n_api_", LETTERS, 40, ""),
    ("PM" + "AK-", HEX, 59, ""),
    ("ey" + "J" + "a" * 20 + ".ey" + "J", LETTERS, 60, ".signed"),
    ("-----BEGIN PRIVATE" + " KEY-----\n", LETTERS, 64, "\n-----END PRIVATE KEY-----"),
    ("postgresql://me:", LETTERS, 16, "@host/db"),
    ("https://host/x?api_key=", LETTERS, 20, "&page=2"),
    ("https://host/x?sv=2022&sig=", LETTERS, 44, ""),
    ("Authorization: Bearer ", LETTERS, 32, ""),
    ("Server=x;Password=", LETTERS, 16, ";Database=y"),
    ("AccountName=x;AccountKey=", LETTERS, 86, "=="),
    ("tool --password ", LETTERS, 16, " --verbose"),
    ("machine host login me password ", LETTERS, 16, ""),
]
# Those that only their name gives away.
NAMES = ["password", "aws_secret_access_key", "TWILIO_AUTH_TOKEN", "DD_API_KEY", "WANDB_API_KEY", "clientSecret"]


def some(chance, alphabet, length):
    return "".join(chance.choices(alphabet, k=length))


def wait_for_the_commit():
    """Wait for what is found out beside the cell: commit, changes, packages."""
    for thread in threading.enumerate():
        if thread.name == "nbmlops-about-machine":
            thread.join()


@pytest.fixture
def planted():
    """Texts that hold a credential, and the secret part of each."""
    chance = random.Random(7)
    bodies = [some(chance, alphabet, length - 1) + "7" for _, alphabet, length, _ in SHAPES]
    return {f"{before}{body}{after}": body for (before, _, _, after), body in zip(SHAPES, bodies, strict=True)}


@pytest.fixture
def named():
    """Values of names, in which nothing but the name is secret."""
    chance = random.Random(8)
    return {name: some(chance, LETTERS, 40) for name in NAMES}


@pytest.fixture
def leaks(project):
    """Return which secrets stand in a file of the project's folder, after all was brought into the database."""

    def search(bodies):
        wait_for_the_commit()
        assert len(nb.runs(children=True)) > 0
        found = set()
        for path in (p for p in (project / ".nbmlops").rglob("*") if p.is_file()):
            text = path.read_bytes() + path.name.encode()
            for body in bodies:
                parts = [body[i : i + WINDOW].encode() for i in range(0, len(body) - WINDOW + 1, 2)]
                found |= {(body, path.suffix or path.name) for part in parts if part in text}
        return found

    return search


@pytest.fixture
def run(shell, planted):
    """Run a cell; it finds the texts as ``planted``, and what it shows stays off the screen."""

    def cell(source):
        shell.user_ns["planted"] = list(planted)
        return shell.run_cell(source)

    return cell


def test_there_are_more_than_thirty_of_them(planted):
    assert len(planted) > 30


def test_the_search_finds_what_is_not_masked(run, planted, leaks, monkeypatch):
    monkeypatch.setattr(secrets, "redact", lambda text: text)
    run("%%track planted\nnote = " + repr(next(iter(planted))))
    assert leaks(planted.values())


IN_SOURCE = {
    "a comment": lambda text: "# " + text.replace("\n", "\n# "),
    "an assigned literal": lambda text: f"note = {text!r}",
    "a literal of many lines": lambda text: f'note = """\n{text}\n"""',
    "a list": lambda text: f"notes = [1, {text!r}]",
    "a dict": lambda text: f"notes = {{'a': {{'b': {text!r}}}}}",
    "an argument": lambda text: f"print({text!r}, sep='')",
    "an f-string": lambda text: f"note = f{text!r}",
    "a function": lambda text: f"def f(x={text!r}):\n    return {text!r}",
}


@pytest.mark.parametrize("written", IN_SOURCE.values(), ids=IN_SOURCE)
def test_nothing_planted_in_the_source_of_a_cell_reaches_the_disk(run, planted, leaks, written):
    run("%%track planted\n" + "\n".join(written(text) for text in planted))
    assert leaks(planted.values()) == set()


IN_NAMES = {
    "a literal": "{name} = {value!r}",
    "an annotated literal": "{name}: str = {value!r}",
    "a keyword": "d = dict({name}={value!r})",
    "a dict": "d = {{'x': {{{name!r}: {value!r}}}}}",
    "the environment": "import os; os.environ[{name!r}] = {value!r}",
    "a fallback": "import os; {name} = os.environ.get('NOWHERE', {value!r})",
    "another fallback": "import os; {name} = os.environ.get('NOWHERE') or {value!r}",
    "a magic": "%env {name}={value}",
    "YAML": "text = '''\n{name}: {value}\n'''",
    "an environment file": "text = '''\n{name}={value}\n'''",
    "JSON": 'text = \'{{"{name}": "{value}"}}\'',
    "a header": "text = 'x\\n{name}: {value}'",
}


@pytest.mark.parametrize("written", IN_NAMES.values(), ids=IN_NAMES)
def test_nothing_under_a_secret_name_in_the_source_reaches_the_disk(run, named, leaks, written, monkeypatch):
    for name in named:
        monkeypatch.setenv(name, "")  # so that what the cell sets is gone afterwards
    run("%%track planted\n" + "\n".join(written.format(name=name, value=value) for name, value in named.items()))
    assert leaks(named.values()) == set()


SHOW = "from IPython.display import HTML, Markdown, display\n"
ERROR = """
try:
    raise KeyError(chr(10).join(planted[:20]))
except KeyError as error:
    raise ValueError(chr(10).join(planted[20:])) from error
"""
FILES = """
import pandas as pd
for text in planted:
    if "/" not in text: pd.DataFrame({"a": [1]}).to_csv(text)
"""
IN_CALLS = {
    "params": "with nb.run('inner', params={str(i): t for i, t in enumerate(planted)}): pass",
    "nested params": "with nb.run('inner', params={'all': {'deep': [planted, {'x': tuple(planted)}]}}): pass",
    "a set": "with nb.run('inner', params={'all': set(planted)}): pass",
    "a long param": "with nb.run('inner', params={'all': planted * 20}): pass",
    "an URL": "with nb.run('inner', params={'all': [f'https://me:{t.split()[0]}@host' for t in planted]}): pass",
    "tags": "with nb.run('inner', tags={str(i): t for i, t in enumerate(planted)}): pass",
    "arguments": "@nb.track\ndef f(text): pass\nfor t in planted: f(t)",
    "printed text": "for t in planted: print(t)",
    "printed in pieces": "import sys\nfor t in planted:\n    for c in t + chr(10): sys.stdout.write(c)",
    "printed errors": "import sys\nfor t in planted: print(t, file=sys.stderr)",
    "a warning": "import sys, warnings\n"
    "for t in planted: sys.stderr.write(warnings.formatwarning(t, UserWarning, 'a.py', 1, t))",
    "displayed values": f"{SHOW}for t in planted: display(t, [t], {{'x': t}})",
    "displayed HTML": f"{SHOW}for t in planted: display(HTML(f'<b>{{t}}</b>'), Markdown(t))",
    "a displayed table": f"{SHOW}import pandas as pd\nfor t in planted: display(pd.DataFrame({{'x': [t]}}))",
    "the last value": "planted",
    "an error": "raise ValueError(planted)",
    "an error's cause": ERROR,
    "an error of a run": "with nb.run('inner'):\n    raise ValueError(chr(10).join(planted))",
    "a file's name": FILES,
    "an estimator's keyword": "from sklearn.preprocessing import FunctionTransformer as F\n"
    "F(kw_args={'x': planted}).fit([[1]])",
}


@pytest.mark.parametrize("source", IN_CALLS.values(), ids=IN_CALLS)
def test_nothing_a_cell_handles_reaches_the_disk(run, planted, leaks, source):
    run(f"%%track planted --no-model\nimport nbmlops as nb\n{source}")
    assert leaks(planted.values()) == set()


AS_NAMES = {
    "a metric's context": "for t in {texts}: nb.log(loss=1.0, context={{'split': t}})",
    "a metric's name": "for t in {texts}: nb.log({{t: 1.0}})",
    "a param's name": "with nb.run('inner', params=dict.fromkeys({texts}, 1)): pass",
    "a tag's name": "with nb.run('inner', tags=dict.fromkeys({texts}, 1)): pass",
    "an artifact's name": "for t in {texts}: nb.log_artifact(t, b'x')",
    "an experiment": "for t in {texts}:\n    with nb.run(t): pass",
}


@pytest.mark.parametrize("source", AS_NAMES.values(), ids=AS_NAMES)
def test_nothing_that_is_used_as_a_name_reaches_the_disk(run, planted, leaks, source):
    run("%%track planted\nimport nbmlops as nb\n" + source.format(texts="planted"))
    assert leaks(planted.values()) == set()


UNDER_NAMES = {
    "params": "with nb.run('inner', params=named): pass",
    "nested params": "with nb.run('inner', params={'x': {'y': [named]}}): pass",
    "a record": "from types import SimpleNamespace as N\nwith nb.run('inner', params={'x': N(**named)}): pass",
    "tags": "with nb.run('inner', tags=named): pass",
    "a printed dict": "print(named)",
    "a printed JSON": "import json; print(json.dumps(named, indent=1), json.dumps(json.dumps(named)))",
    "printed lines": "for n, v in named.items(): print(f'{n}={v}')",
    "a displayed dict": "from IPython.display import display; display(named)",
    "an error": "raise ValueError(named)",
    "a log line": "import sys\nfor n, v in named.items(): print(f'12:00 INFO {n}: {v} used', file=sys.stderr)",
}


@pytest.mark.parametrize("source", UNDER_NAMES.values(), ids=UNDER_NAMES)
def test_nothing_a_cell_handles_under_a_secret_name_reaches_the_disk(shell, named, leaks, source):
    shell.user_ns["named"] = named
    shell.run_cell(f"%%track planted\nimport nbmlops as nb\n{source}")
    assert leaks(named.values()) == set()


@pytest.mark.parametrize("flag", ["--tag note={}", "--metric {}", "--name {}"])
def test_nothing_behind_the_magic_reaches_the_disk(run, planted, leaks, flag):
    words = {text: body for text, body in planted.items() if len(text.split()) == 1}
    for text in words:
        run(f"%%track planted {flag.format(text)}\nx = 1")
    assert leaks(words.values()) == set()


def test_a_tag_with_a_secret_name_reaches_no_disk(run, leaks):
    run("%%track planted --tag password=correct-horse-battery\nx = 1")
    assert leaks(["correct-horse-battery"]) == set()


KNOWN = "correct-horse-battery-staple"
EVERYWHERE = """
from IPython.display import display
import sys
print(value, [value], f"<{value}>")
print(value, file=sys.stderr)
display(value, {"x": value})
with nb.run("inner", params={"a": value, "b": {"c": [value]}}, tags={"d": value}):
    nb.log(loss=1.0)
raise ValueError(value)
"""
IN_WAYS = [pytest.param(source.format(texts="[value]"), id=name) for name, source in AS_NAMES.items()]
IN_WAYS = [pytest.param(EVERYWHERE, id="everywhere"), *IN_WAYS]


@pytest.mark.parametrize("source", IN_WAYS)
def test_the_value_of_a_secret_variable_reaches_no_disk(shell, leaks, monkeypatch, source):
    monkeypatch.setenv("MY_API_KEY", KNOWN)
    shell.run_cell(f"%%track planted\nimport os\nimport nbmlops as nb\nvalue = os.environ['MY_API_KEY']\n{source}")
    assert leaks([KNOWN]) == set()


@pytest.mark.parametrize("source", IN_WAYS)
def test_the_value_of_a_secret_reaches_no_disk(shell, leaks, monkeypatch, source):
    monkeypatch.setattr(secrets, "_remembered", {})
    monkeypatch.setenv("MY_ENTRY", KNOWN)
    shell.run_cell(f"%%track planted\nimport nbmlops as nb\nvalue = nb.Secret('MY_ENTRY')\n{source}")
    assert leaks([KNOWN]) == set()


def test_a_secret_is_stored_as_its_name(shell, monkeypatch):
    monkeypatch.setattr(secrets, "_remembered", {})
    monkeypatch.setenv("MY_ENTRY", KNOWN)
    shell.run_cell("import nbmlops as nb\nkey = nb.Secret('MY_ENTRY')")
    shell.run_cell(
        "%%track planted\nwith nb.run('inner', params={'key': key, 'db': {'password': key}}): pass\nprint(key)"
    )
    reference = "Secret('MY_ENTRY')"
    assert nb.get_run("inner").params == {"key": reference, "db": {"password": reference}}
    assert nb.get_run("planted").params["key"] == reference


def test_nothing_in_a_changed_file_of_a_repository_reaches_the_disk(run, project, planted, named, leaks):
    def git(*words):
        about = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *about, *words], cwd=project, check=True, capture_output=True)

    def write(*more):
        lines = [f"{name} = {value!r}" for name, value in named.items()]
        (project / "settings.py").write_text("\n".join([*planted, *lines, *more]))
        lines = [f"{name}={value}" for name, value in named.items()]
        (project / ".env").write_text("\n".join([*lines, *more]))
        lines = [f"  {name}: {value}" for name, value in named.items()]
        (project / "settings.yaml").write_text("\n".join(["all:", *lines, *more]))

    files = ("settings.py", ".env", "settings.yaml")
    git("init", "-q")
    for name in files:
        (project / name).write_text("x = 1\n")
        git("add", name)
    git("commit", "-q", "-m", "first")

    def clear():
        for name in files:
            (project / name).write_text("")

    # Lines that came, lines around what changed, lines that went.
    for change in (write, lambda: write("a", "b", "c"), clear):
        change()
        run("%%track planted\nx = 1")
        wait_for_the_commit()
        git("commit", "-q", "-a", "-m", "more")
    assert leaks([*planted.values(), *named.values()]) == set()
    diffs = [nb.get_run(f"planted~{back}").artifact("git.diff").decode() for back in range(3)]
    assert all(diff.count(secrets.MASK) > len(planted) / 2 for diff in (diffs[0], diffs[2]))
    assert all(name in diff for diff in diffs for name in ("settings.py", ".env", "settings.yaml"))
