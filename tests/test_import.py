"""What is not needed is not loaded."""

import json
import subprocess
import sys

import pytest

import nbmlops

HEAVY = ["IPython", "numpy", "pandas", "sklearn", "sqlalchemy", "papermill", "scipy", "jinja2", "skops", "fsspec"]


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys, json; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(json.loads(output.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_after("import nbmlops") == set()


def test_loading_the_extension_and_tracking_a_cell_loads_no_database(tmp_path):
    make_store = "from nbmlops.tracking import session; session.store().engine"
    subprocess.run([sys.executable, "-c", make_store], cwd=tmp_path, check=True)
    code = f"""
import os; os.chdir({str(tmp_path)!r})
from IPython.terminal.interactiveshell import TerminalInteractiveShell
shell = TerminalInteractiveShell.instance()
shell.run_line_magic("load_ext", "nbmlops")
shell.run_cell("%%track first\\nx = 1")
from nbmlops.tracking import session; assert session.drain()
"""
    assert loaded_after(code) & {"sqlalchemy", "pandas", "skops", "papermill", "sklearn"} == set()


def test_every_public_name_exists_and_has_an_example():
    for name in nbmlops.__all__:
        function = getattr(nbmlops, name)
        assert "Examples" in (function.__doc__ or ""), f"nb.{name} shows no example"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = nbmlops.nonsense
