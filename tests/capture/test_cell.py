"""What a cell's source says before it runs."""

import warnings

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from nbmlops.capture.cell import CellSource, analyse


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


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("for step, part in stages:\n    log(part, step)", ("stages", "log")),
        ("with open(path) as file:\n    file.read()", ("path",)),
        ("try:\n    x = load()\nexcept OSError as error:\n    print(error, x)", ("load",)),
        ("if ready:\n    y = 1\nz = y", ("ready",)),
        ("y = y + 1", ("y",)),
        ("y += 1", ("y",)),
        ("while (n := n - 1):\n    total = n", ("n",)),
        ("[part for part in parts if part]", ("parts",)),
    ],
)
def test_what_a_compound_statement_binds_is_no_read_of_its_body(source, reads):
    assert analyse(source).reads == reads


def test_what_is_changed_in_place_and_called_is_known():
    cell = analyse("x[0] = 1\ny.z = 2\nitems.append(3)\nModel(a=1, b=2).fit(X)\nfrom numpy import *")
    assert cell.mutates == ("x", "y", "items")
    assert cell.calls["Model"] == ("a", "b")
    assert cell.opaque


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
    assert analyse(TransformerManager().transform_cell(source)).opaque


@pytest.mark.parametrize(
    "source", ["import numpy", "x = globals()['a']", "%store x", "%load_ext nbmlops", "d.update(e)"]
)
def test_a_cell_that_shows_what_it_binds_says_so(source):
    assert not analyse(TransformerManager().transform_cell(source)).opaque


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
    assert analyse("x = " + "-" * 50_000 + "1") == CellSource(opaque=True)
    assert analyse("x = " + "a + " * 3_000 + "1") == CellSource(opaque=True)


def test_an_odd_escape_is_no_warning_of_ours():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert analyse("found = re.findall('\\d', text)").reads == ("re", "text")
