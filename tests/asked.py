"""What tests of the server write, track and are refused; every answer is held against the server's own description."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources

import jsonschema
import nbformat
import pytest
import yaml
from jupyter_server.auth import IdentityProvider, User
from tornado.httpclient import HTTPClientError

from nbmlops.tracking import session

FILE = "nb.ipynb"
REFUSED = (400, 403, 404, 409, 500, 503)  # what openapi.yaml and docs/server.md explain


class Company(IdentityProvider):
    """An identity provider as a company writes one: who asks is said by its gateway, in a header."""

    def get_user(self, handler):
        name = handler.request.headers.get("X-User")
        return User(username=name, name=name) if name else self.generate_anonymous_user(handler)

    def is_token_authenticated(self, handler):
        return True


@cache
def description():
    """Return ``openapi.yaml`` as it is shipped."""
    return yaml.safe_load(resources.files("nbmlops.server").joinpath("openapi.yaml").read_text(encoding="utf-8"))


def schema_of(verb, path, status):
    """Return the schema of an answer: of the address without names in it that fits, else of the one with names."""
    addresses = sorted(description()["paths"], key=lambda address: address.count("{"))
    pattern = {a: re.sub(r"\{\w+\}", "[^/]+", a) for a in addresses}
    address = next(a for a in addresses if re.fullmatch(pattern[a], "/" + path))
    answers = description()["paths"][address][verb]["responses"]
    found = answers[str(status) if str(status) in answers else f"{status // 100}XX"]
    name = found["$ref"].rpartition("/")[2]
    return description()["components"]["responses"][name]["content"]["application/json"]["schema"]


def fits(answer, schema):
    """Fail where an answer is not as the server describes it."""
    jsonschema.Draft202012Validator({**schema, "components": description()["components"]}).validate(answer)


def written(path, *cells, parameters=None):
    """Write a notebook with these code cells, the first of them its parameters where there are some."""
    made = [nbformat.v4.new_code_cell(source) for source in cells]
    if parameters is not None:
        made.insert(0, nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=kernel), path)
    return path


def tracked(name: str, notebook: str = FILE, params=None, tags=None, **metrics):
    """Track a cell's run; a list of values is logged one after the other."""
    set_to = {"C": 0.5} if params is None else params
    run = session.start(name, kind="cell", notebook=notebook, cell_id="c1", params=set_to, tags=tags, source="C = 0.5")
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
    """Return status and what was said; each part is one line."""
    with pytest.raises(HTTPClientError) as caught:
        await asked
    said, request = json.loads(caught.value.response.body), caught.value.response.request
    path = request.url.partition("/nbmlops/api/")[2].partition("?")[0] or "status"  # the page of a report errs likewise
    fits(said, schema_of(request.method.lower(), path, caught.value.code))
    assert caught.value.code in REFUSED
    assert all("\n" not in text for text in said.values())
    return caught.value.code, said
