"""Accounts on a real PostgreSQL: each does the work of its role, and no account can lie to the log."""

import hashlib
import json
import os
import subprocess
import sys
import threading

import pandas as pd
import pytest

import nbmlops as nb
import servers
from accounts import direct, groups, of, refused
from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable
from nbmlops.governance.approval import override
from nbmlops.records import now
from nbmlops.registry.review import reviews
from nbmlops.report.agenda.gathered import _events as agenda_events
from nbmlops.store import events, flags, grants, models
from nbmlops.store.database import as_json
from nbmlops.store.tables import metadata
from nbmlops.tracking import session
from nbmlops.tracking.actor import actor

pytestmark = [pytest.mark.postgres, pytest.mark.sqlite]  # once: each asks for its own server


def registered(fit, held_out, name="late"):
    with nb.run("forest"):
        model = fit("age")
        nb.evaluate(model, held_out, target="late")
        return nb.register(model, name)


def test_each_role_does_its_work_and_the_log_says_who(team, fit, held_out):
    team("ann")
    version = registered(fit, held_out)
    assert (version.version, version.owner) == (1, "ann")
    with pytest.raises(NotAllowed, match=r"ann may not record alias.*store grant ROLE ann"):
        nb.promote("late", 1, to="champion", reason="mine")
    team("bob")
    assert nb.promote("late", 1, to="champion", reason="good").aliases == ("champion",)
    with pytest.raises(NotAllowed, match="bob may not record register"):
        registered(fit, held_out)
    store = team("eve")
    assert nb.models().name.tolist() == ["late"]
    assert len(nb.runs()) == 2  # bob tracked one too
    with store.reading() as connection:
        told = [(e["action"], e["actor"], e["known_by"]) for e in events.listed(connection)]
        assert events.verify(connection) is None
    assert told == [
        *[("grant", "postgres", "database")] * 3,
        ("register", "ann", "database"),
        ("alias", "bob", "database"),
    ]


def as_role(group, statement):
    """Return a statement about a group of the store, whatever the store's roles are called."""
    before, after = statement.split("{}")
    found = f"SELECT rolname FROM pg_roles WHERE rolname ~ '{group}$' LIMIT 1"
    return f"DO $$ BEGIN EXECUTE '{before}' || ({found}) || '{after}'; END $$"


HOSTILE = {
    "insert an event": "INSERT INTO events SELECT 99, at, 'bob', known_by, action, subject, data, hash, '' FROM events",
    "change an event": "UPDATE events SET actor = 'bob'",
    "delete an event": "DELETE FROM events",
    "cut the log": "TRUNCATE events",
    "register without the function": "INSERT INTO model_versions SELECT * FROM model_versions",
    "change a version": "UPDATE model_versions SET digest = repeat('0', 64)",
    "take a version over": "UPDATE model_versions SET owner = 'bob'",
    "trust another type": "UPDATE model_versions SET trusted = '[\"os.system\"]'",
    "delete a version": "DELETE FROM model_versions",
    "flag without the function": "INSERT INTO flags SELECT * FROM flags",
    "close a flag": "UPDATE flags SET state = 'closed'",
    "move an alias": "SELECT nbmlops_event('alias', 'late@champion', '{\"version\": 1}')",
    "approve": "SELECT nbmlops_event('approve', 'late@1', '{\"outcome\": \"approved\"}')",
    "grant": "SELECT nbmlops_event('grant', 'ann', '{\"role\": \"owner\"}')",
    "register by an event": "SELECT nbmlops_event('register', 'late@9', '{}')",
    "flag by an event": "SELECT nbmlops_event('flag', 'late@1', '{}')",
    "an action nobody knows": "SELECT nbmlops_event('crown', 'ann', '{}')",
    "append past the check": "SELECT nbmlops_append('alias', 'late@champion', '{\"version\": 1}')",
    "replace a function": "CREATE OR REPLACE FUNCTION nbmlops_may(text[], text) RETURNS void LANGUAGE sql AS ''",
    "take a function over": "ALTER FUNCTION nbmlops_event OWNER TO CURRENT_USER",
    "drop a function": "DROP FUNCTION nbmlops_event",
    "set a function's path": "ALTER FUNCTION nbmlops_event SET search_path = pg_temp",
    "make a table in the schema": "CREATE TABLE public.other (a int)",
    "make a function in the schema": "CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    "shut off the trigger": "ALTER TABLE results DISABLE TRIGGER ALL",
    "shut off the policy": "ALTER TABLE meta DISABLE ROW LEVEL SECURITY",
    "be the keeper": as_role("keeper", "SET ROLE {}"),
    "be another account": "SET SESSION AUTHORIZATION bob",
    "join a group": as_role("decide", "GRANT {} TO ann"),
    "write a new chain": "INSERT INTO meta VALUES ('chain', 'x')",
    "another result": 'UPDATE results SET data = \'{"verdict": "better"}\'',
    "delete a result": "DELETE FROM results",
    "change a report": "UPDATE reports SET digest = repeat('0', 64)",
    "change who said it": "UPDATE feedback SET actor = 'bob'",
    "read files of the server": "SELECT pg_read_file('postgresql.conf')",
}
SILENT = {  # a policy hides the rows from a change, and says nothing
    "move the head": "UPDATE meta SET value = '1 ' || repeat('0', 64) WHERE key = 'head'",
    "change the chain": "UPDATE meta SET value = 'x' WHERE key = 'chain_id'",
    "forget the functions": "UPDATE meta SET value = '' WHERE key = 'governed'",
}


@pytest.fixture
def ann(team, owned):
    """The scientist's account outside nbmlops, in a store with a version, a flag, a result and an alias."""
    version(team("ann"))
    flagged(session.store())
    with team("bob").atomic() as change:
        models.set_alias(change, "late", "challenger", 1, {"reason": "good"}, actor())
    with direct(of(owned, "ann")) as connection:
        connection.execute("INSERT INTO results VALUES ('r', NULL, 'gate', 'late@1', '2026', '{}')")
        yield connection


def version(store):
    """Register a version whose file nobody reads."""
    row = {"name": "late", "digest": "d" * 64, "format": "skops", "estimator": "Tree", "run_id": None}
    row |= {
        "signature": {"columns": {}},
        "owner": actor()[0],
        "created_at": "2026-01-01T00:00:00.000000+00:00",
        "metrics": {},
        "evaluation": None,
    }
    with store.atomic() as change:
        models.add_version(change, row | {"profile": None, "environment": None, "size_bytes": 1}, [], actor())


