"""Every program that starts kernels can start them warm, and people can see it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time

import nbclient
import nbformat
import papermill
import pytest
from click.testing import CliRunner
from jupyter_client.kernelspec import KernelSpecManager
from nbformat.v4 import new_code_cell, new_notebook

from nbmlops.cli import main
from nbmlops.config import Project
from nbmlops.errors import Invalid, NotFound
from nbmlops.jobs.warm import parents, preload, spec
from nbmlops.jobs.warm.provisioner import WarmProvisioner
from warm_kernels import run_warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels start cold here")

CHILD = "import os; print(os.getppid())"


@pytest.fixture
def installed(warm, tmp_path, monkeypatch):
    """The kernel ``python3-warm`` of an environment, and a parent for it."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))
    spec.install("python3", preload=["fractions"], prefix=str(tmp_path))
    warm(["fractions"])
    return next(p["pid"] for p in parents.running() if p["preload"] == ["fractions"])


def written(*sources, kernel="python3-warm"):
    about = {"kernelspec": {"name": kernel, "display_name": kernel, "language": "python"}}
    return new_notebook(cells=[new_code_cell(s) for s in sources], metadata=about)


def said(done):
    return [o.text.strip() for c in done.cells for o in c.outputs if o.output_type == "stream"]


def test_nbclient_and_papermill_by_the_kernels_name(installed, project):
    assert said(nbclient.NotebookClient(written(CHILD)).execute()) == [str(installed)]
    nbformat.write(written(CHILD), "in.ipynb")
    assert said(papermill.execute_notebook("in.ipynb", "out.ipynb", progress_bar=False)) == [str(installed)]
    run_warm("in.ipynb")


def test_jupyter_server_starts_interrupts_restarts_and_ends_one(installed, project):
    pytest.importorskip("jupyter_server")
    from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

    async def live():
        kernels = AsyncMappingKernelManager(root_dir=str(project))
        number = await kernels.start_kernel(kernel_name="python3-warm", path="")
        manager = kernels.get_kernel(number)
        assert isinstance(manager.provisioner, WarmProvisioner)
        assert manager.provisioner.kernel == "warm", manager.provisioner.why
        before = manager.provisioner.pid
        await kernels.restart_kernel(number)
        assert manager.provisioner.pid != before
        assert await manager.is_alive()
        await kernels.shutdown_kernel(number)
        assert not manager.has_kernel

    asyncio.run(live())


def test_every_kernel_by_a_variable(warm, project):
    """One variable, and what starts kernels by Jupyter's library starts them warm."""
    warm()
    code = "import nbclient, nbformat; nb = nbformat.read('in.ipynb', 4);"
    code += "print(nbclient.NotebookClient(nb).execute().cells[0].outputs[0].text)"
    nbformat.write(written(CHILD, kernel="python3"), "in.ipynb")
    import os

    env = {**os.environ, "JUPYTER_DEFAULT_PROVISIONER_NAME": "nbmlops-warm"}
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        if int(told.stdout) in [p["pid"] for p in parents.running()]:
            return
    raise AssertionError(told)


def test_a_notebook_that_imports_nbmlops_is_warm_and_each_run_is_itself(warm, project):
    cells = ["n = 1", "import nbmlops as nb, os\nnb.log(n=n)\nprint(os.getppid())"]
    node = written(*cells, kernel="python3")
    node.cells[0].metadata.tags = ["parameters"]
    nbformat.write(node, "own.ipynb")
    runs = [run_warm("own.ipynb", parameters={"n": n}) for n in (2, 3)]
    assert [run.metrics["n"] for run in runs] == [2, 3]
    assert runs[0].run_id != runs[1].run_id
    outputs = [said(nbformat.read(project / run.tags["output"], 4)) for run in runs]
    assert outputs[0] == outputs[1]  # one parent forked both


def test_a_specification_like_anothers(tmp_path):
    folder = spec.install("python3", prefix=str(tmp_path))
    about, like = json.loads((folder / "kernel.json").read_text()), KernelSpecManager().get_kernel_spec("python3")
    assert about["argv"] == like.argv
    assert about["metadata"]["kernel_provisioner"] == {"provisioner_name": "nbmlops-warm", "config": {}}
    with pytest.raises(NotFound, match="No kernel 'julia' on this machine"):
        spec.install("julia", prefix=str(tmp_path))


def test_only_pythons_kernels_have_one(tmp_path, monkeypatch):
    place = tmp_path / "share" / "jupyter" / "kernels" / "other"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text('{"argv": ["other"], "display_name": "O", "language": "other"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))
    with pytest.raises(Invalid, match="other is a kernel of other"):
        spec.install("other", prefix=str(tmp_path))


def test_the_commands_and_the_doctor_tell_what_there_is(warm):
    warm(["fractions"])

    def told(*words):
        return CliRunner().invoke(main, words, catch_exceptions=False).output

    rows = json.loads(told("warm", "status", "--json"))
    assert 1 in [r["kernels"] for r in rows if r["preload"] == ["fractions"]]
    assert "1 kernel" in told("warm", "status")
    says = [line["says"] for line in json.loads(told("doctor", "--json")) if line["what"] == "warm kernels"]
    assert any(s.endswith(": fractions") and " MB, 1 kernel now" in s for s in says), says
    assert told("warm", "stop") == f"Stopped {len(rows)} process{'es' * (len(rows) > 1)}.\n"
    assert parents.running() == []
    assert warm(["fractions"]).run("1 + 1") == "2"


def test_which_modules_are_preloaded(project):
    cells = [
        {
            "cell_type": "code",
            "source": "%load_ext nbmlops\nimport pandas as pd, os.path\nif pd:\n    from sklearn import tree",
        },
        {"cell_type": "code", "source": ["def late():\n", "    import torch\n", "from . import beside"]},
        {"cell_type": "code", "source": "%%bash\nimport nothing"},
        {"cell_type": "markdown", "source": "import text"},
        {"cell_type": "code", "source": "!ls\nimport json; import (broken"},
    ]
    assert preload.chosen(Project(project, ""), cells) == ["nbmlops", "os.path", "pandas", "sklearn", "sklearn.tree"]
    assert preload.chosen(Project(project, "", {"warm": {"preload": ["numpy"]}}), cells) == ["numpy"]
    assert preload.chosen(Project(project, "", {"warm": {"preload": []}}), cells) == []


def test_what_modules_beside_the_notebook_import_is_loaded_and_they_are_not(warm, project):
    (project / "helpers.py").write_text("import fractions\nfrom parts import one\nVALUE = 1")
    (project / "parts").mkdir()
    (project / "parts" / "__init__.py").write_text("import helpers")
    (project / "parts" / "one.py").write_text("import decimal as d\nfrom . import two")
    cells = [{"cell_type": "code", "source": "import helpers, numbers"}]
    assert preload.chosen(Project(project, ""), cells, project) == ["decimal", "fractions", "numbers"]
    assert preload.chosen(Project(project, ""), cells) == ["helpers", "numbers"]
