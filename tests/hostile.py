"""Crafted files of models: what somebody could put where a model is expected. Made by code, none is kept as a file."""

import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
from sklearn.cluster import BisectingKMeans, FeatureAgglomeration, KMeans
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import SplineTransformer
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from nbmlops.registry import files

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


class Marks:
    """What runs a command when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def written(model, *fitted_on):
    """Return the bytes of a fitted model as skops writes them."""
    import skops.io

    return skops.io.dumps(model.fit(*(fitted_on or (X, Y))))


def changed(data, schema=None, members=None, add=(), compression=zipfile.ZIP_STORED):
    """Return a file with its schema and members passed through functions."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", compression) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "schema.json" and schema:
                state = json.loads(content)
                content = json.dumps(schema(state) or state).encode()
            elif name != "schema.json" and members:
                content = members(name, content)
            new.writestr(name, content)
        for name, content in add:
            new.writestr(name, content)
    return out.getvalue()


def nodes(state, loader=None):
    """Yield every node of a schema."""
    if isinstance(state, dict):
        if isinstance(state.get("__loader__"), str) and loader in (None, state["__loader__"]):
            yield state
        for value in state.values():
            yield from nodes(value, loader)
    elif isinstance(state, list):
        for value in state:
            yield from nodes(value, loader)


