"""Credentials are masked; what merely looks like one is not."""

import pytest

from nbmlops.capture.secrets import MASK, is_secret_name, redact, redact_value


@pytest.mark.parametrize(
    "text",
    [
        'password = "hunter2abc"',
        "os.environ['API_KEY'] = 'hunter2abc'",
        "connect('mysql://root:hunter2abc@host/db')",
        'dict(secret="hunter2abc")',
        '{"access_token": "hunter2abc"}',
    ],
)
def test_a_literal_secret_is_masked(text):
    assert "hunter2abc" not in redact(text)
    assert MASK in redact(text)


def test_known_shapes_are_masked_wherever_they_stand():
    key = "AKIA" + "ABCDEFGHIJKLMNOP"
    assert key not in redact(f"see {key} there")


@pytest.mark.parametrize("name", ["num_memory_tokens", "max_tokens", "tokenizer", "n_tokens", "secretary", "keyboard"])
def test_ordinary_names_are_left_alone(name):
    assert not is_secret_name(name)
    assert redact_value(name, 512) == 512


def test_nested_values_are_masked_by_their_key():
    assert redact_value("config", {"db": {"password": "x", "port": 5}}) == {"db": {"password": MASK, "port": 5}}


@pytest.mark.parametrize(
    "text",
    [
        'token: str = "hunter2abc"',
        'password = f"hunter2abc"',
        'password = ("hunter2abc")',
        'secret = """hunter2abc"""',
        "headers = {'Authorization': 'Bearer hunter2abc'}",
        "Authorization: Basic hunter2abc==",
        "run --password=hunter2abc now",
        "AccountKey=hunter2abc;",
        "https://host/x?token=hunter2abc&y=1",
        "sk_live_" + "hunter2abc0",
    ],
)
def test_more_ways_to_write_a_secret(text):
    assert "hunter2abc" not in redact(text)
