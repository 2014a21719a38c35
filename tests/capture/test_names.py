"""Each name in its own scope, in the order the statements run."""

import pytest

from nbmlops.capture.cell import analyse


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("[r * k for r in table if r > low]", ("table", "low", "k")),
        ("{a: b for a, b in pairs for c in b if c}", ("pairs",)),
        ("[x for x in x]", ("x",)),
        ("sorted(rows, key=lambda r, *a, k=start, **w: r[k] + n)", ("rows", "start", "n")),
        ("def f(a, *b, c=d, **e) -> g:\n    h = a\n    return h + i", ("d", "g", "i")),
        ("def f():\n    def g():\n        nonlocal x\n        x = y\n    x = 1\n    return g", ("y",)),
        ("def f():\n    global n\n    n += 1", ("n",)),
        ("def f():\n    return later()\ndef later():\n    return f()", ()),
        ("@wrap(a)\ndef f(): pass", ("wrap", "a")),
        (
            "def f():\n    import np\n    with a as b, c() as d:\n        for e in np:\n            return b, d, e",
            ("a", "c"),
        ),
        ("class A(Base, meta=M):\n    size = 3\n    twice = size * n\n    def f(self):\n        return size", None),
        ("class A:\n    def clone(self):\n        return A()", ()),
        ("if (n := size(rows)) > 3: print(n)", ("size", "rows")),
        ("def f():\n    return [y := g(x) for x in xs], y", ("xs", "g")),
        ("for i, (a, *b) in rows:\n    print(i, a, b)", ("rows",)),
        ("with a() as b, c(b) as (d, e):\n    print(b, d, e)", ("a", "c")),
        ("try:\n    f()\nexcept E as e:\n    print(e)", ("f", "E")),
        ("import a.b as c, d.e\nfrom f import g as h\nc, d, h", ()),
        ("match p:\n    case Point(x=0, y=b) if b > low: b\n    case [1, *r]: r\n    case {'k': v, **m}: v, m", None),
        ("get_ipython(), display(df), In, Out, _, __, _3, _i3", ("df",)),
        ("len(rows), ValueError, __name__", ("rows",)),
        ("async def f():\n    async with a as b:\n        return [c async for c in b]", ("a",)),
        ("total = await f(x)", ("f", "x")),
        ("x: Kind = y\nz: Kind", ("Kind", "y")),
        ("x = x", ("x",)),
        ("y[i] = v", ("v", "y", "i")),
        ("f'{a!r:>{width}}'", ("a", "width")),
    ],
)
def test_a_name_is_read_only_from_outside(source, reads):
    expected = {"class A(": ("Base", "M", "n", "size"), "match p:": ("p", "Point", "low")}
    assert set(analyse(source).reads) == set(expected[source[:8]] if reads is None else reads)


@pytest.mark.parametrize(
    ("source", "writes"),
    [
        ("[y := f(x) for x in xs]", {"y"}),
        ("[x for x in xs]; (lambda z: z)(1)", set()),
        ("class A:\n    size = 3\n    def f(self):\n        own = 1", {"A"}),
        ("def f():\n    global n\n    n = own = 1", {"f", "n"}),
        ("for a, b in rows:\n    c = a", {"a", "b", "c"}),
        ("with f() as (a, [b]): c = 1", {"a", "b", "c"}),
        ("try:\n    a = 1\nexcept E as e:\n    b = e\nelse:\n    c = 1\nfinally:\n    d = 1", {"a", "b", "c", "d"}),
        ("import a.b, c as d\nfrom e import f, g as h\nfrom i import *", {"a", "d", "f", "h"}),
        ("match p:\n    case [x, *r] | {'x': x, **r}: q = 1\n    case Point(y=z) as whole: pass", {*"xrqz", "whole"}),
        ("x: int\ny: int = 1\nz.a: int = 2", {"y"}),
        ("a.b = c[d] = 1", set()),
        ("while (line := read()): n = line", {"line", "n"}),
    ],
)
def test_a_name_is_written_only_in_the_scope_of_the_cell(source, writes):
    assert set(analyse(source).writes) == writes


@pytest.mark.parametrize(
    ("source", "optional"),
    [
        ("if debug:\n    n = 10\nprint(n)", {"n", "print"}),
        ("if debug:\n    n = 10\nelse:\n    n = 20\nf(n)", set()),
        ("if debug:\n    n = 10\nelse:\n    raise Stop\nf(n)", set()),
        ("try:\n    import torch\nexcept ImportError:\n    torch = None\nf(torch)", {"ImportError"}),
        ("try:\n    import torch\nexcept E:\n    pass\nf(torch)", {"torch"}),
        ("try:\n    import torch\nexcept E:\n    raise\nf(torch)", set()),
        ("match p:\n    case 1: n = 1\n    case _: n = 2\nf(n)", set()),
        ("match p:\n    case 1: n = 1\nf(n)", {"n"}),
        ("for row in rows:\n    last = row\nf(last)", set()),
    ],
)
def test_a_name_bound_on_some_paths_is_read_if_it_was_there_before(source, optional):
    cell = analyse(source)
    assert set(cell.optional) == optional
    assert not set(cell.reads) & {"n", "torch", "last"}


def test_names_come_in_the_order_they_are_used():
    cell = analyse("b = a + z\nc = y + a\nb = 3")
    assert (cell.reads, cell.writes) == (("a", "z", "y"), ("b", "c"))