def npy(array):
    """Return an array as numpy writes it."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def edited(model, name, change, *fitted_on):
    """Return a model's file in which an attribute's array or number was changed."""

    def schema(state):
        for node in nodes(state, "DictNode"):
            if name in node["content"]:
                found.append(node["content"][name])

    found, data = [], written(model, *fitted_on)
    changed(data, schema)
    assert found, name
    if found[0]["__loader__"] == "JsonNode":

        def number(state):
            for node in nodes(state, "DictNode"):
                if name in node["content"]:
                    node["content"][name]["content"] = json.dumps(change(json.loads(node["content"][name]["content"])))

        return changed(data, number)
    files_ = {f["file"] for f in found if "file" in f}
    assert files_, name
    return changed(data, members=lambda n, c: npy(change(np.load(io.BytesIO(c)))) if n in files_ else c)


def field(name, value):
    """Return a change of one field of every record."""

    def change(array):
        array = array.copy()
        array[name] = value
        return array

    return change


def inner(name, value, leaf):
    """Return a change of one field of the records that are no leaves."""

    def change(array):
        array = array.copy()
        array[name][~leaf(array)] = value
        return array

    return change


def tree_leaf(array):
    return array["left_child"] == -1


def hist_leaf(array):
    return array["is_leaf"] != 0


def replace_root(**node):
    """Return a change that puts another object where a parameter is."""

    def schema(state):
        state["content"]["content"]["extra"] = {"__id__": 1, **node}
        names = state["content"]["key_types"]["content"]
        names.append({**names[0]})

    return schema


TEXT = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "is_json": True}


def text(value, number):
    """Return the node of a plain value."""
    return {**TEXT, "content": json.dumps(value), "__id__": number}


def group(*items, number=2):
    """Return the node of a tuple."""
    kind = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode"}
    return {**kind, "content": list(items), "__id__": number}


def hidden_calls(marker):
    """Return name to a node that would call something."""
    command = f"touch {marker}"
    call = group(text(command, 3))
    function = {"__class__": "system", "__module__": "posix", "__loader__": "FunctionNode", "__id__": 5}
    ufunc = {"__class__": "Tree", "__module__": "sklearn.tree._tree", "__loader__": "ObjectNode", "__id__": 6}
    none = text(None, 8)
    return {
        "a function": function,
        "a constructor": {
            "__class__": "system",
            "__module__": "os",
            "__loader__": "ConstructorFromReduceNode",
            "content": call,
        },
        "a constructor of a trusted type": {
            "__class__": "KDTree",
            "__module__": "sklearn.neighbors._kd_tree",
            "__loader__": "ConstructorFromReduceNode",
            "content": call,
        },
        "a loss that is none": {
            "__class__": "system",
            "__module__": "os",
            "__loader__": "LossNode",
            "__reduce__": {"args": call},
            "content": group(number=4),
        },
        "a loss of a trusted function": {
            "__class__": "mean",
            "__module__": "numpy",
            "__loader__": "LossNode",
            "__reduce__": {"args": call},
            "content": group(number=4),
        },
        "a method": {
            "__class__": "LogisticRegression",
            "__module__": "sklearn.linear_model._logistic",
            "__loader__": "MethodNode",
            "content": {
                "func": "fit",
                "obj": {
                    "__class__": "LogisticRegression",
                    "__module__": "sklearn.linear_model._logistic",
                    "__loader__": "ObjectNode",
                    "__id__": 9,
                },
            },
        },
        "a partial": {
            "__class__": "partial",
            "__module__": "functools",
            "__loader__": "PartialNode",
            "content": {"func": function, "args": call, "kwds": none, "namespace": none},
        },
        "an operator": {
            "__class__": "methodcaller",
            "__module__": "operator",
            "__loader__": "OperatorFuncNode",
            "attrs": group(text("system", 3), text(command, 4)),
        },
        "a call by an operator": {
            "__class__": "call",
            "__module__": "operator",
            "__loader__": "OperatorFuncNode",
            "attrs": group(function, text(command, 4)),
        },
        "an evaluation": {"__class__": "eval", "__module__": "builtins", "__loader__": "TypeNode"},
        "a trusted type in another part": ufunc,
        "an object of the notebook": {"__class__": "Model", "__module__": "__main__", "__loader__": "ObjectNode"},
        "a module of the folder": {"__class__": "x", "__module__": "setup", "__loader__": "ObjectNode"},
        "a distance that calls": {
            "__class__": "PyFuncDistance64",
            "__module__": "sklearn.metrics._dist_metrics",
            "__loader__": "ObjectNode",
        },
        "a loader nobody knows": {"__class__": "x", "__module__": "y", "__loader__": "EvilNode"},
        "a node seen before": {"__class__": "x", "__module__": "y", "__loader__": "CachedNode"},
        "a seed that is called": {
            "__class__": "Generator",
            "__module__": "numpy.random._generator",
            "__loader__": "RandomGeneratorNode",
            "content": {"bit_generator": "seed", "seed_seq": {}},
        },
    }


def with_hidden_calls(marker):
    """Yield (name, file) of every hidden call."""
    data = written(LogisticRegression())
    for name, node in hidden_calls(marker).items():
        yield name, changed(data, replace_root(**node))


def pickles(marker):
    """Yield (name, file) of programs that leave a marker."""
    import gzip
    import zlib

    program = pickle.dumps(Marks(marker))
    yield "a pickle", program
    yield "an old pickle", pickle.dumps(Marks(marker), protocol=0)
    yield "a packed pickle", zlib.compress(program)
    yield "a gzipped pickle", gzip.compress(program)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("archive/data.pkl", program)
    yield "a zip with a pickle", out.getvalue()
    data = written(LogisticRegression())
    yield "a skops file with a pickle for an array", changed(data, members=lambda n, c: program)
    objects = io.BytesIO()
    np.save(objects, np.array([Marks(marker)], dtype=object), allow_pickle=True)
    yield "an array of objects", changed(written(LogisticRegression()), members=lambda n, c: objects.getvalue())


def bombs():
    """Yield (name, file) of what is small and becomes large."""
    data = written(LogisticRegression())
    header = npy(np.zeros(1)).replace(b"(1,), }", b"(99999999999999,), }")
    yield "an array that declares more than it has", changed(data, members=lambda n, c: header)
    zeros = npy(np.zeros(10_000_000))
    yield "an array of packed nothing", changed(data, members=lambda n, c: zeros, compression=zipfile.ZIP_DEFLATED)
    deep = ("[" * 100_000 + "]" * 100_000).encode()
    yield "a schema deeper than any model", _with_schema(data, deep)
    hidden = json.dumps({"a": '\\"]]]]' * 10})[:-1].encode() + b', "b": ' + deep + b"}"
    yield "a deep schema behind brackets in a text", _with_schema(data, hidden)
    yield "a deep plain value", changed(data, replace_root(**{**TEXT, "content": deep.decode()}))
    yield "a seed larger than memory", _big_seed()
    yield "a tree for more outputs than it has", _outputs(written(DecisionTreeClassifier()), 2**31 - 1)
    yield "a sparse matrix of packed nothing", _sparse_bomb()
    yield "too many names", changed(data, add=[("schema.json", b"{}")])


def _with_schema(data, content):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name == "schema.json" else old.read(name))
    return out.getvalue()


def _big_seed():
    def schema(state):
        for node in nodes(state, "RandomGeneratorNode"):
            node["content"]["seed_seq"]["content"]["pool_size"]["content"] = "4000000000"

    return changed(written(HistGradientBoostingClassifier(max_iter=2)), schema)


def _outputs(data, count):
    def schema(state):
        for node in nodes(state, "TreeNode"):
            node["__reduce__"]["args"]["content"][2]["content"] = json.dumps(count)

    return changed(data, schema)


def aliased_outputs():
    """Return a tree whose arguments are another object under the same number, seen first."""

    def schema(state):
        tree = next(nodes(state, "TreeNode"))
        args = tree["__reduce__"]["args"]
        classes = args["content"][1]
        evil = group(text(4, 31), classes, text(2**31 - 1, 33), number=args["__id__"])
        state["content"]["content"] = {"extra": evil, **state["content"]["content"]}
        names = state["content"]["key_types"]["content"]
        names.insert(0, {**names[0]})

    return changed(written(DecisionTreeClassifier()), schema)


def swapped_outputs():
    """Return a tree whose number of outputs is an array that also spells a plain value."""

    def schema(state):
        outputs = next(nodes(state, "TreeNode"))["__reduce__"]["args"]["content"][2]
        array = {"__class__": "int64", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy"}
        outputs.update(array, file="7.npy")

    return changed(written(DecisionTreeClassifier()), schema, add=[("7.npy", npy(np.int64(2**31 - 1)))])


def called_keys():
    """Return a file whose keys are made by a function."""

    def schema(state):
        first = state["content"]["key_types"]["content"][0]
        first.update(__loader__="FunctionNode", __module__="numpy", __class__="mean")

    return changed(written(LogisticRegression()), schema)


def _sparse_bomb():
    import scipy.sparse as sp

    data = written(KNeighborsClassifier(algorithm="brute"), sp.csr_matrix(X), Y)

    def members(name, content):
        if not name.endswith(".npz"):
            return content
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
            for part in old.namelist():
                new.writestr(part, npy(np.zeros(10_000_000)) if part == "data.npy" else old.read(part))
        return out.getvalue()

    return changed(data, members=members)


def paths():
    """Yield (name, file) with names that would leave a folder."""
    data = written(LogisticRegression())
    names = ("../../evil.npy", "/etc/evil", "a/b.npy", "..\\evil.npy", "C:evil.npy", "evil.py", "1.npy/", "1.npy\n")
    for name in names:
        yield repr(name), changed(data, add=[(name, b"x")])

    def schema(state):
        next(n for n in nodes(state, "NdArrayNode") if n.get("file"))["file"] = "../../etc/passwd"

    yield "an array read from elsewhere", changed(data, schema)


def broken():
    """Yield (name, file) that was cut or flipped."""
    data = written(RandomForestClassifier(5, random_state=0))
    for share in (0.0, 0.1, 0.5, 0.9, 0.999):
        yield f"cut at {share}", data[: int(len(data) * share)]
    yield "no archive", b"MZ not a model"
    yield "no schema", _without_schema(data)
    yield "a schema that is a list", _with_schema(data, b"[]")
    yield "a schema that is no JSON", _with_schema(data, b"{")
    yield "a schema of nothing", _with_schema(data, b'{"protocol": 2}')
    yield "an older protocol", changed(data, lambda s: s.update(protocol=0))
    yield "a newer protocol", changed(data, lambda s: s.update(protocol=99))
    yield "a protocol that is true", changed(data, lambda s: s.update(protocol=True))
    yield "an encrypted member", _encrypted(data)


def _encrypted(data):
    at = data.rindex(b"PK\x01\x02")
    flags = struct.unpack_from("<H", data, at + 8)[0] | 1
    return data[: at + 8] + struct.pack("<H", flags) + data[at + 10 :]


def _without_schema(data):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist()[:3]:
            if name != "schema.json":
                new.writestr(name, old.read(name))
    return out.getvalue()


def arrays():
    """Yield (name, file) whose types are all trusted and whose arrays lead out of memory."""
    far = 10**8
    leaf = tree_leaf
    tree = DecisionTreeClassifier(random_state=0)
    forest = RandomForestClassifier(3, random_state=0)
    boosting = GradientBoostingClassifier(n_estimators=3)
    hist = HistGradientBoostingClassifier(max_iter=2)
    yield "a child far away", edited(tree, "nodes", inner("left_child", far, leaf))
    yield "a child before the first", edited(tree, "nodes", inner("right_child", -(10**6), leaf))
    yield "a child that is its parent", edited(tree, "nodes", inner("left_child", 0, leaf))
    yield "a feature far away", edited(tree, "nodes", inner("feature", far, leaf))
    yield "a feature before the first", edited(tree, "nodes", inner("feature", -far, leaf))
    yield "fewer nodes than there are", edited(tree, "node_count", lambda n: 3)
    yield "no depth", edited(tree, "max_depth", lambda n: 0 if n is not None else None)
    yield "a forest's child far away", edited(forest, "nodes", inner("left_child", far, leaf))
    yield "a forest for fewer columns", edited(forest, "n_features_in_", lambda n: 1)
    yield "a tree for more columns", wide_tree()
    yield "boosting's child far away", edited(boosting, "nodes", inner("left_child", far, leaf))
    yield "a stage for no class", extra_stage()
    yield (
        "an isolation's child far away",
        edited(IsolationForest(n_estimators=3), "nodes", inner("left_child", far, leaf)),
    )
    yield "a boosted child far away", edited(hist, "nodes", inner("left", far, hist_leaf))
    yield "a boosted feature far away", edited(hist, "nodes", inner("feature_idx", far, hist_leaf))
    yield "a boosted category that is none", edited(hist, "nodes", inner("is_categorical", 1, hist_leaf))
    near = KNeighborsClassifier(algorithm="kd_tree", leaf_size=5)
    yield "a neighbour far away", neighbours(near, 1, lambda a: a + far)
    yield "nodes that end far away", neighbours(near, 2, field("idx_end", far))
    yield "nodes without leaves", neighbours(near, 2, field("is_leaf", 0))
    ball = KNeighborsClassifier(algorithm="ball_tree", leaf_size=5)
    yield "a ball's neighbour far away", neighbours(ball, 1, lambda a: a + far)
    yield "bounds of fewer nodes", neighbours(ball, 3, lambda a: a[:, :1])
    brute = KNeighborsClassifier(algorithm="brute")
    yield "an answer of no class", edited(brute, "_y", lambda a: a + far)
    yield "neighbours of fewer columns", edited(brute, "_fit_X", lambda a: a[:, :1].copy())
    yield "more support vectors than there are", edited(SVC(), "_n_support", lambda a: a * 10**6)
    yield "fewer weights than support vectors", edited(SVC(), "_dual_coef_", lambda a: a[:, :1].copy())
    yield "centres of fewer columns", edited(KMeans(3, n_init=1), "cluster_centers_", lambda a: a[:, :1].copy())
    yield "bisected centres of fewer columns", edited(BisectingKMeans(3), "center", lambda a: a[:1].copy())
    yield "a column of no cluster", edited(FeatureAgglomeration(2), "labels_", lambda a: a + far)
    yield "a spline without knots", edited(SplineTransformer(), knots(), lambda a: a[:2].copy())
    yield "a word of no column", words()
    yield "a random state out of range", random_state()
    yield "a sparse matrix that points out", sparse_out()


def knots():
    return "_t" if "_t" in vars(SplineTransformer().fit(X).bsplines_[0]) else "t"


def wide_tree():
    """Return a tree that was fitted on more columns than it says."""
    model = DecisionTreeClassifier(random_state=0).fit(np.c_[np.zeros((80, 400)), X], Y)
    model.n_features_in_ = 4
    return _dumped(model)


def extra_stage():
    model = GradientBoostingClassifier(n_estimators=3).fit(X, Y)
    model.estimators_ = np.repeat(model.estimators_, 3, axis=1)
    return _dumped(model)


def words():
    model = CountVectorizer().fit(["late train", "early bus"])
    model.vocabulary_["train"] = 10**8
    return _dumped(model)


def random_state():
    def schema(state):
        for node in nodes(state, "DictNode"):
            if "pos" in node["content"]:
                node["content"]["pos"]["content"] = "100000000"

    return changed(written(DecisionTreeClassifier(random_state=np.random.RandomState(0))), schema)


def sparse_out():
    import scipy.sparse as sp

    matrix = sp.csr_matrix(X)
    model = KNeighborsClassifier(algorithm="brute").fit(matrix, Y)
    model._fit_X = matrix.copy()
    model._fit_X.indices[:] = 10**8
    return _dumped(model)


def neighbours(model, place, change):
    """Return a file in which one array of a tree of neighbours was changed."""
    data = written(model)
    place_of = {}

    def schema(state):
        for node in nodes(state, "ObjectNode"):
            if node["__class__"] in ("KDTree", "BallTree"):
                place_of["file"] = node["content"]["content"][place]["file"]

    changed(data, schema)
    return changed(data, members=lambda n, c: npy(change(np.load(io.BytesIO(c)))) if n == place_of["file"] else c)


def _dumped(model):
    import skops.io

    return skops.io.dumps(model)


def read(data):
    """Read a file as a registered model is read, all reviewed types recorded."""
    everything = sorted(files.trust._everything())
    return files.load(data, everything, "late@1")


def ask(model):
    """Ask a model that was read for everything it answers."""
    for name in ("predict", "predict_proba", "transform", "decision_path", "apply"):
        if hasattr(model, name):
            getattr(model, name)(["late train"] if isinstance(model, CountVectorizer) else X)
