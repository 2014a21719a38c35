"""How fast it starts: import, %load_ext, the first tracked cell, an empty one after that. JSON lines.

Each figure is the median of several fresh processes; the kernel's are measured inside a real kernel.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile

from jupyter_client.manager import start_new_kernel

CELL = """
import time
began = time.perf_counter()
get_ipython().{call}
print("took", time.perf_counter() - began)
"""


def import_time() -> float:
    """Return the seconds ``import nbmlops`` takes by ``-X importtime``."""
    output = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import nbmlops"], capture_output=True, text=True
    )
    line = next(line for line in output.stderr.splitlines() if re.search(r"\| nbmlops$", line))
    return int(line.split("|")[1]) / 1e6


def kernel_times(repeats: int = 15) -> dict[str, float]:
    """Return the seconds of loading the extension and of tracked cells in a fresh kernel."""
    with tempfile.TemporaryDirectory() as folder:
        manager, client = start_new_kernel(kernel_name="python3", cwd=folder)
        try:
            times = {"load_ext": _timed(client, 'run_line_magic("load_ext", "nbmlops")')}
            times["first_cell"] = _whole(client, "%%track first\nx = 1")
            plain = statistics.median(_whole(client, "x = 1") for _ in range(repeats))
            tracked = statistics.median(_whole(client, "%%track empty\nx = 1") for _ in range(repeats))
            return {**times, "empty_cell": tracked, "untracked_cell": plain}
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def _timed(client, call: str) -> float:
    printed: list[str] = []
    client.execute_interactive(
        CELL.format(call=call), output_hook=lambda m: printed.append(m["content"].get("text", "")), timeout=60
    )
    return float("".join(printed).split("took")[1])


def _whole(client, code: str) -> float:
    """Return the seconds from sending a cell to its reply, the message round trip included."""
    import time

    began = time.perf_counter()
    client.execute_interactive(code, output_hook=lambda m: None, timeout=60)
    return time.perf_counter() - began


def main() -> None:
    """Print each figure with its bound."""
    imports = statistics.median(import_time() for _ in range(7))
    kernels = [kernel_times() for _ in range(3)]
    print(json.dumps({"bench": "import nbmlops", "seconds": round(imports, 4), "bound": 0.15}))
    for name, bound in (("load_ext", 0.3), ("first_cell", 0.6), ("empty_cell", 0.015), ("untracked_cell", None)):
        seconds = statistics.median(k[name] for k in kernels)
        print(json.dumps({"bench": name, "seconds": round(seconds, 4), "bound": bound}))


if __name__ == "__main__":
    main()