def flagged(store, flag_id="f1", author=None):
    who = actor()
    row = {"flag_id": flag_id, "subject": "late@1", "kind": "model", "severity": "notice", "role": None, "owner": "ann"}
    row |= {"author": author or who[0], "at": now(), "closed_at": None}
    with store.atomic() as change:
        flags.add(change, [row | {"said": {"text": "wh\u00fd?", "question": True}}], who)


def state(owned):
    with direct(owned) as connection:
        tables = ("events", "model_versions", "flags", "meta", "results", "reports", "feedback")
        return {t: connection.execute(f"SELECT * FROM {t} ORDER BY 1, 2").fetchall() for t in tables}


def refusal(connection, statement):
    """Return how the server refuses a statement, or what it did instead."""
    import psycopg

    try:
        return f"done: {connection.execute(statement).rowcount} rows"
    except psycopg.Error as error:
        return error.sqlstate


def test_what_an_account_cannot(ann, owned, team):
    before = state(owned)
    for what, statement in HOSTILE.items():
        assert refusal(ann, statement) in ("42501", "NBM01"), what
    for what, statement in SILENT.items():
        assert refusal(ann, statement) == "done: 0 rows", what
    assert state(owned) == before
    ann.execute("GRANT SELECT, INSERT ON runs TO PUBLIC")  # the server warns only
    with direct(owned) as connection:
        connection.execute("CREATE ROLE pat LOGIN")
    with direct(of(owned, "pat")) as connection:
        assert refusal(connection, "SELECT * FROM runs") == "42501"


def test_nothing_of_a_callers_is_found_by_a_function(ann, owned, team):
    """Tables, functions and operators of the caller's own, first on its path, are not what a function uses."""
    ann.execute(
        "CREATE TEMP TABLE events (LIKE public.events); CREATE TEMP TABLE meta (LIKE public.meta);"
        "CREATE TEMP TABLE pg_roles (rolname name);"
        "CREATE FUNCTION pg_temp.pg_has_role(name, name, text) RETURNS bool LANGUAGE sql AS 'SELECT true';"
        "CREATE FUNCTION pg_temp.to_json(text) RETURNS json LANGUAGE sql AS $$SELECT '\"forged\"'::json$$;"
        "INSERT INTO pg_temp.meta VALUES ('chain_id', 'mine'); SET search_path = pg_temp, public, pg_catalog"
    )
    with pytest.raises(Exception, match="ann may not record alias"):
        ann.execute("SELECT public.nbmlops_event('alias', 'late@champion', '{}')")
    ann.execute("SELECT public.nbmlops_event('advice', 'late@1', '{}')")
    with team("eve").reading() as connection:
        assert events.listed(connection)[-1]["actor"] == "ann"
        assert events.verify(connection) is None


def test_a_name_given_to_a_function_is_not_believed(ann, team):
    team("ann")
    store = session.store()
    with store.atomic() as change:
        change.event("advice", "late@1", {}, ("bob", "database"))
    with store.reading() as connection:
        assert events.listed(connection)[-1]["actor"] == "ann"
    with pytest.raises(NotAllowed, match="ann may not flag in the name of bob"):
        flagged(store, "f2", author="bob")
    row = dict(ann.execute("SELECT row_to_json(v) FROM model_versions v").fetchone()[0])
    call = "SELECT nbmlops_register(%s, %s)"
    with pytest.raises(Exception, match="ann may not register in the name of bob"):
        ann.execute(call, (as_json(row | {"owner": "bob"}), as_json(row)))
    with pytest.raises(Exception, match="says another file or owner"):
        ann.execute(call, (as_json(row), as_json(row | {"digest": "0" * 64})))
    with pytest.raises(Exception, match="is a JSON object"):
        ann.execute("SELECT nbmlops_event('advice', 'late@1', '3')")
    assert len(nb.models()) == 1


def test_what_was_said_stays_and_each_answers_in_their_own_name(ann, team):
    store = team("eve")
    said = {"at": now(), "author": "eve", "known_by": "database", "text": "because", "state": "answered"}
    with store.atomic() as change:
        flags.answer(change, "f1", said, said["at"], actor())
    (found,) = flags.listed(store)
    assert (found["state"], [a["text"] for a in found["data"]["thread"]]) == ("answered", ["because"])
    one, other = as_json(found["data"]), as_json({**found["data"], "said": {"text": "never mind"}})
    forged = as_json({**found["data"], "thread": [*found["data"]["thread"], {**said, "author": "bob"}]})
    for content in (one, other, forged):
        with pytest.raises(Exception, match="An answer adds to what was said"):
            ann.execute("SELECT nbmlops_answer('f1', 'closed', NULL, %s, '{}')", (content,))


def test_who_answers_for_somebody_else_is_a_steward_and_says_so(team, owned):
    grants.grant(session.store(), "steward", "sam", actor())
    call = "SELECT nbmlops_event('approve', 'late@1', %s)"
    cases = (
        ("bob", "eve", "bob", "bob may not record the answer of somebody else"),
        ("bob", "eve", None, "bob may not"),
    )
    for who, by, entered, says in (*cases, ("sam", "eve", None, "says who entered"), ("sam", "eve", "bob", "says who")):
        with direct(of(owned, who)) as connection, pytest.raises(Exception, match=says):
            connection.execute(call, (as_json({"by": by, "entered_by": entered}),))
    for who, by, entered in (("bob", "bob", None), ("bob", None, None), ("sam", "eve", "sam")):
        with direct(of(owned, who)) as connection:
            connection.execute(call, (as_json({"by": by, "entered_by": entered}),))


def test_an_alias_holds_a_version_against_deletion(ann, team):
    with pytest.raises(Exception, match="An alias of late points to one of these"):
        ann.execute("SELECT nbmlops_stamp('late', ARRAY[1], true, '{\"versions\": [1]}')")
    with pytest.raises(Exception, match="Somebody else changed the versions of late"):
        ann.execute("SELECT nbmlops_stamp('late', ARRAY[7], true, '{\"versions\": [7]}')")


def test_an_account_that_decides_nothing_takes_no_alias_away(team, fit):
    team("ann")
    nb.register(fit("age"), "late")
    team("bob")
    nb.promote("late", 1, to="champion", reason="first")
    team("ann")
    with pytest.raises(NotAllowed, match="ann may not record alias"):
        nb.retire("late", reason="nobody asks")
    team("bob")
    assert nb.retire("late", reason="nobody asks").decision["actor"] == "bob"


