"""An archive that holds a model, looked at before anything in it is built: sizes, names, arrays, and every type.

skops writes a zip with one ``schema.json`` and arrays beside it. Nothing here imports or calls what the file names.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from nbmlops.registry import boosters, trust
from nbmlops.registry.trust import Refusal

__all__ = ["Contents", "inspect"]

MAX_BYTES = 4 * 2**30  # of a file, and of all it unpacks to
MAX_MEMBERS = 200_000
MAX_SCHEMA_BYTES = 256 * 2**20
MAX_DEPTH = 256  # of the schema: forests in a search in a pipeline need about fifty
MAX_RATIO, SMALL_BYTES = 100, 64 * 2**20  # of unpacked to packed, for what is not small
MAX_OUTPUTS = 100_000
PROTOCOL = 2  # the oldest of skops that nbmlops has ever written
MEMBER = re.compile(r"schema\.json|-?\d{1,20}\.np[yz]|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.bin")
IN_SPARSE = re.compile(r"(indices|indptr|format|shape|data|row|col|_is_array)\.npy")
HEADER = re.compile(rb"\{'descr': (.+), 'fortran_order': (?:True|False), 'shape': \(([\d, ]*)\), \}\s*")
SUFFIX = {"NdArrayNode": ".npy", "SparseMatrixNode": ".npz", "BytesNode": ".bin", "BytearrayNode": ".bin"}


@dataclass(frozen=True)
class Contents:
    """What stands in a file: how many members, how large unpacked, each (loader, type) and how often."""

    members: int
    unpacked_bytes: int
    types: Counter[tuple[str, str]] = field(default_factory=Counter)
    sklearn: str = ""

    @property
    def refused(self) -> dict[str, str]:
        """Types that are not built, and why."""
        judged = [(name, trust.why(loader, name)) for loader, name in sorted(self.types)]
        return {name: reason for name, (good, reason) in judged if not good}


def inspect(data: bytes) -> Contents:
    """Return what stands in a skops file.

    Raises
    ------
    Refusal
        It is no skops file, is larger than what is read, or a part of it cannot be what skops writes.
    """
    if len(data) > MAX_BYTES:
        raise Refusal(f"it is larger than {MAX_BYTES // 2**30} GB")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            unpacked = _check_members(file, MEMBER, len(data))
            _check_arrays(file)
            schema = _schema(file.read("schema.json"))
            walk = _Walk(file)
            walk.see(schema)
            walk.end()
            return Contents(len(file.namelist()), unpacked, walk.types, walk.sklearn)
    except (zipfile.BadZipFile, KeyError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise Refusal("it is no skops file, or cut short") from error


def _check_members(file: zipfile.ZipFile, names: re.Pattern[str], packed: int) -> int:
    """Return the unpacked size of all members, refusing odd names and bombs by what the archive declares."""
    members = file.infolist()
    if len(members) > MAX_MEMBERS:
        raise Refusal(f"it has more than {MAX_MEMBERS} members")
    if len({m.filename for m in members}) != len(members):
        raise Refusal("two of its members have the same name")
    for member in members:
        if not names.fullmatch(member.filename):
            raise Refusal(f"it has a member {member.filename[:60]!r}, which skops does not write")
        if member.file_size > max(SMALL_BYTES, MAX_RATIO * member.compress_size):
            raise Refusal(
                f"its member {member.filename} unpacks to {member.file_size} bytes from {member.compress_size}"
            )
    total = sum(m.file_size for m in members)
    if total > MAX_BYTES or total > max(4 * SMALL_BYTES, MAX_RATIO * packed):
        raise Refusal(f"it unpacks to {total} bytes from {packed}")
    return total


def _check_arrays(file: zipfile.ZipFile) -> None:
    for member in file.infolist():
        if member.filename.endswith(".npy"):
            with file.open(member) as stream:
                _check_array(stream.read(1024), member.file_size, member.filename)
        elif member.filename.endswith(".npz"):
            inner = file.read(member)
            with zipfile.ZipFile(io.BytesIO(inner)) as sparse:
                _check_members(sparse, IN_SPARSE, len(inner))
                _check_arrays(sparse)


def _check_array(start: bytes, size: int, name: str) -> None:
    """Refuse an array whose header declares another size than its member has, or objects."""
    dtype, count, begin = _header(start, name)
    if count * dtype.itemsize != size - begin or (not dtype.itemsize and count):
        raise Refusal(f"its array {name} declares {count} values and has {size - begin} bytes")


def _header(start: bytes, name: str) -> tuple[Any, int, int]:
    """Return kind and number of an array's values, and where they begin."""
    if start[:6] != b"\x93NUMPY" or start[6:7] not in (b"\x01", b"\x02", b"\x03"):
        raise Refusal(f"its member {name} is no array")
    wide = 2 if start[6] == 1 else 4
    begin = 8 + wide
    length = int.from_bytes(start[8:begin], "little")
    header = HEADER.fullmatch(start[begin : begin + length])
    if header is None:
        raise Refusal(f"its array {name} has a header that cannot be read")
    count = 1
    for extent in header[2].split(b","):
        count *= int(extent) if extent.strip() else 1
    return _dtype(header[1]), count, begin + length


