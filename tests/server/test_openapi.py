"""The description of the addresses says what there is, and nothing else."""

from __future__ import annotations

import json
import re

import jsonschema

from asked import description
from nbmlops.server import handlers

VERBS = ("get", "post", "put", "patch", "delete", "head")


def test_addresses_and_verbs_are_those_that_are_served():
    served = {f"/{name}": {v for v in VERBS if v in vars(handler)} for name, handler in handlers.ADDRESSES.items()}
    assert {path: set(verbs) for path, verbs in description()["paths"].items()} == served


def test_the_version_is_the_servers():
    assert int(description()["info"]["version"]) == handlers.API
    assert description()["components"]["schemas"]["Status"]["properties"]["api"]["const"] == handlers.API


def test_every_part_that_is_named_is_there_and_is_used():
    named = set(re.findall(r'"#/components/(\w+/\w+)"', json.dumps(description())))
    there = {f"{part}/{name}" for part, found in description()["components"].items() for name in found}
    assert named - there == set()
    assert there - named == {"schemas/Error"}


def test_every_schema_is_one():
    for schema in description()["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_names_in_an_address_are_no_more_than_one_part_of_it():
    for pattern, _ in handlers.routes("/"):
        assert not re.fullmatch(pattern, "/nbmlops/api/runs/a/b")
        assert not re.fullmatch(pattern, "/nbmlops/api/models/../../x")


def test_a_word_of_its_own_wins_over_a_name():
    order = list(handlers.ADDRESSES)
    assert order.index("jobs/events") < order.index("jobs/{run_id}")
