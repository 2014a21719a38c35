"""Forms in real kernels: live for a front end, static for whatever executes notebooks."""

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from nbmlops.magics import magics

LIMIT_S = 120
VIEW = "application/vnd.jupyter.widget-view+json"
FORMS = [f"%{name}" for name, magic in magics().items() if magic.form]
BEGUN = """%load_ext nbmlops
import pandas as pd
from sklearn.linear_model import LogisticRegression
april = pd.DataFrame({"x": range(100), "late": [0, 1] * 50})
model = LogisticRegression().fit(april[["x"]], april.late)
"""


class FrontEnd:
    """A client that names the cell it runs, as JupyterLab does, and presses buttons."""

    def __init__(self, folder, monkeypatch):
        monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=str(folder))
        self.models = {}

    def send(self, kind, content, metadata=None):
        message = self.client.session.msg(kind, content, metadata=metadata)
        self.client.shell_channel.send(message)
        return self.until_idle(message["header"]["msg_id"])

    def until_idle(self, asked):
        """Return what the kernel said until it had done what was asked."""
        said = []
        while True:
            message = self.client.get_iopub_msg(timeout=LIMIT_S)
            kind, content = message["msg_type"], message["content"]
            if kind == "comm_open":
                self.models[content["comm_id"]] = content["data"].get("state", {})
            mine = message["parent_header"].get("msg_id") == asked
            if kind == "status" and content["execution_state"] == "idle" and mine:
                return said
            said.append((kind, content, message["parent_header"].get("msg_id")))

    def run(self, code, cell="a"):
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        return self.send("execute_request", content, {"cellId": cell} if cell else {})

    def press(self, words):
        (model,) = [one for one, state in self.models.items() if state.get("description") == words]
        return self.send("comm_msg", {"comm_id": model, "data": {"method": "custom", "content": {"event": "click"}}})


@pytest.fixture
def front_end(project, monkeypatch):
    made = FrontEnd(project, monkeypatch)
    yield made
    made.client.stop_channels()
    made.manager.shutdown_kernel()


def shown(said, kind="execute_result"):
    return [content["data"] for one, content, _ in said if one == kind]


def test_a_front_end_gets_the_live_form_with_the_static_one_beside_it(front_end):
    front_end.run(BEGUN)
    for magic in FORMS:
        (bundle,) = shown(front_end.run(magic))
        assert VIEW in bundle
        assert "Type: " in bundle["text/plain"]
    (bundle,) = shown(front_end.run("%register", cell=None))
    assert VIEW not in bundle


def test_what_a_form_shows_is_kept_below_its_cell(front_end):
    front_end.run(BEGUN)
    said = front_end.run("%nbmlops register")
    cell = said[-1][2]
    front_end.run("form = Out[2]\nform.inputs['name'].value = 'late'")
    said = front_end.press("Register")
    assert [parent for kind, _, parent in said if kind == "display_data"] == [cell, cell]
    ran, result = shown(said, "display_data")
    assert ran["text/plain"] == "Ran: %register model late"
    assert "late@1" in result["text/plain"]
    assert shown(front_end.press("Register"), "display_data") == []  # a double click
    said = front_end.run("print(form.result.ref, type(form.result).__name__)")
    assert [c["text"] for kind, c, _ in said if kind == "stream"] == ["late@1 ModelVersion\n"]


def test_the_second_result_takes_the_place_of_the_first(front_end):
    front_end.run(BEGUN + "may = april.assign(x=april.x + 500)\n")
    front_end.run("%drift")
    front_end.run("form = Out[2]")
    first = [c for kind, c, _ in front_end.press("Compare") if kind == "display_data"]
    front_end.run("form.inputs['target'].value = 'late'")
    second = [c for kind, c, _ in front_end.press("Compare") if kind == "update_display_data"]
    assert [c["transient"]["display_id"] for c in first] == [c["transient"]["display_id"] for c in second]
    assert "--target late" in second[0]["data"]["text/plain"]


def test_track_runs_a_cell_and_its_card_is_below_the_form(front_end):
    front_end.run(BEGUN)
    front_end.run("C = 0.5\nfitted = LogisticRegression(C=C).fit(april[['x']], april.late)\nprint('fitted')")
    said = front_end.run("%track")
    cell = said[-1][2]
    front_end.run("form = Out[3]\nform.inputs['experiment'].value = 'forest'")
    said = front_end.press("Track")
    cards = [(c["data"], parent) for kind, c, parent in said if kind == "display_data"]
    assert [parent for _, parent in cards] == [cell]
    assert cards[0][0]["text/plain"].startswith("forest: finished")
    assert ("fitted\n", cell) in [(c["text"], parent) for kind, c, parent in said if kind == "stream"]


def test_a_cell_that_cannot_run_is_one_line_and_no_run(front_end):
    front_end.run(BEGUN)
    front_end.run("import asyncio\nwaited = await asyncio.sleep(0, 5)")
    front_end.run("%track")
    front_end.run("form = Out[3]\nform.inputs['experiment'].value = 'waits'")
    said = front_end.press("Track")
    assert [c for kind, c, _ in said if kind in ("error", "stream")] == []
    said = front_end.run("print(form.message.value)\nimport nbmlops as nb\nprint(len(nb.runs()))")
    (text,) = [c["text"] for kind, c, _ in said if kind == "stream"]
    assert "Type %%track waits above it." in text
    assert text.endswith("</div>\n0\n")


def test_the_hint_is_said_to_a_front_end_once(front_end):
    said = front_end.run("%load_ext nbmlops")
    assert next(c["text"] for kind, c, _ in said if kind == "stream").startswith("nbmlops: begin a cell with")
    said = front_end.run("%unload_ext nbmlops\n%load_ext nbmlops")
    assert [c for kind, c, _ in said if kind == "stream"] == []


def test_a_notebook_that_is_executed_keeps_no_widget(project, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(project / "ipython"))
    cells = [nbformat.v4.new_code_cell(source) for source in (BEGUN, *FORMS)]
    node = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(node, kernel_name="python3", timeout=LIMIT_S).execute()
    assert "widgets" not in node.metadata
    assert node.cells[0].outputs == []  # no hint
    for cell in node.cells[1:]:
        (output,) = cell.outputs
        assert VIEW not in output.data
        assert "Type: " in output.data["text/plain"]


def test_a_job_keeps_no_widget_even_for_a_client_that_names_its_cells(front_end):
    front_end.run("import os\nos.environ['NBMLOPS_RUN_ID'] = '0190'\n%load_ext nbmlops")
    (bundle,) = shown(front_end.run("%drift"))
    assert VIEW not in bundle
