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
    assert {path: set(about) - {"parameters"} for path, about in description()["paths"].items()} == served


def test_the_version_is_the_servers():
    assert int(description()["info"]["version"]) == handlers.API
    assert description()["components"]["schemas"]["Status"]["properties"]["api"]["const"] == handlers.API


def test_every_part_that_is_named_is_there_and_is_used():
    named = set(re.findall(r'"#/components/(\w+/\w+)"', json.dumps(description())))
    there = {f"{part}/{name}" for part, found in description()["components"].items() for name in found}
    assert named - there == set()
    assert there - named == set()


def test_names_in_an_address_and_what_each_takes_are_declared():
    for path, about in description()["paths"].items():
        names = ["notebook", *re.findall(r"\{(\w+)\}", path)]
        assert about["parameters"] == [{"$ref": f"#/components/parameters/{name}"} for name in names]
    for name, about in description()["components"]["parameters"].items():
        assert about["in"] in ("query", "path", "header"), name
        assert about.get("required", False) == (about["in"] == "path"), name


def test_every_verb_says_what_it_refuses_and_a_post_how_it_is_done_once():
    for verbs in description()["paths"].values():
        for verb, about in verbs.items():
            if verb in VERBS:
                assert {"4XX", "5XX"} < set(about["responses"])
                asks_once = {"$ref": "#/components/parameters/once"} in about.get("parameters", [])
                assert asks_once == (verb == "post")


def objects(schema, at):
    """Yield every schema of an object with where it stands."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" or (isinstance(schema.get("type"), list) and "object" in schema["type"]):
            yield at, schema
        for key, value in schema.items():
            yield from objects(value, f"{at}.{key}")
    if isinstance(schema, list):
        for value in schema:
            yield from objects(value, at)


def test_a_field_that_is_new_in_an_answer_would_be_noticed():
    free = {"View.properties.data", "Start.properties.parameters"}  # docs of the kinds, and the notebook, say these
    for name, schema in description()["components"]["schemas"].items():
        for at, found in objects(schema, name):
            closed = found.get("additionalProperties") is False or isinstance(found.get("additionalProperties"), dict)
            assert closed == (at not in free), at
            if found.get("additionalProperties") is False:
                assert set(found.get("required", ())) <= set(found["properties"]), at


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