def test_deleted_and_brought_back(team):
    version(team("ann"))
    nb.delete("late@1", reason="wrong rows")
    assert len(nb.models()) == 0
    nb.restore("late@1")
    assert len(nb.models()) == 1


ODD = "q\"uo\\te\b\f\n\r\t\x01\x1f\x7f/ \u00fc\u4e2d\U0001f600\u2028 '%s' :x {y}"


def test_the_same_text_has_the_same_hash_on_both_databases(team):
    """The chain that functions of the server made is verified by the code that makes it on SQLite."""
    store = team("ann")
    with store.atomic() as change:
        seq = change.event("advice", ODD, {"why": ODD, "n": [1, 2.5, None, True]}, actor())
        assert change.hash
    with store.reading() as connection:
        event = events.listed(connection)[-1]
        assert (event["seq"], event["subject"], event["data"]["why"]) == (seq, ODD, ODD)
        assert events.verify(connection) is None
    head = nb.export_audit("audit").head
    script = [sys.executable, "audit/verify.py", "--head", head]
    assert subprocess.run(script, capture_output=True).returncode == 0  # which knows nothing of databases


def test_a_head_that_was_cut_off_is_missed(team, owned):
    with direct(owned) as connection:
        connection.execute("DELETE FROM events WHERE seq = 3")
    store = team("ann")
    with store.atomic() as change:
        assert change.event("advice", "late@1", {}, actor()) == 4
    with store.reading() as connection:
        assert events.verify(connection) == 3


def test_two_accounts_at_once_make_one_chain(team, owned):
    start, faults = threading.Barrier(2), []

    def work(user):
        try:
            with direct(of(owned, user)) as connection:
                start.wait(20)
                for _ in range(25):
                    connection.execute("SELECT nbmlops_event('advice', 'late@1', '{}')")
        except Exception as error:
            faults.append(error)

    both = [threading.Thread(target=work, args=(user,)) for user in ("ann", "bob")]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    assert faults == []
    with team("eve").reading() as connection:
        told = events.listed(connection, action="advice")
        assert events.verify(connection) is None
    assert [e["seq"] for e in told] == list(range(4, 54))
    assert [e["actor"] for e in told].count("ann") == 25


def test_a_promotion_that_another_account_overtook_is_refused(team, fit, held_out, owned):
    team("ann")
    registered(fit, held_out)
    registered(fit, held_out)
    team("bob")
    with direct(of(owned, "bob")) as other, direct(owned) as watching:
        other.execute("BEGIN")
        other.execute("SELECT nbmlops_event('alias', 'late@champion', '{\"version\": 1}')")
        ends = threading.Thread(target=commits_when_waited_for, args=(other, watching))
        ends.start()
        with pytest.raises(Conflict):
            nb.promote("late", 2, to="champion", reason="mine")
        ends.join(60)
    assert nb.model_version("late@champion").version == 1


def commits_when_waited_for(connection, watching):
    waits = "SELECT pg_sleep(0.02), count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
    while not watching.execute(waits, (connection.info.dbname,)).fetchone()[1]:
        pass
    connection.execute("COMMIT")


def test_who_has_which_role_and_whom_none_binds(team, owned):
    store = team()
    rows = {(r["user"], r["role"]): r["fits"] for r in grants.grants(store)}
    assert rows == {
        ("ann", "scientist"): True,
        ("bob", "manager"): True,
        ("eve", "user"): True,
        ("postgres", "unbound"): True,
    }
    with direct(owned) as connection:
        connection.execute("CREATE ROLE pat LOGIN; CREATE ROLE max LOGIN; GRANT pg_write_all_data TO max")
        group = grants.install(store)["roles"]
        connection.execute(f"GRANT {group}_approve TO pat; REVOKE {group}_decide FROM bob")
    rows = {(r["user"], r["role"]): r["fits"] for r in grants.grants(store)}
    assert (rows["pat", "not in the log"], rows["bob", "manager"], rows["max", "unbound"]) == (False, False, True)


def test_a_role_is_taken_again(team, owned):
    import psycopg

    store = team()
    grants.grant(store, "expert", "ann", actor())
    assert grants.revoke(store, "scientist", "ann", actor())["left"] == ["expert"]
    assert ("ann", "expert", True) in {(r["user"], r["role"], r["fits"]) for r in grants.grants(store)}
    grants.revoke(store, "expert", "ann", actor())
    with direct(of(owned, "ann")) as connection, pytest.raises(psycopg.Error, match="permission denied"):
        connection.execute("SELECT * FROM runs")
    with pytest.raises(NotFound, match="ann has not got the role expert"):
        grants.revoke(store, "expert", "ann", actor())


REFUSED = [
    ("king", "ann", NotFound, "No role 'king'"),
    *[("expert", name, Invalid, "is no name of an account") for name in ("", 'a"b', "pg_monitor", "nbmlops_x", " a")],
    ("expert", "postgres", Conflict, "owns the tables or administers"),
]


def test_a_grant_that_is_refused_changes_nothing(team, owned):
    store, before = session.store(), state(owned)
    for role, user, kind, says in REFUSED:
        with pytest.raises(kind, match=says):
            grants.grant(store, role, user, actor())
    assert state(owned) == before


def test_an_odd_name_is_an_account_like_others(team, owned):
    from urllib.parse import quote

    for user in ("ann@example.org", "Grace Hopper", "o'neil", "50%:s;--"):
        grants.grant(session.store(), "expert", user, actor())
        with direct(owned.replace("postgres@", quote(user) + "@")) as connection:
            connection.execute("SELECT nbmlops_event('approve', 'late@1', '{}')")
        with session.store().reading() as connection:
            assert events.listed(connection)[-1]["actor"] == user


def test_only_the_owner_makes_accounts_and_installs(team):
    store = team("ann")
    for change in (lambda: grants.install(store), lambda: grants.grant(store, "owner", "ann", actor())):
        with pytest.raises(Exception, match=r"Only the owner|permission denied|may not record|must have admin option"):
            change()
    with store.reading() as connection:
        assert len(events.listed(connection)) == 3


def test_rights_given_by_hand_are_taken(project, owned, team):
    with direct(owned) as connection:
        connection.execute("CREATE ROLE old LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO old")
        connection.execute("GRANT UPDATE (data) ON events TO PUBLIC")
    assert grants.install(session.store())["revoked"] == ["old"]
    with direct(of(owned, "old")) as connection, pytest.raises(Exception, match="permission denied"):
        connection.execute("UPDATE events SET data = ''")


