"""What tests of the server write, track and are refused."""

from __future__ import annotations

import json

import nbformat
import pytest
from tornado.httpclient import HTTPClientError

from nbmlops.tracking import session


def written(path, *cells, parameters=None):
    """Write a notebook with these code cells, the first of them its parameters where there are some."""
    made = [nbformat.v4.new_code_cell(source) for source in cells]
    if parameters is not None:
        made.insert(0, nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=kernel), path)
    return path


def tracked(name: str, notebook: str = "nb.ipynb", params=None, **metrics):
    """Track a cell's run; a list of values is logged one after the other."""
    set_to = {"C": 0.5} if params is None else params
    run = session.start(name, kind="cell", notebook=notebook, cell_id="c1", params=set_to, source="C = 0.5")
    for key, value in metrics.items():
        for one in value if isinstance(value, list) else [value]:
            session.log({key: one})
    session.finish(run)
    return run.run_id


async def refused(asked) -> tuple[int, str]:
    """Return status, and message with hint, of an answer that says no."""
    code, said = await refusal(asked)
    return code, f"{said['message']} {said['hint']}".strip()


async def refusal(asked):
    with pytest.raises(HTTPClientError) as caught:
        await asked
    said = json.loads(caught.value.response.body)
    assert set(said) == {"message", "hint"}
    assert all("\n" not in text for text in said.values())
    return caught.value.code, said
