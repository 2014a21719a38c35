"""Execute the example notebooks in a fresh project and keep what they show, without a trace of the machine.

python example_notebooks/keep_outputs.py
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from demo import FILES, HERE, set_up

WHO = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.email", "GIT_CONFIG_VALUE_0": "ada@example.org"}


def main() -> None:
    """Run every notebook in order, then write its outputs into the committed file."""
    os.environ.update(WHO)
    os.environ.pop("CI", None)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "late-flights"
        set_up(project)
        os.chdir(project)
        import nbmlops as nb

        for name in (f for f in FILES if f.endswith(".ipynb")):
            executed = nbformat.reads(nb.run_notebook(name, check=True).artifact("notebook.ipynb"), as_version=4)
            keep(HERE / name, executed, str(folder))
        os.chdir(HERE)


def keep(path: Path, executed: nbformat.NotebookNode, folder: str) -> None:
    """Put the outputs of an executed notebook into the file it was made from; refuse one that names this machine."""
    notebook = nbformat.read(path, as_version=4)
    shown = {cell.id: cell for cell in executed.cells}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [clean(output) for output in shown[cell.id].outputs]
            cell.execution_count = shown[cell.id].execution_count
    text = nbformat.writes(notebook)
    traces = [word for word in (folder, str(Path.home()), str(HERE.parent)) if word in text]
    if traces:
        raise SystemExit(f"{path.name} would name this machine: {traces}")
    path.write_text(text + "\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size // 1024} kB")


def clean(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leave out what differs with the machine: host, process, environment."""
    for kind, data in (output.get("data") or {}).items():
        if kind.startswith("application/vnd.nbmlops.run."):
            for name in ("process", "git", "environment"):
                data[name] = None
    return output


if __name__ == "__main__":
    main()
