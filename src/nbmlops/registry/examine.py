"""Look through one model's file of anybody's, in a process of its own: run by ``foreign``, prints one JSON.

Types are read from names in the file. Only a file whose types are all trusted is also built, to see whether its arrays
hold; nothing of a pickle is run, its program is only spelled out.
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import pickletools
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nbmlops.registry import archive, trust

__all__ = ["examine", "main"]

PICKLE_WHY = "a pickle names it, and reading a pickle calls what it names"
MAX_UNPACKED = 256 * 2**20
MAX_TYPES = 500
Found = dict[str, Any]


def examine(data: bytes) -> Found:
    """Return format, size, types and verdict of a model's file."""
    if data[:4] == b"PK\x03\x04":
        return _zip(data)
    if packed := _unpack(data):
        name, inner = packed
        return {**_pickle(inner, f"pickle packed by {name}")}
    if data[:1] == b"\x80" or _is_old_pickle(data):
        return _pickle(data, "pickle")
    return _native(data)


def _zip(data: bytes) -> Found:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            names = file.namelist()
            pickles = [n for n in names if n.endswith((".pkl", ".pickle"))]
            if "schema.json" not in names and pickles and file.getinfo(pickles[0]).file_size <= MAX_UNPACKED:
                return {**_pickle(file.read(pickles[0]), "zip with a pickle"), "members": len(names)}
            if "schema.json" not in names:
                return _answer("zip", "untrusted", "no skops file: it has no schema.json", members=len(names))
    except (zipfile.BadZipFile, RuntimeError, OSError, NotImplementedError) as error:
        return _answer("zip", "untrusted", f"the archive is damaged: {error}")
    return _skops(data)


def _skops(data: bytes) -> Found:
    try:
        contents = archive.inspect(data)
    except trust.Refusal as error:
        return _answer("skops", "untrusted", str(error))
    rows = [_type(loader, name, count) for (loader, name), count in sorted(contents.types.items())]
    about: Found = {"members": contents.members, "unpacked_bytes": contents.unpacked_bytes, "sklearn": contents.sklearn}
    if contents.refused:
        return _answer("skops", "untrusted", "it holds types nobody has reviewed", rows, **about)
    return _answer("skops", *_built(data, rows), **about)


def _built(data: bytes, rows: list[Found]) -> tuple[str, str, list[Found]]:
    """Build a file whose types are all trusted: whether its arrays hold is seen only then."""
    import skops.io

    from nbmlops.errors import NbmlopsError
    from nbmlops.registry import files

    known, unknown = trust.reviewed(skops.io.get_untrusted_types(data=data))
    if unknown:
        why = "skops does not trust it and nobody has reviewed it"
        rows = [{**r, "trusted": False, "why": why} if r["name"] in unknown else r for r in rows]
        return "untrusted", "it holds types nobody has reviewed", rows
    try:
        files.load(data, known, "this file")
    except NbmlopsError as error:
        return "untrusted", error.message, rows
    return "trusted", "every type is reviewed, and its arrays hold", rows


def _type(loader: str, name: str, count: int) -> Found:
    good, reason = trust.why(loader, name)
    return {"name": name[:200], "part": loader.removesuffix("Node"), "count": count, "trusted": good, "why": reason}


def _pickle(data: bytes, form: str) -> Found:
    """Spell out what a pickle would import, running nothing of it."""
    rows: dict[str, int] = {}
    whole = True
    try:
        for name in _imports(data):
            rows[name] = rows.get(name, 0) + 1
            if len(rows) >= MAX_TYPES:
                break
    except Exception:  # raw arrays between its commands, or a program that is none: what was read so far stands
        whole = False
    why = "a pickle is a program that runs when it is read" + (
        "" if whole else "; it could be spelled out in part only"
    )
    found = [
        {"name": n[:200], "part": "call", "count": c, "trusted": False, "why": PICKLE_WHY} for n, c in rows.items()
    ]
    return _answer(form, "untrusted", why, found)


def _imports(data: bytes) -> Iterator[str]:
    """Yield what a pickle's program names: texts are remembered, for newer protocols name by them."""
    texts: list[str] = []
    for command, argument, _ in pickletools.genops(data):
        if command.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        elif command.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:]) or "?"
        elif isinstance(argument, str):
            texts = [*texts[-1:], argument]


def _is_old_pickle(data: bytes) -> bool:
    """Return whether a text is a program of the first pickle: it ends in a full stop and parses as one."""
    try:
        commands = [command.name for command, _, _ in pickletools.genops(data[:100_000])]
    except Exception:  # anything but a pickle
        return False
    return bool(commands) and commands[-1] == "STOP" and len(commands) > 2


def _unpack(data: bytes) -> tuple[str, bytes] | None:
    for name, start, make in PACKED:
        if data.startswith(start):
            try:
                return name, make().decompress(data, MAX_UNPACKED)
            except (OSError, ValueError, zlib.error, lzma.LZMAError):
                return None
    return None


def _gzip() -> Any:
    return zlib.decompressobj(zlib.MAX_WBITS | 32)


PACKED: tuple[tuple[str, bytes, Callable[[], Any]], ...] = (
    ("gzip", b"\x1f\x8b", _gzip),
    ("zlib", b"\x78", _gzip),
    ("bzip2", b"BZh", bz2.BZ2Decompressor),
    ("xz", b"\xfd7zXZ", lzma.LZMADecompressor),
)


def _native(data: bytes) -> Found:
    if data[:5] == b"tree\n":
        return _answer(
            "lightgbm", "untrusted", "a model of lightgbm as text: register it as LGBMClassifier or LGBMRegressor"
        )
    if data[:1] == b"{" and b"learner" in data[:4000]:
        return _answer("xgboost", "untrusted", "a model of xgboost: register it as XGBClassifier or XGBRegressor")
    return _answer("unknown", "untrusted", "no format of a model that is known here")


def _answer(form: str, verdict: str, why: str, types: list[Found] | None = None, **about: Any) -> Found:
    return {"format": form, "verdict": verdict, "why": why, "types": types or [], **about}


def _limit(memory_bytes: int, seconds: int) -> None:
    """Take from this process what an examination does not need, for good."""
    try:
        import resource
    except ImportError:  # Windows has no such limits: the parent's clock is what remains
        return
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def main() -> None:
    """Print what stands in the file named on the command line."""
    path, memory_bytes, seconds = sys.argv[1:4]
    _limit(int(memory_bytes), int(seconds))
    sys.stdout.write(json.dumps(examine(Path(path).read_bytes())))


if __name__ == "__main__":
    main()