def test_an_owner_who_does_not_administer_the_server_gives_accounts(project, postgres, monkeypatch, version):
    address = postgres(version)
    with direct(address) as connection:
        connection.execute("CREATE ROLE boss LOGIN CREATEROLE")
        connection.execute(f"ALTER DATABASE {connection.info.dbname} OWNER TO boss")
    monkeypatch.setenv("NBMLOPS_STORE", of(address, "boss"))
    session.reset()
    try:
        grants.grant(session.store(), "expert", "zoe", actor())
        assert grants.install(session.store())["revoked"] == []
        with direct(of(address, "zoe")) as connection:
            connection.execute("SELECT nbmlops_event('approve', 'late@1', '{}')")
            assert refusal(connection, HOSTILE["change an event"]) == "42501"
            assert refusal(connection, HOSTILE["grant"]) == "NBM01"
        with session.store().reading() as connection:
            told = [(e["action"], e["actor"]) for e in events.listed(connection)]
            assert events.verify(connection) is None
        assert told == [("grant", "boss"), ("approve", "zoe")]
    finally:
        monkeypatch.setenv("NBMLOPS_STORE", address)
        session.reset()
        with direct(address) as connection:
            connection.execute(f"ALTER DATABASE {connection.info.dbname} OWNER TO postgres")
            mine = connection.execute("SELECT value FROM meta WHERE key = 'governed'").fetchone()[0]
            for name in ("zoe", *groups(json.loads(mine)["roles"]), "boss"):
                connection.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def pytest_generate_tests(metafunc):
    if "version" in metafunc.fixturenames:
        asked = os.environ.get("NBMLOPS_TEST_POSTGRES")
        metafunc.parametrize("version", servers.postgres_versions() if asked == "all" else [None])


def test_a_store_of_before_is_migrated_by_its_owner_who_renews_the_rights(team, owned):
    with direct(owned) as connection:
        connection.execute("DROP TABLE flags; UPDATE meta SET value = '8' WHERE key = 'schema'")
    for name in ("ann", ""):
        session.reset()
        store = team(name)
        store.close()
        store._engine = None
        if name:
            with pytest.raises(Unavailable, match="refuses"):
                store.engine  # noqa: B018
        else:
            with pytest.warns(RuntimeWarning, match="is brought to schema"):
                store.engine  # noqa: B018
    version(team("ann"))
    team("eve")
    flagged(session.store())
    assert [f["author"] for f in flags.listed(session.store())] == ["eve"]


def test_the_doctor_says_whether_people_have_accounts(owned, team):

    from click.testing import CliRunner

    from nbmlops.cli import main

    def says():
        lines = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).output)
        return next((line["word"], line["says"]) for line in lines if line["what"] == "accounts")

    assert says() == (
        "ok",
        f"one a person; what is governed is written by functions of the database, version {grants.VERSION}",
    )
    with direct(owned) as connection:
        connection.execute(
            "UPDATE meta SET value = regexp_replace(value, 'version.: \\d+', 'version\": 0') WHERE key = 'governed'"
        )
    assert says()[0] == "problem"
    with direct(owned) as connection:
        connection.execute("DELETE FROM meta WHERE key = 'governed'")
    assert "in any name" in says()[1]


def test_a_file_has_no_accounts(project):
    for use in (grants.install, grants.grants, lambda s: grants.grant(s, "expert", "ann", actor())):
        with pytest.raises(Invalid, match="Accounts are made in a store on PostgreSQL"):
            use(session.store())


def test_every_action_of_the_code_and_every_table_is_decided_on():
    import re
    from pathlib import Path

    root = Path(nb.__file__).parent
    by_function = {"register", "delete", "restore", "flag", "flag_answer", "alert_sent"}
    said = {a for p in root.rglob("*.py") for a in re.findall(r'\.event\(\s*"(\w+)"', p.read_text(encoding="utf-8"))}
    assert said - by_function <= set(grants.ACTIONS)
    assert not by_function & set(grants.ACTIONS)
    sql = (root / "store" / "governed.sql").read_text(encoding="utf-8")
    assert [t for t in metadata.tables if f"{{schema}}.{t}" not in sql] == []


def typed(*words):
    from click.testing import CliRunner

    from nbmlops.cli import main

    return CliRunner().invoke(main, ["store", *words])


def test_the_commands_say_the_same_as_the_functions(team, owned):

    assert json.loads(typed("grant", "--init", "--json").output)["version"] == grants.VERSION
    made = typed("grant", "scientist", "zoe")
    assert r"\password zoe" in made.output
    assert json.loads(typed("grant", "expert", "zoe", "--json").output) == {
        "user": "zoe",
        "role": "expert",
        "made": False,
    }
    assert json.loads(typed("grants", "--json").output) == grants.grants(session.store())
    assert typed("grants", "--csv").output.startswith("user,role,since,by,fits")
    assert "unbound" in typed("grants").output
    assert typed("grant", "expert", "zoe", "--revoke").output == "zoe is no expert any more.\n"


@pytest.mark.parametrize("words", [["grant"], ["grant", "expert"], ["grant", "--init", "expert", "ann"]])
def test_a_command_that_is_not_whole_is_refused(project, words):
    found = typed(*words)
    assert found.exit_code != 0
    assert "Name a role and an account, or --init alone." in found.output


def test_who_ran_it_is_known_by_what_they_claimed_though_another_registered_it(team, project, fit, held_out):
    """Runs say the name of git or JupyterHub: whose account that is, other events say."""
    from nbmlops.report.page import written

    for role in ("expert", "scientist"):
        grants.grant(session.store(), role, "kim", actor())
    (project / "charter.yaml").write_text(CHARTER)
    team("kim")
    nb.dataset("trips", held_out)  # an event, which has both names
    with nb.run("forest"):
        model = fit("age")
        nb.evaluate(model, held_out, target="late")
    team("ann")
    nb.register(model, "late")
    written("late@1")
    team("kim")
    with pytest.raises(NotAllowed, match=r"kim ran what made late@1, as kim@example\.org"):
        nb.approve("late@1", role="expert")


def test_an_account_does_not_answer_for_its_own_run_either(team, project, fit, held_out):
    grants.grant(session.store(), "expert", "kim", actor())
    grants.grant(session.store(), "scientist", "kim", actor())
    (project / "charter.yaml").write_text(CHARTER)
    team("kim")
    nb.dataset("trips", held_out)
    with nb.run("forest") as run:
        nb.log(roc_auc=0.7)
    nb.report(run.run_id, output=str(project / "forest.html"))
    with pytest.raises(NotAllowed, match=r"kim ran it, as kim@example\.org"):
        nb.approve(run.run_id, role="expert")


