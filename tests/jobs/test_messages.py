"""What a user asked of us and got wrong stops the notebook, and papermill's own message carries the reason."""

import nbformat
import papermill
import pytest

FRAMES = "import pandas as pd\nleft = pd.DataFrame({'a': range(300)})\nright = pd.DataFrame({'b': range(300)})"
WRONG = {
    "an unknown flag": ("%%track forest --colour red\nx = 1", "unrecognized arguments: --colour red"),
    "no name": ("%%track\nx = 1", "required: NAME"),
    "no model": ("%register left late-flights", "DataFrame"),
    "no such variable": ("%register lef late-flights", "lef"),
    "no common column": ("%drift left --against right", "no column in common"),
    "no such model": ("%drift left --against late-flights@champion", "No model 'late-flights'"),
    "no such run": ("%compare forest logistic", "No run or experiment 'forest'"),
    "no reason": ("%promote late-flights 1 --to champion", "--reason"),
    "no such rules": ("%check left --rules flights --strict", "No rules 'flights'"),
    "a query": ('%runs "status >"', "cannot be read"),
    "the user's own": ("%%track bad\n1 / 0", "ZeroDivisionError"),
}


@pytest.mark.parametrize("wrong", list(WRONG))
def test_the_reason_is_in_papermills_message_and_no_later_cell_runs(project, wrong):
    source, reason = WRONG[wrong]
    cells = [
        "%load_ext nbmlops\nimport nbmlops as nb\nwith nb.run('any', params={'auc': 1}):\n    pass",
        FRAMES,
        source,
    ]
    cells.append("open('later.txt', 'w').close()")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, "wrong.ipynb")
    with pytest.raises(papermill.PapermillExecutionError) as caught:
        papermill.execute_notebook("wrong.ipynb", "out.ipynb", engine_name="nbmlops", progress_bar=False)
    assert reason.lower() in str(caught.value).lower()
    assert not (project / "later.txt").exists()
    executed = nbformat.read("out.ipynb", as_version=4)
    statuses = [c.metadata.papermill.status for c in executed.cells if "papermill" in c.metadata]
    assert [s for s in statuses if s in ("failed", "not_run")] == ["failed", "not_run"]
