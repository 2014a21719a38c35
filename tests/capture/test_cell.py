"""What a cell's source says before it runs."""

import warnings

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from nbmlops.capture.cell import CellSource, analyse, masked


@pytest.mark.parametrize(
    ("source", "reads", "writes"),
    [
        ("y = x", ("x",), ("y",)),
        ("x = 1\ny = x", (), ("x", "y")),
        ("x += 1", (), ("x",)),
        ("def f(a):\n    return a + b", ("b",), ("f",)),
        ("rows = [r for r in table]", ("table",), ("rows",)),
        ("import numpy as np\nz = np.zeros(3)", (), ("np", "z")),
        ("with open(p) as f:\n    text = f.read()", ("p",), ("f", "text")),
        ("(((", (), ()),
    ],
)
def test_names_read_and_written(source, reads, writes):
    cell = analyse(source)
    assert set(reads) <= set(cell.reads)
    assert set(cell.writes) == set(writes)


def test_literals_keep_their_types():
    cell = analyse("a = 1\nb = -2.5\nc = 'x'\nd = None\ne = [1, {'k': True}]\nf: int = 3\ng = a + 1\nh = i = 4")
    assert cell.literals == {"a": 1, "b": -2.5, "c": "x", "d": None, "e": [1, {"k": True}], "f": 3, "h": 4, "i": 4}


def test_packages_are_those_of_absolute_imports_wherever_they_stand():
    cell = analyse("import a.b, c as d\ndef f():\n    from e.f import g\nfrom . import h")
    assert cell.imports == {"a", "c", "e"}
    assert cell.modules == ("a", "d", "h")


def test_calls_are_known_by_their_last_part_with_every_keyword_they_got():
    source = "m = LogisticRegression(C=1)\nn = sk.LogisticRegression(0.5, max_iter=9, **more)\ndef f():\n    g(x=1)"
    assert analyse(source).calls == {"LogisticRegression": ("C", "max_iter"), "g": ("x",)}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("x += 1", ("x",)),
        ("df['late'] = df.delay > 15", ("df",)),
        ("model.alpha = 2", ("model",)),
        ("settings['a']['b'].c = 2", ("settings",)),
        ("del rows[0]", ("rows",)),
        ("a.b, (c[0], *d.e) = f()", ("a", "c", "d")),
        ("for row[0] in rows: pass", ("row",)),
        ("items.append(1)", ("items",)),
        ("stores['a'].items.append(1)", ("stores",)),
        ("model.fit(X).score(Y)", ("model",)),
        ("await queue.put(1)", ("queue",)),
        ("X = scaler.fit_transform(X)", ("scaler",)),
        ("last = stack.pop()", ("stack",)),
        ("kept = df.drop(columns='a', inplace=True)", ("df",)),
        ("if go:\n    df.sort_values('a', inplace=True)", ("df",)),
        ("setattr(model, 'alpha', 1)", ("model",)),
    ],
)
def test_a_change_in_place_is_seen(source, names):
    assert analyse(source).mutates == names


@pytest.mark.parametrize(
    "source",
    [
        "df.head()",
        "df.dropna().describe()",
        "df.sort_values('a')",
        "late = df.sort_values('a', inplace=False)",
        "print(items)",
        "items = []\nitems.append(1)",
        "def f():\n    items.append(1)",
        "[row.append(1) for row in rows]",
        "Out[3] = 1",
        "y = model.coef_[0]",
    ],
)
def test_a_look_is_no_change(source):
    assert analyse(source).mutates == ()


def test_a_deleted_name_had_to_exist_and_is_not_written():
    cell = analyse("tmp = 1\ndel tmp, old")
    assert (cell.reads, cell.writes, cell.deletes) == (("old",), (), ("tmp", "old"))


@pytest.mark.parametrize(
    "source",
    [
        "from numpy import *",
        "exec(text)",
        "globals()['x'] = 1",
        "globals().update(found)",
        "%run other.py",
        "%pylab inline",
        "%store -r",
        "get_ipython().run_cell(text)",
    ],
)
def test_a_cell_that_may_bind_anything_says_so(source):
    assert analyse(TransformerManager().transform_cell(source)).star


@pytest.mark.parametrize(
    "source", ["import numpy", "x = globals()['a']", "%store x", "%load_ext nbmlops", "d.update(e)"]
)
def test_a_cell_that_shows_what_it_binds_says_so(source):
    assert not analyse(TransformerManager().transform_cell(source)).star


@pytest.mark.parametrize(
    "source",
    [
        "%%time\nC = 2\nmodel.fit(X)",
        "%time C = 2; model.fit(X)",
        "%%capture\n%%time\n%matplotlib inline\nC = 2\nif X:\n    !ls\n    model.fit(X)",
    ],
)
def test_the_body_of_a_magic_that_runs_it_here_is_read(source):
    cell = analyse(TransformerManager().transform_cell(source))
    assert set(cell.reads) == {"model", "X"}
    assert (cell.writes, cell.mutates, cell.literals) == (("C",), ("model",), {"C": 2})


def test_capture_binds_its_name():
    cell = analyse(TransformerManager().transform_cell("%%capture --no-stderr shown\nx = 1"))
    assert cell.writes == ("shown", "x")
    assert cell.literals == {"x": 1}


@pytest.mark.parametrize("source", ["%%bash\nx=1", "%%timeit\nx = 1", "%%html\n<p>", "%%time\nnot python"])
def test_the_body_of_another_magic_binds_nothing(source):
    assert analyse(TransformerManager().transform_cell(source)).writes == ()


def test_a_cell_nested_too_deep_to_follow_may_bind_anything():
    assert analyse("x = " + "-" * 50_000 + "1") == CellSource(star=True)
    assert analyse("x = " + "a + " * 3_000 + "1") == CellSource(star=True)


def test_an_odd_escape_is_no_warning_of_ours():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert analyse("found = re.findall('\\d', text)").reads == ("re", "text")


@pytest.mark.parametrize(
    "source",
    [
        "password = 'hunter2'\nlogin('me', 'hunter2')",
        "%env API_KEY=hunter2",
        "%env API_KEY hunter2",
        "  %set_env HF_TOKEN hunter2",
        "!export DB_PASSWORD=hunter2 && make",
        "!login --token hunter2 --user me",
        "%%track late --tag secret=hunter2\nx = 1",
        "%%bash\nexport GH_TOKEN=hunter2",
        "%%track late\n%%writefile .env\nAWS_SECRET_ACCESS_KEY=hunter2",
        "connect('postgresql://me:hunter2@db/x')",
    ],
)
def test_a_secret_is_not_in_a_source_as_it_is_stored(source):
    kept = masked(source, analyse(source))
    assert "hunter2" not in kept
    assert "[secret]" in kept


@pytest.mark.parametrize(
    "source",
    [
        "f(token=tok, password=None)\nif token == key: pass\n",
        "%%time\nf(token=tok)",
        "!grep token notes.txt",
        "%env HOME=/home/me\n",
        "pwd = 'a'\nbanana = 1",
        "num_memory_tokens = 'abcdef'; 'abcdef'",
        "",
    ],
)
def test_what_is_no_secret_stays_as_it_was_typed(source):
    assert masked(source, analyse(source)) == source.replace("pwd = 'a'", "pwd = '[secret]'")
