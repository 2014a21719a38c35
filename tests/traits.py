"""Run notebooks in fresh processes, plain or tracked, and tell everything a user could know the two apart by.

One process imports the libraries once, uses none of them, and forks a child for each notebook.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "notebooks" / "traits"
LIBRARIES = (
    *("numpy", "pandas", "scipy.sparse", "polars", "pyarrow", "joblib", "IPython.core.interactiveshell"),
    *("sklearn.cluster", "sklearn.compose", "sklearn.datasets", "sklearn.ensemble", "sklearn.linear_model"),
    *("sklearn.metrics", "sklearn.mixture", "sklearn.model_selection", "sklearn.pipeline", "sklearn.preprocessing"),
    *("sklearn.tree", "skops.io", "sqlalchemy", "alembic.command", "matplotlib.pyplot"),
    *("nbmlops.magics.track", "nbmlops.store.ingest", "nbmlops.tracking.runs", "nbmlops.quality.leakage"),
)
RECURSED = ("__main__", "sklearn", "numpy.random", "scipy.sparse", "types")  # objects of these are looked into
DEEPEST = 12
LONGEST_S = 60
UNEQUAL = re.compile(r"__slotnames__|\w+_time_?")  # what pickling leaves on a class, and what a clock said
TRACK = re.compile(r"%%track .*\n")
VARYING = re.compile(r"0x[0-9a-f]+|<ipython-input-[^>]*>|(?<=CPU times).*|(?<=Wall time).*|(?<=Compiler).*|\d+(?= ms)")


class Runner:
    """The process that forks a child for each notebook."""

    def __init__(self) -> None:
        environment = {n: v for n, v in os.environ.items() if not n.startswith("NBMLOPS_")} | {"MPLBACKEND": "Agg"}
        words = [sys.executable, __file__]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=environment)

    def run(self, notebook: Path, folder: Path, tracked: bool) -> dict[str, Any]:
        """Run a notebook in a folder of its own, gone after, and return what came of it."""
        folder.mkdir()
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps([str(notebook), str(folder), tracked]), file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "0\n", f"{notebook.name} did not end"
        found = json.loads((folder / "result.json").read_text())
        shutil.rmtree(folder)
        return found

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


@contextmanager
def runner() -> Iterator[Runner]:
    """Start the process, and end it when the block does."""
    running = Runner()
    try:
        yield running
    finally:
        running.close()


def differences(plain: Any, tracked: Any, place: str = "") -> list[str]:
    """Return where two results differ, and how."""
    if isinstance(plain, dict) and isinstance(tracked, dict) and list(plain) == list(tracked):
        return [d for n in plain for d in differences(plain[n], tracked[n], f"{place}.{n}")]
    if isinstance(plain, list) and isinstance(tracked, list) and len(plain) == len(tracked):
        return [d for i, p in enumerate(plain) for d in differences(p, tracked[i], f"{place}[{i}]")]
    return [] if plain == tracked else [f"{place}: plain {plain!r:.500}, tracked {tracked!r:.500}"]


def serve() -> None:
    """Fork a child for each line that comes in, and say how it ended."""
    for library in LIBRARIES:
        importlib.import_module(library)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _child(*json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _child(notebook: str, folder: str, tracked: bool) -> None:
    signal.alarm(LONGEST_S)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    code = 1
    try:
        found = observe(Path(notebook), Path(folder), tracked)
        (Path(folder) / "result.json").write_text(json.dumps(found))
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.exit(code)  # as a kernel ends: what waits is written, workers of a pool end


def observe(notebook: Path, folder: Path, tracked: bool) -> dict[str, Any]:
    """Run a notebook's cells in a shell of this process and return all there is to see."""
    node = json.loads(notebook.read_text())
    about = node["metadata"]["nbmlops"]
    saved = folder / notebook.name
    saved.write_text(json.dumps(node))
    (folder / "nbmlops.toml").touch()
    os.chdir(folder)
    random.seed(0)  # each fork is seeded anew
    os.environ |= {"JPY_SESSION_NAME": str(saved), "IPYTHONDIR": str(folder / "ipython")}
    shell = make_shell()
    if tracked:
        shell.run_line_magic("load_ext", "nbmlops")
    before = hooked()
    order = about.get("order", range(len(node["cells"])))
    cells = [_cell(shell, node, index, tracked) for index in order[:-1]]
    if "deleted" in about:
        kept = [cell for i, cell in enumerate(node["cells"]) if i not in about["deleted"]]
        saved.write_text(json.dumps(node | {"cells": kept}))
    cells.append(_cell(shell, node, order[-1], tracked))
    changed = [name for name, held in hooked().items() if name in before and before[name] is not held]
    found = {"cells": cells, "variables": variables(shell), "attributes": attributes(shell), "state": state()}
    expected = _expect(about["expect"]) if tracked else ""
    return {"same": found, "changed": changed, "expected": expected}


