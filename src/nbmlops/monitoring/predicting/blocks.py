"""A block of predictions as bytes and back: what was said of each row, and what it was said of.

Columns go into an ``npz`` of plain arrays, which numpy reads anywhere and which runs nothing: numbers as they are,
times as whole numbers of their unit, everything else as places in a list of the values there are. Few rows stay JSON.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nbmlops.quality import moments
from nbmlops.records import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FEW", "Said", "keys_of", "packed", "plainly", "unpacked", "without_inputs"]

FEW = 50  # rows that are kept as JSON in the store itself
SAID = ("value", "probability", "key", "key_at")  # besides these: inputs
KEYS = SAID[2:]
ABOUT = "about.json"

Json = dict[str, Any]
Said = Mapping[str, Any]  # value, probability, key and key_at where there are any: columns; inputs: a frame


def plainly(said: Said) -> Json:
    """Return a block of few rows as JSON: ``value``, ``probability``, ``key``, ``key_at`` and ``inputs`` by column."""
    found: Json = {name: _values(said[name]) for name in SAID if said.get(name) is not None}
    if said.get("inputs") is not None:
        found["inputs"] = {str(name): _values(column) for name, column in said["inputs"].items()}
    return found


def packed(said: Said) -> bytes:
    """Return a block as an ``npz`` without pickle."""
    columns = [(name, "said", said[name]) for name in SAID if said.get(name) is not None]
    if said.get("inputs") is not None:
        columns += [(str(name), "input", column) for name, column in said["inputs"].items()]
    buffer, about = io.BytesIO(), []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for place, (name, role, column) in enumerate(columns):
            array, how = _array(column)
            about.append({"name": name, "role": role, **how})
            with file.open(f"c{place}.npy", "w") as part:
                np.lib.format.write_array(part, array, allow_pickle=False)
        file.writestr(ABOUT, json.dumps(about, ensure_ascii=False))
    return buffer.getvalue()


def unpacked(content: bytes | Mapping[str, Any]) -> dict[str, Any]:
    """Return a block's columns: ``value``, ``probability``, ``key``, ``key_at`` and ``inputs`` where there are any.

    Parameters
    ----------
    content : bytes or mapping
        As :func:`packed` or :func:`plainly` made it.
    """
    import pandas as pd

    if not isinstance(content, bytes):
        inputs = content.get("inputs")
        said = {n: pd.Series(content[n], dtype=_dtype(n)) for n in SAID if content.get(n) is not None}
        return {**said, "inputs": None if inputs is None else pd.DataFrame(inputs)}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        about = json.loads(file.read(ABOUT))
        columns = [(how, _series(_read(file, f"c{place}.npy"), how)) for place, how in enumerate(about)]
    inputs = {how["name"]: column for how, column in columns if how["role"] == "input"}
    said = {how["name"]: column for how, column in columns if how["role"] == "said"}
    return {**said, "inputs": pd.DataFrame(inputs) if inputs else None}


def keys_of(content: bytes | Mapping[str, Any]) -> dict[str, Any]:
    """Return a block's ``key`` and ``key_at`` where there are any, and read nothing else of it."""
    import pandas as pd

    if not isinstance(content, bytes):
        return {name: pd.Series(content[name], dtype=object) for name in KEYS if content.get(name) is not None}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        about = json.loads(file.read(ABOUT))
        wanted = [(n, how) for n, how in enumerate(about) if how["role"] == "said" and how["name"] in KEYS]
        return {how["name"]: _series(_read(file, f"c{n}.npy"), how) for n, how in wanted}


def without_inputs(said: Said) -> dict[str, Any]:
    """Return what was said without what it was said of."""
    return {name: column for name, column in said.items() if name != "inputs"}


def _values(column: Any) -> list[Any]:
    values: Iterable[Any] = column.tolist() if hasattr(column, "tolist") else column
    return [None if _misses(v) else plain(v) for v in values]


def _misses(value: Any) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _dtype(name: str) -> type | None:
    """Return the type of a column of what was said: keys stay what they are, a large number is no float."""
    return object if name in KEYS else None


def _array(column: Any) -> tuple[NDArray[Any], Json]:
    """Return a column as a plain array, and how it is read back."""
    import pandas as pd

    series = moments.without_arrow(pd.Series(column))
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        return series.to_numpy(), {"kind": "number"}
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        zone = getattr(series.dtype, "tz", None)
        naive = (series.dt.tz_convert("UTC").dt.tz_localize(None) if zone else series).to_numpy()
        unit = np.datetime_data(naive.dtype)[0]
        return naive.view("i8"), {"kind": "time", "zone": zone and str(zone), "unit": unit}
    codes, known = pd.factorize(series if str(series.dtype) == "str" else series.astype(object))
    return _smallest(codes, len(known)), {"kind": "text", "values": [plain(v) for v in known.tolist()]}


def _smallest(codes: NDArray[Any], size: int) -> NDArray[Any]:
    kind = np.int8 if size < 2**7 else np.int16 if size < 2**15 else np.int32
    return codes.astype(kind)


def _series(array: NDArray[Any], how: Mapping[str, Any]) -> pd.Series[Any]:
    import pandas as pd

    if how["kind"] == "number":
        return pd.Series(array)
    if how["kind"] == "time":
        times = pd.Series(array.view(f"datetime64[{how.get('unit', 'ns')}]"))  # nanoseconds before units were kept
        return times.dt.tz_localize("UTC").dt.tz_convert(how["zone"]) if how["zone"] else times
    values = np.array([*how["values"], None], dtype=object)  # code -1 is missing
    found = pd.Series(values[array])
    return found if how["name"] in KEYS else found.infer_objects()


def _read(file: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with file.open(name) as part:
        found: NDArray[Any] = np.lib.format.read_array(part, allow_pickle=False)
        return found