CHARTER = """
roles: {scientist: [ann], manager: [bob], expert: [kim, mo]}
promotes: reason
policy:
  champion: {approvals: 2, roles: [manager, expert], each: true, evidence: [report, evaluation], expires: 30d}
"""


def test_people_approve_and_promote_each_under_their_own_account(team, project, fit, held_out, owned):
    from nbmlops.report.page import written

    grants.grant(session.store(), "expert", "kim", actor())
    (project / "charter.yaml").write_text(CHARTER)
    team("ann")
    registered(fit, held_out)
    written("late@1")
    with pytest.raises(NotAllowed, match="ann"):
        nb.approve("late@1")
    team("kim")
    assert nb.approve("late@1", comment="reads well").missing == ("approval by manager (bob)",)
    team("eve")
    with pytest.raises(NotAllowed, match="eve"):
        nb.approve("late@1")
    team("bob")
    with pytest.raises(NotAllowed, match=r"late@1 lacks approval by manager \(bob\)"):
        nb.promote("late", 1, to="champion", reason="first")
    assert nb.approve("late@1").met
    assert nb.promote("late", 1, to="champion", reason="first").aliases == ("champion",)
    with session.store().reading() as connection:
        told = [(e["action"], e["actor"]) for e in events.listed(connection) if e["action"] in ("approve", "alias")]
        assert events.verify(connection) is None
    assert told == [("approve", "kim"), ("approve", "bob"), ("alias", "bob")]


def test_people_flag_and_answer_under_their_own_account(team):
    version(team("ann"))
    team("eve")
    asked = nb.flag("late@1", "Why is \u00dclm late?", severity="high")
    team("bob")
    nb.answer_flag(asked.flag_id, "It is not.", state="accepted")
    store = team("eve")
    (row,) = flags.listed(store)
    assert (row["author"], row["data"]["thread"][0]["author"]) == ("eve", "bob")
    with store.reading() as connection:
        assert [(e["action"], e["actor"]) for e in events.listed(connection)][-2:] == [
            ("flag", "eve"),
            ("flag_answer", "bob"),
        ]
        assert events.verify(connection) is None


def said(owned, user, action, subject, data):
    """Append an event past nbmlops; return how the server refuses it."""
    with direct(of(owned, user)) as connection:
        return refused(connection, "SELECT nbmlops_event(%s, %s, %s)", (action, subject, as_json(data)))


DEEP = '{"a": ' + "[" * 5000 + "]" * 5000 + "}"
EMPTY = {
    "charter": {},
    "condition_met": {},
    "anchor": {"where": 3},
    "approve": {"bound": {"a": 1}, "report": 3},
    "override_reviewed": {},
    "alias": {},
    "handover": {},
    "decision": {"decision": ["stop"]},
    "question_verdict": {},
    "dataset": {},
    "review": {"digest": "x"},
}


def test_an_event_that_says_nothing_is_refused(ann, owned, team):
    for user, role in (("ann", "ml_engineer"), ("bob", "expert")):
        grants.grant(team(), role, user, actor())
    before = state(owned)
    for action, data in EMPTY.items():
        assert "NBM03" in {said(owned, user, action, "late@champion", data) for user in ("ann", "bob")}, action
    for text in (DEEP, '{"a": "\\ud800"}', '{"a": "\\u0000"}', '{"results": {"r": "x"}}', "[]", "x"):
        assert refused(ann, "SELECT nbmlops_event('advice', 'late@1', %s)", (text,)) == "NBM03", text[:30]
    assert state(owned) == before


def test_an_event_agrees_with_what_it_is_about(ann, owned, team):
    before = state(owned)
    cases = (
        ("bob", "alias", "late@champion", {"version": 7}),
        ("bob", "alias", "late@champion", {"version": 1, "digest": "0" * 64}),
        ("bob", "handover", "other", {"to": "bob", "reason": ""}),
        ("eve", "condition_met", "late@1", {"approve": 5, "condition": 1, "why": "so"}),
        ("bob", "approve", "late@1", {"report": "a" * 64, "bound": {"model": "m"}, "outcome": "approved"}),
        ("bob", "override_reviewed", "late@challenger", {"alias": 6}),
        ("ann", "dataset", "trips@1", {"fingerprint": "f", "rest": "0" * 64}),
    )
    for user, action, subject, data in cases:
        assert said(owned, user, action, subject, data) == "NBM03", (action, data)
    (row,) = ann.execute("SELECT row_to_json(f) FROM flags f").fetchone()
    about = {k: row[k] for k in flags.TOLD_OF} | {"author": "eve", "question": True}
    with direct(of(owned, "eve")) as eve:
        hers = row | {"author": "eve", "flag_id": "f9"}
        old = {"at": "2026-01-01T00:00:00.000000+00:00"}
        lies = [({}, {}), ({"flag": "f1"}, {}), ({"flag": "f9"}, {"data": '{"said":{},"thread":[]}'})]
        lies += [({"flag": "f9"} | lie, {}) for lie in (old, {"author": "bob"}, {"owner": "bob"}, {"question": False})]
        lies += [({"flag": "f9"} | lie, lie) for lie in (old, {"owner": "bob"}, {"owner": None}, {"at": "soon"})]
        for event, other in lies:
            values = as_json(hers | other), as_json(about | event)
            assert refused(eve, "SELECT nbmlops_flag(%s, %s)", values) == "NBM03", (event, other)
        answer = {"at": now(), "author": "eve", "known_by": "database", "text": "so", "state": "answered"}
        content = as_json(json.loads(row["data"]) | {"thread": [answer]})
        right = {"flag": "f1", "state": "answered", "digest": flags.digest_of(answer)}
        for wrong in ({"flag": "f2"}, {"state": "dismissed"}, {"digest": "0" * 64}):
            values = (answer["at"], content, as_json(right | wrong))
            assert refused(eve, "SELECT nbmlops_answer('f1', 'answered', %s, %s, %s)", values) == "NBM03"
        for closed in (None, "2026-01-01T00:00:00+00:00"):  # else the row is not what its event says
            values = (closed, content, as_json(right))
            assert refused(eve, "SELECT nbmlops_answer('f1', 'answered', %s, %s, %s)", values) == "NBM03"
        assert state(owned) == before
        values = (answer["at"], content, as_json(right))
        assert refused(eve, "SELECT nbmlops_answer('f1', 'answered', %s, %s, %s)", values) == ""
    (row,) = ann.execute("SELECT row_to_json(v) FROM model_versions v").fetchone()
    event = json.loads(ann.execute("SELECT data FROM events WHERE action = 'register'").fetchone()[0])
    for wrong in ({"rest": "0" * 64}, {"run_id": "r"}, {"evaluation": "e"}):
        values = as_json(row), as_json(event | wrong)
        assert refused(ann, "SELECT nbmlops_register(%s, %s)", values) == "NBM03", wrong
    assert refused(ann, "SELECT nbmlops_stamp('late', ARRAY[1], true, '{\"versions\": [2]}')") == "NBM03"