def make_shell() -> Any:
    """Return a real shell that keeps what it displays and prints no tracebacks."""
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config, colors="nocolor")
    shell.display_pub = CapturingDisplayPublisher(parent=shell)
    shell.showtraceback = shell.showsyntaxerror = lambda *about, **more: None
    shell.display_formatter.ipython_display_formatter.for_type_by_name("nbmlops.tracking.runs", "Run", _unseen)
    return shell


def _unseen(run: Any) -> None:
    """Draw a card and show it to nobody: it is the one thing that may differ."""
    run._repr_mimebundle_()


def _cell(shell: Any, node: dict[str, Any], index: int, tracked: bool) -> dict[str, Any]:
    cell = node["cells"][index]
    source = "".join(cell["source"])
    out, err = Text(), Text()
    shell.display_pub.outputs = []
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        result = shell.run_cell(source if tracked else plain(source), store_history=True, cell_id=cell["id"])
    return {
        "succeeded": result.success,
        "error": _error(shell, result.error_before_exec or result.error_in_exec),
        "result": digest(result.result),
        "stdout": VARYING.sub("", out.getvalue()),
        "stderr": VARYING.sub("", err.getvalue()),
        "displayed": [o["data"] for o in shell.display_pub.outputs],
        "generators": generators(),
        "number": result.execution_count,
    }


class Text(io.StringIO):
    """A stream that takes attributes, as that of a kernel does."""


def plain(source: str) -> str:
    """Return a cell without its header: a comment keeps the line, and goes where another magic must come first."""
    body = TRACK.sub("", source, count=1)
    return body if body == source or body.startswith("%%") else f"#\n{body}"


def _error(shell: Any, error: BaseException | None) -> Any:
    """Return an error's type, message and the lines of the notebook it went through."""
    if error is None:
        return None
    frames = [(f, line) for f, line in traceback.walk_tb(error.__traceback__) if f.f_globals is shell.user_ns]
    lines = [getattr(error, "lineno", None), *(line for _, line in frames)]
    return [type(error).__name__, VARYING.sub("", str(error))[:1000], lines]


def _expect(code: str) -> str:
    """Run what a notebook says of its run; return what was not so."""
    import nbmlops as nb

    runs = [nb.get_run(i) for i in reversed(list(nb.runs()["run_id"]))] if len(nb.runs()) else []
    names = {"nb": nb, "runs": runs, "run": runs[-1] if runs else None}
    try:
        exec(compile(code, "expect", "exec"), names)
    except Exception:
        about = [(r.experiment, r.status, r.params, r.metrics, r.models, r.datasets, r.findings) for r in runs]
        return f"{traceback.format_exc()}\n{code}\n{about}"
    return ""


def hooked() -> dict[str, Any]:
    """Return what tracking may replace while a cell runs, by name."""
    from nbmlops.capture import metrics, watch

    modules = [m for ms in watch.HOOKED.values() for m in ms if m in sys.modules]
    held = {f"{m}.{n}": v for m in modules for n, v in vars(sys.modules[m]).items()}
    held |= {f"{k.__module__}.{k.__qualname__}.{n}": v for k in _kinds() for n, v in vars(k).items()}
    held |= {f"closure of {n}": cell.cell_contents for n, cell in metrics.closures("sklearn.metrics")}
    return held | {f"meta_path[{i}]": finder for i, finder in enumerate(sys.meta_path)}


def _kinds() -> list[type]:
    from sklearn.base import BaseEstimator

    found = [BaseEstimator]
    for kind in found:
        found += [k for k in kind.__subclasses__() if k not in found]
    return found


def generators() -> list[str]:
    """Return the state of the random generators everybody shares."""
    import numpy as np

    return [digest(np.random.get_state()), digest(random.getstate())]


def threads() -> list[threading.Thread]:
    """Return the threads that stay: a pool that was let go tells its workers to end, and they take their time."""
    for thread in threading.enumerate():
        if "(worker)" in thread.name:
            thread.join(5)
    return threading.enumerate()