@lru_cache(maxsize=256)
def _dtype(description: bytes) -> Any:
    import numpy as np

    try:
        dtype = np.lib.format.descr_to_dtype(ast.literal_eval(description.decode("latin1")))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise Refusal("one of its arrays has values of an unknown kind") from error
    if dtype.hasobject:
        raise Refusal("one of its arrays holds objects")
    return dtype


def _schema(text: bytes) -> dict[str, Any]:
    if len(text) > MAX_SCHEMA_BYTES:
        raise Refusal(f"its schema is larger than {MAX_SCHEMA_BYTES // 2**20} MB")
    if _depth(text) > MAX_DEPTH:
        raise Refusal(f"its schema is nested deeper than {MAX_DEPTH}")
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal("its schema is no JSON") from error
    protocol = schema.get("protocol") if isinstance(schema, dict) else None
    if type(protocol) is not int or protocol < PROTOCOL:
        raise Refusal(f"its protocol is {protocol!r}, and the oldest that is read is {PROTOCOL}")
    return dict(schema)


def _depth(text: bytes) -> int:
    """Return how deep a JSON text is nested, before a parser that recurses sees it."""
    import numpy as np

    outside = b"".join(text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    if not outside:
        return 0
    signs = np.zeros(256, np.int8)
    signs[[*b"[{"]], signs[[*b"]}"]] = 1, -1
    steps = signs[np.frombuffer(outside, np.uint8)]
    return int(np.cumsum(steps[steps != 0], dtype=np.int64).max(initial=0))


class _Walk:
    """A walk over the schema: what it names, and what no check after loading could still catch."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self.file, self.types, self.sklearn = file, Counter[tuple[str, str]](), ""
        self.above: list[int] = []
        self.times = Counter[int]()
        self.known: dict[int, tuple[Any, ...]] = {}
        self.alone: list[int] = []  # numbers of what is checked here, so that nothing else may stand in for it

    def end(self) -> None:
        """Refuse what was checked under a number that others have too."""
        if any(self.times[number] > 1 for number in self.alone):
            raise Refusal("two objects in it have the same number")

    def see(self, state: Any) -> None:
        """See a state and all below it."""
        if isinstance(state, list):
            for value in state:
                self.see(value)
        elif isinstance(state, dict):
            if isinstance(state.get("__loader__"), str):
                self._node(state)
            else:
                self._below(state)

    def _below(self, state: dict[str, Any]) -> None:
        for value in state.values():
            if value.__class__ in (dict, list):
                self.see(value)

    def _node(self, state: dict[str, Any]) -> None:
        loader, name = state["__loader__"], f"{state.get('__module__')}.{state.get('__class__')}"
        self.types[loader, name] += 1
        if check := CHECKS.get(loader):
            check(self, state)
        if loader in SUFFIX and "file" in state and not str(state["file"]).endswith(SUFFIX[loader]):
            raise Refusal(f"a {name} is read from {str(state['file'])[:60]!r}")
        self._identify(state)
        if loader != "JsonNode":
            self.above.append(state["__id__"])
            self._below(state)
            self.above.pop()

    def _identify(self, state: dict[str, Any]) -> None:
        """Refuse two objects under one number: skops builds the first of them and never looks at the other."""
        number = state.get("__id__")
        if type(number) is not int:
            raise Refusal("an object in it has no number")
        if number in self.above:
            raise Refusal("an object in it contains itself")
        self.times[number] += 1
        if self.known.setdefault(number, spelled := _spelled(state)) != spelled:
            raise Refusal("two objects in it have the same number")

    def array(self, state: Any) -> Any:
        """Return the numbers of a small array of the file."""
        import numpy as np

        if state.get("__loader__") != "NdArrayNode" or state.get("type") != "numpy":
            raise Refusal("an array in it is none")
        data = self.file.read(state["file"])
        dtype, _, begin = _header(data[:1024], state["file"])
        return np.frombuffer(data, dtype, offset=begin)


def _spelled(state: dict[str, Any]) -> tuple[Any, ...]:
    """Return what is the same wherever skops writes one object: inside of larger ones it numbers copies anew."""
    loader, content = state["__loader__"], state.get("content")
    shared = (loader, state.get("__module__"), state.get("__class__"))
    if loader == "TupleNode" and isinstance(content, list):
        return (*shared, *(c.get("__id__") for c in content if isinstance(c, dict)))
    if loader == "JsonNode" or (loader == "NdArrayNode" and state.get("type") == "numpy"):
        return (*shared, content if isinstance(content, str) else None, str(state.get("file")))
    return shared


def _check_text(walk: _Walk, state: dict[str, Any]) -> None:
    """A plain value is a number, a text, true, false or null; lists and keys have nodes of their own."""
    content = state.get("content")
    if not isinstance(content, str) or content[:1] in ("[", "{") or content[:1].isspace():
        raise Refusal("a plain value in it is none")


def _of(loader: str, state: dict[str, Any]) -> Any:
    """Return what a node holds, if it is built by this loader and no other."""
    if state["__loader__"] != loader:
        raise Refusal("a part of it is not what it should be")
    return state["content"]


def _value(state: dict[str, Any]) -> Any:
    return json.loads(_of("JsonNode", state))


def _check_keys(walk: _Walk, state: dict[str, Any]) -> None:
    """Keys are made by plain types: anything else there would be called with a text of the file."""
    kinds = _of("ListNode", state.get("key_types") or {"__loader__": ""})
    for kind in kinds if isinstance(kinds, list) else [{}]:
        named = isinstance(kind, dict) and kind.get("__loader__") == "TypeNode"
        if not named or str(kind.get("__module__")) not in ("builtins", "numpy"):
            raise Refusal("a key in it is made by no plain type")


def _check_tree(walk: _Walk, state: dict[str, Any]) -> None:
    """A tree is built for as many outputs as it has numbers of classes."""
    try:
        features, classes, outputs = _of("TupleNode", state["__reduce__"]["args"])
        n_outputs, n_features = _value(outputs), _value(features)
        n_classes = walk.array(classes)
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal("a tree in it cannot be read") from error
    good = type(n_outputs) is int and 1 <= n_outputs <= MAX_OUTPUTS and type(n_features) is int and n_features >= 0
    if not good or n_classes.shape != (n_outputs,) or n_classes.dtype.kind != "i" or n_classes.min() < 1:
        raise Refusal("a tree in it has no such outputs")


def _check_generator(walk: _Walk, state: dict[str, Any]) -> None:
    """A generator's seed has the size numpy gives it."""
    try:
        walk.alone += [state["content"]["seed_seq"]["__id__"], state["content"]["bit_generator"]["__id__"]]
        size = _value(_of("DictNode", state["content"]["seed_seq"])["pool_size"])
        name = _value(_of("DictNode", state["content"]["bit_generator"])["bit_generator"])
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal("a generator of random numbers in it cannot be read") from error
    if size != 4 or name != "PCG64":
        raise Refusal("a generator of random numbers in it is not numpy's usual one")


def _check_object(walk: _Walk, state: dict[str, Any]) -> None:
    if (state.get("__module__"), state.get("__class__")) == ("lightgbm.basic", "Booster"):
        _check_lightgbm(walk, state)
    if (state.get("__module__"), state.get("__class__")) == ("xgboost.core", "Booster"):
        _check_xgboost(walk, state)
    _check_version(walk, state)


def _check_lightgbm(walk: _Walk, state: dict[str, Any]) -> None:
    """A booster's text is checked here, for its reader trusts it."""
    try:
        attributes = state["content"]
        walk.alone.append(attributes["__id__"])
        held = _of("DictNode", attributes)
        texts = [_value(held[k]) for k in ("_handle", "handle") if k in held]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refusal("a booster of lightgbm in it cannot be read") from error
    if len(texts) != 1 or not isinstance(texts[0], str):
        raise Refusal("a booster of lightgbm in it cannot be read")
    boosters.lightgbm(texts[0])


def _check_xgboost(walk: _Walk, state: dict[str, Any]) -> None:
    """A booster's bytes are checked here, for its reader ends the process where they are malformed."""
    try:
        handle = _of("DictNode", state["content"])["handle"]
        walk.alone += [state["content"]["__id__"], handle["__id__"]]
        if handle["__loader__"] != "BytearrayNode":
            raise Refusal("a booster of xgboost in it cannot be read")
        data = walk.file.read(handle["file"])
    except (KeyError, TypeError) as error:
        raise Refusal("a booster of xgboost in it cannot be read") from error
    boosters.xgboost(data)


def _check_version(walk: _Walk, state: dict[str, Any]) -> None:
    content = state.get("content")
    if isinstance(content, dict) and isinstance(content.get("content"), dict):
        found = content["content"].get("_sklearn_version")
        if isinstance(found, dict) and isinstance(found.get("content"), str) and not walk.sklearn:
            walk.sklearn = found["content"].strip('"')[:20]


CHECKS = {
    "DictNode": _check_keys,
    "JsonNode": _check_text,
    "TreeNode": _check_tree,
    "RandomGeneratorNode": _check_generator,
    "ObjectNode": _check_object,
}