def test_only_a_condition_that_was_made_is_met(ann, owned, team):
    owed = {"text": "look again", "owner": "eve", "due": "2999-05-01"}
    for conditions in ([owed], None):
        assert said(owned, "bob", "approve", "late@1", {"outcome": "approved", "conditions": conditions}) == ""
    (with_one,), (with_none,) = ann.execute("SELECT seq FROM events WHERE action = 'approve' ORDER BY seq").fetchall()
    for approval, condition, state in (
        *[(with_one, number, "NBM03") for number in (0, 2, 10**17)],
        (with_none, 1, "NBM03"),
        (with_one, 1, ""),
        (with_one, 1, "NBM02"),  # once
    ):
        met = {"approve": approval, "condition": condition, "why": "looked"}
        assert said(owned, "bob", "condition_met", "late@1", met) == state, met


def test_a_data_set_that_nobody_can_read_is_not_recorded(ann, owned, team):
    team("ann")
    nb.dataset("trips", pd.DataFrame({"a": [1]}))
    (row,) = ann.execute("SELECT row_to_json(d) FROM dataset_versions d").fetchone()
    keep = "INSERT INTO dataset_versions SELECT * FROM json_populate_record(NULL::dataset_versions, %s)"
    broken = ("x", "", "{}", "[1]", '[{"a": "\\u0000"}]', "[" * 90_000, '[{"code": "x"}]')
    lies = [{field: text} for field in ("columns", "findings") for text in broken]
    for lie in lies:
        assert refused(ann, keep, (as_json(row | {"version": 2} | lie),)) == "NBM03", str(lie)[:40]
    with direct(owned) as connection:  # of a server that did not refuse it yet
        connection.execute("ALTER TABLE dataset_versions DISABLE TRIGGER nbmlops_recorded")
        for number, lie in enumerate(lies, 2):
            connection.execute(keep, (as_json(row | {"version": number} | lie),))
    team("eve")
    assert len(nb.datasets()) == 1 + len(lies)


def test_readers_pass_over_an_event_that_says_nothing(project):
    with session.store().atomic() as change:
        for action in ("charter", "condition_met", "approve", "handover", "override_reviewed", "grant"):
            subject = session.project().name if action == "charter" else "late@2"
            data = {"report": 3} if action == "approve" else {}
            change.event(action, subject, data, ("eve", "os"))
        assert events.listed(change.connection) == []
        assert events.latest(change.connection, "charter", session.project().name) is None
    assert nb.charter_changes().empty


def settles(owned, flag_id, user, state):
    """Answer a flag past nbmlops; return how the server refuses it."""
    with direct(of(owned, user)) as connection:
        (data,) = connection.execute("SELECT data FROM flags WHERE flag_id = %s", (flag_id,)).fetchone()
        answer = {"at": now(), "author": user, "known_by": "database", "text": "fine", "state": state}
        called = json.loads(data)
        content = as_json(called | {"thread": [*called["thread"], answer]})
        event = as_json({"flag": flag_id, "state": state, "digest": flags.digest_of(answer)})
        values = (flag_id, state, None if state == "open" else answer["at"], content, event)
        return refused(connection, "SELECT nbmlops_answer(%s, %s, %s, %s, %s)", values)


SETTLED = ("dismissed", "answered", "accepted")


def stands(flag_id):
    return next(f["state"] for f in flags.listed(session.store()) if f["flag_id"] == flag_id)


def test_whatever_an_account_writes_does_not_break_the_log(ann, owned, team):
    """JSON may be written in many ways; what was hashed is found again, and others answer and erase it."""
    (row,) = ann.execute("SELECT row_to_json(f) FROM flags f").fetchone()
    said = '{ "text":"w\\u0068y" , "question" : false,"n":1.50, "text": "why"}'
    digest = hashlib.sha256(said.encode()).hexdigest()
    mine = row | {"author": "eve", "flag_id": "f9", "digest": digest, "at": now()}
    about = {k: mine[k] for k in flags.TOLD_OF} | {"flag": "f9", "question": False}
    with direct(of(owned, "eve")) as eve:
        for around in ('{"said": %s,"thread":[]}', '{"thread":[],"said":%s}', '{"said":%s,"thread":[],"said":{}}'):
            values = as_json(mine | {"data": around % said}), as_json(about)
            assert refused(eve, "SELECT nbmlops_flag(%s, %s)", values) == "NBM03", around
        values = as_json(mine | {"data": '{"said":' + said + ',"thread":[]}'}), as_json(about)
        assert refused(eve, "SELECT nbmlops_flag(%s, %s)", values) == ""
    for user in ("bob", "eve"):
        assert settles(owned, "f9", user, "open") == ""
    team("eve")
    assert nb.verify_audit().verdict != "broken"
    grants.grant(team(), "steward", "sam", actor())
    team("sam")
    assert nb.erase("flag_id = 'f9'", table="flags", yes=True).rows == {"flags": 1}
    assert nb.verify_audit().verdict != "broken"


def test_who_owns_what_a_blocking_flag_holds_up_does_not_settle_it(ann, owned, team):
    for role in ("expert", "manager"):
        grants.grant(team(), role, "ann", actor())
    team("eve")
    blocking = nb.flag("late@1", "unsafe", severity="blocking").flag_id
    assert [settles(owned, blocking, "ann", state) for state in SETTLED] == ["NBM01"] * 3
    assert stands(blocking) == "open"
    assert settles(owned, blocking, "bob", "dismissed") == ""


