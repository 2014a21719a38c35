"""Several people answer and promote at once: what moves an alias counts the answers again in its own transaction."""

import multiprocessing
import os

import pytest

import nbmlops as nb
from nbmlops.errors import NotAllowed
from nbmlops.governance import promotion
from nbmlops.store import events
from nbmlops.tracking import session

from .conftest import ANN, KIM, MO, SAM, both

FORK = multiprocessing.get_context("fork")  # what is imported already need not be read again


def says():
    return nb.approve("late@1").given[-1]["state"]


def moves():
    return nb.promote("late", 1, to="champion", reason="first").version


def at_once(*people):
    """Let people act in processes of their own at the same time; return what each got, or the line that refused it."""
    told = FORK.SimpleQueue()
    started = [FORK.Process(target=one, args=(told, place, *what)) for place, what in enumerate(people)]
    for process in started:
        process.start()
    found = dict(told.get() for _ in started)
    for process in started:
        process.join(60)
    return [found[place] for place in range(len(people))]


def one(told, place, name, act, more):
    os.environ |= {"JUPYTERHUB_USER": name} | more
    session.reset()
    try:
        told.put((place, act()))
    except Exception as error:
        told.put((place, str(error)))


def answers():
    with session.store().reading() as connection:
        assert events.verify(connection) is None
        return {e["actor"] for e in events.listed(connection) if e["action"] == "approve"}


def test_a_refusal_that_arrives_while_somebody_promotes_stops_it(judged, who, monkeypatch):
    both(who)
    loadable = promotion.models.check_loadable

    def meanwhile(version):
        loadable(version)
        who(MO)
        nb.approve("late@1", outcome="rejected", comment="wait")
        who(SAM)

    who(SAM)
    monkeypatch.setattr(promotion.models, "check_loadable", meanwhile)
    with pytest.raises(NotAllowed, match=r"another answer of mo@example.org \(expert\), who said: rejected"):
        nb.promote("late", 1, to="champion", reason="first")
    assert not nb.model_version("late@1").aliases


def test_two_approve_and_one_promotes_in_one_file(judged, who):
    told = at_once((ANN, says, {}), (KIM, says, {}), (SAM, moves, {}))
    assert told[:2] == ["valid", "valid"]
    assert answers() == {ANN, KIM}
    assert told[2] == 1 or "lacks" in told[2]  # whoever came first
    who(SAM)
    assert nb.promote("late", 1, to="champion", reason="first").decision["approvals"]


def test_two_approve_and_one_promotes_on_a_server(project, postgres, monkeypatch, fit, held_out, needed):
    psycopg = needed("psycopg")

    address = postgres()
    plain = address.replace("+psycopg", "")
    names = [f"{name}_{os.getpid()}" for name in ("ann", "kim", "sam")]
    with psycopg.connect(plain, autocommit=True) as server:
        for name in names:
            server.execute(f"CREATE ROLE {name} LOGIN SUPERUSER")
    ann, kim, sam = names
    try:
        monkeypatch.setenv("NBMLOPS_STORE", address)
        session.reset()
        policy = "{approvals: 2, roles: [manager, expert], each: true}"
        (project / "charter.yaml").write_text(
            f"roles: {{manager: [{ann}], expert: [{kim}]}}\npromotes: reason\npolicy: {{champion: {policy}}}\n"
        )
        with nb.run("late"):
            model = fit("age")
            nb.evaluate(model, held_out, target="late")
            nb.register(model, "late")
        nb.report("late@1")
        of = {name: {"NBMLOPS_STORE": address.replace("postgres@", f"{name}@")} for name in names}
        told = at_once((MO, says, of[ann]), (MO, says, of[kim]), (MO, moves, of[sam]))
        assert told[:2] == ["valid", "valid"]
        assert answers() == {ann, kim}  # the account, whatever JupyterHub says
        assert told[2] == 1 or "lacks" in told[2]
        assert nb.promote("late", 1, to="champion", reason="first").decision["approvals"]
    finally:
        session.store().close()
        with psycopg.connect(plain, autocommit=True) as server:
            for name in names:
                server.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
