"""``nbmlops serve`` as it is typed: one line and an exit code where it does not start."""

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.cli.serve import _bytes
from nbmlops.serving import command


@pytest.fixture
def late(project, model, held_out):
    nb.evaluate(model, held_out, target="late")
    return nb.register(model, "late")


@pytest.fixture
def typed(monkeypatch):
    """Type the command; return (exit code, stderr, what would have been served)."""
    served = []
    monkeypatch.setattr(command, "_run", lambda *what: served.append(what))

    def run(*words):
        answer = CliRunner().invoke(main, ["serve", *words])
        return answer.exit_code, answer.stderr, served

    return run


def test_a_model_that_is_known(late, typed):
    code, err, served = typed("late", "--port", "0", "--log", "audit")
    assert (code, err) == (0, "")
    _, found, log, host, port = served[0]
    assert (found.version.ref, log.mode, log.inputs, host, port) == ("late@1", "audit", True, "127.0.0.1", 0)


def test_settings_of_the_project_count(late, typed, project, monkeypatch):
    from nbmlops.tracking import session

    (project / "nbmlops.toml").write_text("[predictions]\ninputs = false\n")
    session.reset()
    assert typed("late")[2][-1][2].inputs is False
    assert typed("late", "--no-log")[2][-1][2].mode == "off"
    monkeypatch.setenv("NBMLOPS_DISABLED", "1")
    assert typed("late")[2][-1][2].mode == "off"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["early"], 5, "No model 'early'"),
        (["late@9"], 5, "Known: 1"),
        (["late", "--host", "0.0.0.0"], 3, "--token-env"),
        (["late", "--host", "::"], 3, "--token-env"),
        (["late", "--token-env", "UNSET_TOKEN"], 2, "UNSET_TOKEN"),
        (["late", "--max-bytes", "much"], 2, "10MB"),
        (["late", "--max-rows", "0"], 2, "--max-rows"),
        (["late", "--log", "loud"], 2, "loud"),
        (["late", "--port", "99999"], 2, "65535"),
    ],
)
def test_what_does_not_start_says_why_in_one_line(late, typed, words, code, says):
    found, err, served = typed(*words)
    assert (found, served) == (code, [])
    assert says in err
    assert "Traceback" not in err


def test_a_port_that_is_taken(late, monkeypatch):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = CliRunner().invoke(main, ["serve", "late", "--port", str(taken.getsockname()[1])])
    assert answer.exit_code == 2
    assert "taken" in answer.stderr


def test_sizes():
    assert [_bytes(text) for text in ("10MB", "500K", "1.5 G", "7", "2MiB", "3b")] == [
        10 * 2**20,
        500 * 2**10,
        int(1.5 * 2**30),
        7,
        2 * 2**20,
        3,
    ]