def test_only_its_author_and_the_role_it_is_for_settle_a_blocking_flag(ann, owned, team):
    for role, user in (("user", "pat"), ("compliance", "cleo"), ("scientist", "sam")):
        grants.grant(team(), role, user, actor())
    team("eve")
    for_all, for_one = (nb.flag("late@1", "unsafe", severity="blocking", to=to).flag_id for to in (None, "compliance"))
    for user in ("pat", "sam", "cleo"):
        assert [settles(owned, for_all, user, state) for state in SETTLED] == ["NBM01"] * 3, user
    for user in ("pat", "bob"):
        assert [settles(owned, for_one, user, state) for state in SETTLED] == ["NBM01"] * 3, user
    assert settles(owned, for_all, "eve", "accepted") == "NBM01"  # nobody accepts a flag of their own
    assert settles(owned, for_all, "pat", "open") == ""  # a word in the thread is everybody's
    assert settles(owned, for_all, "eve", "dismissed") == settles(owned, for_one, "cleo", "accepted") == ""
    grants.revoke(team(), "compliance", "cleo", actor())
    grants.grant(session.store(), "user", "cleo", actor())
    assert settles(owned, for_one, "cleo", "answered") == "NBM01"
    with session.store().reading() as connection:
        assert events.verify(connection) is None
    assert nb.verify_audit().verdict != "broken"


def test_what_does_not_block_is_accepted_by_its_owner_or_a_role_and_never_by_its_author(ann, owned, team):
    """Accepted it becomes a label; who answers or dismisses it stands in the log."""
    for role, user in (("user", "pat"), ("expert", "kim"), ("expert", "sam")):
        grants.grant(team(), role, user, actor())
    team("sam")
    first, second, third = (nb.flag("late@1", "a typo").flag_id for _ in range(3))
    for user in ("pat", "eve", "sam"):
        assert settles(owned, first, user, "accepted") == "NBM01", user
    assert settles(owned, first, "kim", "accepted") == ""
    assert settles(owned, second, "ann", "accepted") == ""  # hers
    assert settles(owned, third, "pat", "answered") == ""
    team("eve")
    assert nb.verify_audit().verdict != "broken"


def test_a_second_account_of_the_owner_does_not_settle_it_either(team, owned, monkeypatch):
    """Both accounts claimed the same name of a hub: it is one person."""
    for role, user in (("expert", "ann2"), ("expert", "kim")):
        grants.grant(session.store(), role, user, actor())
    version(team("ann"))
    team("ann2")
    monkeypatch.setenv("JUPYTERHUB_USER", "ann@example.org")
    with session.store().atomic() as change:
        change.event("advice", "late@1", {}, actor())
    team("eve")
    blocking = nb.flag("late@1", "unsafe", severity="blocking").flag_id
    assert [settles(owned, blocking, "ann2", state) for state in SETTLED] == ["NBM01"] * 3
    assert settles(owned, blocking, "kim", "answered") == ""


def test_a_steward_enters_a_flag_for_somebody_and_does_not_settle_it(team, owned):
    from nbmlops.governance.flags.flag import add, checked

    for role in ("steward", "expert"):
        grants.grant(session.store(), role, "sam", actor())
    version(team("ann"))
    wanted = checked({"subject": "late@1", "text": "unsafe", "severity": "blocking"})
    team("sam")
    (entered,) = add([wanted], by="mo")
    assert (entered.author, entered.entered_by) == ("mo", "sam")
    assert [settles(owned, entered.flag_id, "sam", state) for state in SETTLED] == ["NBM01"] * 3
    team("bob")
    with pytest.raises(NotAllowed, match="bob may not record the flag of somebody else"):
        add([wanted], by="mo")
    assert nb.verify_audit().verdict != "broken"


def test_an_alert_is_not_silenced(team, owned):
    """Nobody marks one as sent unseen, changes what it says, or takes it for good."""
    from nbmlops.store import episodes

    about = {"alert_id": "a1", "model": "late", "version": 1, "at": now(), "title": "An override"}
    team("ann")
    with session.store().atomic() as change:
        episodes.add_alert(change, about, ["file:alerts.jsonl"])
    with direct(of(owned, "bob")) as bob:
        for change in ("data = '{}'", "channel = ''", "at = '2020'", "sent_at = '2020'", "alert_id = 'x'"):
            assert refused(bob, f"UPDATE alerts SET {change}") == "NBM01", change
        assert refused(bob, "DELETE FROM alerts") == "42501"
        late = "INSERT INTO alerts SELECT 'a2', channel, model, version, at, data, 7, at, '2020', 'x' FROM alerts"
        assert refused(bob, late) == ""
        assert refused(bob, "UPDATE alerts SET tried_at = '9999' WHERE alert_id = 'a1'") == ""
        rows = bob.execute("SELECT tries, tried_at < '9', sent_at, error FROM alerts ORDER BY alert_id").fetchall()
        assert rows == [(1, True, None, None), (0, None, None, None)]
    team("eve")
    with session.store().atomic() as change:
        episodes.settle(change, [("a1", "file:alerts.jsonl", None)], now())
    (row,) = [r for r in episodes.alerted(session.store()) if r["alert_id"] == "a1"]
    assert row["sent_at"] > about["at"]
    with session.store().reading() as connection:
        (event,) = events.listed(connection, action="alert_sent")
        assert events.verify(connection) is None
    assert (event["actor"], event["subject"], event["data"]["alert"]) == ("eve", "late@1", "a1")
    assert "an alert about late@1 was sent through file:alerts.jsonl" in str(nb.audit("late@1", action="alert_sent"))
    with direct(of(owned, "bob")) as bob:
        assert refused(bob, "UPDATE alerts SET sent_at = NULL WHERE alert_id = 'a1'") == "NBM01"


def test_who_overrode_the_policy_does_not_review_it(ann, owned, team):
    from nbmlops.governance.approval import override

    told = {"version": 1, "override": {"reason": "now"}, "reason": "now"}
    assert said(owned, "bob", "alias", "late@champion", told) == ""
    with team("eve").reading() as connection:
        (event,) = [e for e in events.listed(connection, action="alias") if e["data"].get("override")]
    review = {"alias": event["seq"], "verdict": "justified", "why": "mine", "version": 1}
    assert said(owned, "bob", "override_reviewed", "late@champion", review) == "NBM01"
    own = {"action": "override_reviewed", "actor": "bob", "seq": 99, "data": review, "subject": "late@champion"}
    assert override.of_events([event, own])  # however it got into the log
    assert not override.of_events([event, own | {"actor": "kim"}])