def state() -> dict[str, Any]:
    """Return what else a cell may leave changed in its process."""
    return {
        "cwd": str(Path.cwd()),
        "warnings": [[action, kind.__name__] for action, _, kind, *_ in warnings.filters],
        "recursion": sys.getrecursionlimit(),
        "traced": [sys.gettrace() is None, sys.getprofile() is None],
        "threads": sorted(t.name for t in threads() if "nbmlops" not in t.name),
        "interrupt": getattr(signal.getsignal(signal.SIGINT), "__name__", ""),
        "collecting": gc.isenabled(),
        "finders": [getattr(f, "__name__", type(f).__name__) for f in sys.meta_path],
    }


def variables(shell: Any) -> dict[str, str]:
    """Return the digest of every variable; of what the shell keeps of the source, the name alone."""
    own = re.compile(r"_i+|_i\d+|_ih|In|_oh|_dh|__\w+__|exit|quit|get_ipython|open")
    return {n: "" if own.fullmatch(n) else digest(v) for n, v in shell.user_ns.items()}


def attributes(shell: Any) -> dict[str, list[str]]:
    """Return the names of the attributes every variable's object holds, in their order."""
    held = {n: _held(v) for n, v in shell.user_ns.items() if not n.startswith("_") and not isinstance(v, type(sys))}
    return {n: list(map(str, h)) for n, h in held.items() if h}


def digest(value: Any) -> str:
    """Return the SHA-256 of a value, asking none of its own methods where it is an object of the user's."""
    found = hashlib.sha256()
    for part in _parts(value, ()):
        found.update(part.encode(errors="backslashreplace") + b"\0")
    return found.hexdigest()


def _parts(value: Any, above: tuple[int, ...]) -> Iterator[str]:
    kind = type(value)
    yield f"{kind.__module__}.{kind.__qualname__}"
    if id(value) in above or len(above) > DEEPEST:
        return
    inner = (*above, id(value))
    if issubclass(kind, (bool, int, float, complex, str, bytes, type(None), range, slice)):
        yield repr(value)
    elif kind in (list, tuple, dict):
        for part in _timeless(value).items() if kind is dict else value:
            yield from _parts(part, inner)
    elif kind in (set, frozenset):
        yield from sorted(digest(part) for part in value)
    elif issubclass(kind, type):
        if value.__module__ == "__main__":
            for name, part in _timeless(vars(value)).items():
                yield name
                yield from _parts(part, inner)
    elif hasattr(kind, "__code__"):
        yield value.__code__.co_code.hex()
    elif (table := _table(value)) is not None:
        yield from _parts(table, inner)
    elif kind.__module__.startswith(RECURSED):
        for name, part in _timeless(_held(value)).items():
            yield str(name)
            yield from _parts(part, inner)


def _timeless(held: Mapping[Any, Any]) -> dict[Any, Any]:
    return {n: part for n, part in held.items() if not (type(n) is str and UNEQUAL.fullmatch(n))}


def _table(value: Any) -> Any:
    """Return an array, a frame or a date as plain values; None is none of these."""
    library = type(value).__module__.partition(".")[0]
    if library == "numpy" and hasattr(value, "tobytes"):
        whole = value.tolist() if value.dtype.hasobject else value.tobytes()
        return [str(value.dtype), list(value.shape), whole]
    if library == "pandas" and hasattr(value, "to_csv"):
        frame = value.to_frame() if value.ndim == 1 else value
        text = VARYING.sub("", frame.to_csv())
        return [[str(d) for d in frame.dtypes], [str(n) for n in frame.columns.names], text, dict(frame.attrs)]
    if library == "polars" and hasattr(value, "collect_schema"):
        return [str(value.collect_schema()), value.explain() if hasattr(value, "explain") else value.rows()]
    if library == "pyarrow" and hasattr(value, "to_pydict"):
        return value.to_pydict()
    return repr(value) if library in ("datetime", "decimal", "pathlib", "pandas", "zoneinfo") else None


def _held(value: Any) -> dict[Any, Any]:
    """Return what an object holds, read past its own methods; of a compiled object what it would be pickled by."""
    if isinstance(value, type):
        return {}
    kind = type(value)
    held: dict[Any, Any] = {}
    with contextlib.suppress(AttributeError):
        held |= object.__getattribute__(value, "__dict__")
    for base in kind.__mro__:
        names = vars(base).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            with contextlib.suppress(AttributeError):
                held[name] = object.__getattribute__(value, name)
    if not held and kind.__module__.startswith(("sklearn.", "numpy.random.")):
        with contextlib.suppress(TypeError):  # one that cannot be pickled has only its type
            held = dict(enumerate(value.__reduce__()[1:]))
    return held


if __name__ == "__main__":
    serve()
