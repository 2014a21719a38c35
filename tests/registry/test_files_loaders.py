"""Nothing but the one choke-point builds a model from bytes: every call that could is found in the source."""

import ast
from pathlib import Path

import pytest

import nbmlops

ROOT = Path(nbmlops.__file__).parent
MODULES = (
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "skops",
    "torch",
    "shelve",
    "marshal",
    "onnx",
)
READS = {
    "load",
    "loads",
    "Unpickler",
    "load_model",
    "loadb",
    "read_pickle",
    "load_npz",
    "load_raw",
    "booster_from_string",
}
READS |= {"unpickle", "LoadFromString", "model_from_string"}
# Where they may be, and why.
ALLOWED = {
    ("registry/files.py", "skops.io.loads"): "the choke-point",
    ("registry/files.py", "pickle.loads"): "the choke-point, behind allow_pickle",
}


def imported(tree):
    """Return name to what it was imported as, wherever in a module."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            tops = [a.name.partition(".")[0] for a in node.names]
            found |= {a.asname or top: a.name if a.asname else top for a, top in zip(node.names, tops, strict=True)}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def spelled(node, names):
    """Return a dotted name as it would be imported, or nothing."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = spelled(node.value, names)
        return f"{before}.{node.attr}" if before else node.attr
    return ""


def readers(tree):
    """Yield (line, name) of all that builds an object from bytes; also where it is named and not called."""
    names = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Name)) and reads(spelled(node, names), node):
            yield node.lineno, spelled(node, names)
        elif isinstance(node, ast.Call) and (said := called(spelled(node.func, names), node)):
            yield node.lineno, said
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and constant(node.value) is True:
            yield node.value.lineno, "allow_pickle=True"


def reads(name, node):
    last = name.rpartition(".")[2]
    named_so = isinstance(node, ast.Attribute) and last in READS - {"load", "loads", "load_model"}
    return named_so or (last in READS and name.partition(".")[0] in MODULES)


def called(name, node):
    if name == "numpy.load" and not any(k.arg == "allow_pickle" and constant(k.value) is False for k in node.keywords):
        return "numpy.load without allow_pickle=False"
    if name in ("__import__", "importlib.import_module"):
        given = [str(constant(a)) for a in node.args]
        return next((f"imports {g} by name" for g in given if g.partition(".")[0] in MODULES), "")
    return ""


def constant(node):
    return node.value if isinstance(node, ast.Constant) else None


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_model_is_built_at_the_choke_point_only(path):
    here = path.relative_to(ROOT).as_posix()
    if "templates" in here:
        return
    found = list(readers(ast.parse(path.read_text(encoding="utf-8"))))
    wrong = [f"{here}:{line}: {name}" for line, name in found if (here, name) not in ALLOWED]
    assert not wrong


def test_what_is_allowed_is_still_there():
    found = {("registry/files.py", name) for _, name in readers(ast.parse((ROOT / "registry/files.py").read_text()))}
    assert found >= set(ALLOWED)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.load(f)",
        "import pickle as p\np.loads(b)",
        "from pickle import loads\nloads(b)",
        "from joblib import load as get\nget(p)",
        "import skops.io\nskops.io.load(p)",
        "from skops import io as s\nread = s.loads",
        "import numpy as np\nnp.load(p)",
        "import numpy as np\nnp.load(p, allow_pickle=True)",
        "import numpy as np\nnp.load(p, **options)",
        "booster.load_raw(b)",
        "lgb.Booster().model_from_string(s)",
        "import pandas as pd\npd.read_pickle(p)",
        "import importlib\nimportlib.import_module('pickle')",
        "import pickle\nclass U(pickle.Unpickler): ...",
        "def f():\n    import torch\n    return torch.load(p)",
        "nb.load_model(ref, allow_pickle=True)",
    ],
)
def test_the_search_sees_them(source):
    assert list(readers(ast.parse(source)))


def test_the_search_leaves_the_rest_alone():
    source = (
        "import json, numpy as np\njson.loads(t)\nnp.load(p, allow_pickle=False)\nmodels.load_model(r)\nyaml.load(t)"
    )
    assert not list(readers(ast.parse(source)))