def test_a_report_that_is_kept_does_not_break_the_log(ann, owned, team):
    """What a report says of the log is held against it: an account keeps none that says otherwise, or nothing."""
    store = team("eve")
    with store.reading() as connection:
        event = events.listed(connection)[-1]
    with direct(owned) as connection:
        (chain,) = connection.execute("SELECT value FROM meta WHERE key = 'chain_id'").fetchone()
    right = {"chain_id": chain, "seq": event["seq"], "hash": event["hash"]}
    row = {"subject": "s", "number": 1, "kind": "run", "name": "n", "title": "t", "as_of": "2026", "made_at": "2026"}
    row |= {"digest": "a" * 64, "data": as_json({"head": right})}
    wrong = [{"data": text} for text in ("x", "[]", '{"head": "x"}', '{"head": [1]}', '{"head": {}}')]
    wrong += [{"data": as_json({"head": right | lie})} for lie in ({"seq": 99}, {"hash": "0" * 64}, {"seq": "5"})]
    wrong += [{"data": as_json({"head": right | {"chain_id": "x"}})}, {"number": 7}, {"digest": "x"}]
    keep = "INSERT INTO reports SELECT * FROM json_populate_record(NULL::reports, %s)"
    with direct(of(owned, "eve")) as eve:
        assert [refused(eve, keep, (as_json(row | lie),)) for lie in wrong] == ["NBM03"] * len(wrong)
        assert refused(eve, keep, (as_json(row),)) == ""
        assert refused(eve, keep, (as_json(row | {"number": 2, "data": "{}"}),)) == ""
    assert nb.verify_audit().verdict == "consistent, not proven"
    with direct(owned) as connection:
        for data in ("x", '{"head": "x"}', '{"head": {"chain_id": "%s", "seq": "x"}}' % chain):  # noqa: UP031
            connection.execute("UPDATE reports SET data = %s", (data,))
            assert nb.verify_audit().verdict == "consistent, not proven"


def test_a_version_that_nobody_can_read_is_not_registered(ann, team):
    from nbmlops.store.repeated import rest

    (row,) = ann.execute("SELECT row_to_json(v) FROM model_versions v").fetchone()
    event = json.loads(ann.execute("SELECT data FROM events WHERE action = 'register'").fetchone()[0])
    for lie in ({"signature": "x"}, {"signature": "[]"}, {"metrics": '{"a": "\\u0000"}'}, {"trusted": "{}"}):
        values = as_json(row | lie), as_json(event | {"rest": rest("model_versions", row | lie)})
        assert refused(ann, "SELECT nbmlops_register(%s, %s)", values) == "NBM03", lie
    assert refused(ann, "SELECT nbmlops_register(%s, %s)", (as_json(row), as_json(event))) == ""
    team("eve")
    assert len(nb.models()) == 2


def test_nobody_lets_their_own_source_run(ann, owned, team, monkeypatch):
    """Nor under a second account that claimed the same name."""
    for user, role in (("ann2", "scientist"), ("kim", "expert")):
        grants.grant(team(), role, user, actor())
    team("ann2")
    monkeypatch.setenv("JUPYTERHUB_USER", "ann@example.org")
    with session.store().atomic() as change:
        change.event("advice", "late@1", {}, actor())
    read = {"digest": "d" * 64, "reason": "harmless"}
    assert [said(owned, user, "review", "late@1", read) for user in ("ann", "ann2", "eve", "kim")] == ["NBM01"] * 3 + [
        ""
    ]
    assert said(owned, "kim", "review", "late@1", read | {"digest": "e" * 64}) == "NBM03"


def test_what_a_second_account_reviewed_counts_no_more_once_it_claimed_the_authors_name(ann, owned, team, monkeypatch):
    for user in ("ann2", "kim"):
        grants.grant(team(), "expert", user, actor())
    read = {"digest": "d" * 64, "reason": "harmless"}
    assert [said(owned, user, "review", "late@1", read) for user in ("ann2", "kim")] == ["", ""]
    assert [e["actor"] for e in reviews("d" * 64)] == ["ann2", "kim"]
    team("ann2")
    monkeypatch.setenv("JUPYTERHUB_USER", "ann@example.org")
    with session.store().atomic() as change:
        change.event("advice", "late@1", {}, actor())
    assert [e["actor"] for e in reviews("d" * 64)] == ["kim"]


@pytest.fixture
def overridden(ann, owned, team):
    """The number of Bob's override, which his second account and Kim may answer as managers."""
    for user in ("bob2", "kim"):
        grants.grant(team(), "manager", user, actor())
    told = {"version": 1, "override": {"reason": "now"}, "reason": "now"}
    team("bob")
    with session.store().atomic() as change:
        return change.event("alias", "late@champion", told, actor())


def test_a_second_account_does_not_review_the_override_of_the_first(overridden, owned, team, monkeypatch):
    team("bob2")
    monkeypatch.setenv("JUPYTERHUB_USER", "bob@example.org")
    review = {"alias": overridden, "verdict": "justified", "why": "mine", "version": 1}
    with session.store().atomic() as change:
        change.event("advice", "late@1", {}, actor())
    assert [said(owned, user, "override_reviewed", "late@champion", review) for user in ("bob2", "kim")] == [
        "NBM01",
        "",
    ]


def test_a_review_of_an_override_counts_no_more_once_its_account_claimed_the_name_of_who_made_it(
    overridden, owned, team, monkeypatch
):
    review = {"alias": overridden, "verdict": "justified", "why": "mine", "version": 1}
    assert said(owned, "bob2", "override_reviewed", "late@champion", review) == ""

    def waiting():
        with session.store().reading() as connection:
            pending = [o["ref"] for o in override.pending(connection, "late")]
        loud = nb.models().override.notna().sum()
        from_report = override.of_events(agenda_events())
        return pending, int(loud), [o["ref"] for o in from_report]

    assert waiting() == ([], 0, [])
    team("bob2")
    monkeypatch.setenv("JUPYTERHUB_USER", "bob@example.org")
    with session.store().atomic() as change:
        change.event("advice", "late@1", {}, actor())
    assert waiting() == (["late@1"], 1, ["late@1"])
    assert said(owned, "kim", "override_reviewed", "late@champion", review) == ""
    assert waiting() == ([], 0, [])


def test_who_enters_an_answer_says_for_whom_and_is_a_steward(ann, owned, team):
    answer = {"report": "r", "outcome": "approved", "bound": {"model": "m"}}
    assert said(owned, "bob", "approve", "late@1", answer | {"entered_by": "mo"}) == "NBM01"
    assert said(owned, "bob", "approve", "late@1", answer | {"entered_by": "bob"}) == "NBM01"
