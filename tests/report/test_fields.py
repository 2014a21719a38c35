"""Every field is known or visibly missing, each framework points to sections that are there; nothing is claimed."""

import copy
import json
import re

import pytest
import yaml

import nbmlops as nb
from nbmlops.errors import Invalid
from nbmlops.governance.charter import ROLES
from nbmlops.report import fields, frameworks, known, page, sections, snapshot
from nbmlops.report.blocks import Fold, Links, Missing, Table, Verdict
from nbmlops.report.kinds.kind import subject_of
from nbmlops.tracking import session

from .conftest import CHARTER, read
from .test_page import NASTY, Page, assert_safe

PLACES = dict.fromkeys({f.section for f in fields.FIELDS}, "Somewhere")


def taken_of(ref):
    return snapshot.build(subject_of(ref))


def section_of(taken, key):
    return next(s for s in sections.build(taken) if s.key == key)


def tables_of(section):
    """Return the tables of a section, also the folded ones."""
    inner = [b for block in section.blocks for b in (block.blocks if isinstance(block, Fold) else [block])]
    return [b for b in inner if isinstance(b, Table)]


def table_of(section):
    return tables_of(section)[0]


def rows_of(taken):
    return {row[0]: row for table in tables_of(section_of(taken, "fields")) for row in table.rows}


def own(project, name, content):
    folder = project / "frameworks"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))


def test_fields_are_many_and_each_is_somebodys():
    assert len(fields.BY_KEY) == len(fields.FIELDS) >= 35
    assert {f.owner for f in fields.FIELDS} <= set(ROLES)
    assert all(f.do and f.title for f in fields.FIELDS)


@pytest.mark.parametrize("which", ["retrained", "failed", "bare"])
def test_every_field_is_there_or_missing_with_whose_it_is(which, request, project):
    if which == "bare":
        with session.run("bare"):
            pass
    taken = taken_of("bare" if which == "bare" else request.getfixturevalue(which))
    rows = rows_of(taken)
    assert set(rows) == {f.title for f in fields.FIELDS}
    assert sum(len(t.rows) for t in tables_of(section_of(taken, "fields"))) == len(fields.FIELDS)
    for field in fields.FIELDS:
        _, state, what, whose, _ = rows[field.title]
        assert whose.startswith(field.owner.replace("_", " "))
        if isinstance(state, Verdict):
            assert (state.word, what) == ("missing", field.do)
        else:
            assert state in ("computed", "charter")
            assert what
            assert len(what) < 400


def test_what_is_known_is_said_in_a_line(retrained):
    found = fields.answers(taken_of(retrained))
    assert found["model"] == "late-flights@2"
    assert found["purpose"] == "Will this flight arrive late?"
    assert found["training_data"] == "flights (336,776 rows, 95ed46cac0a4)"
    assert found["metrics"] == "roc_auc 0.685 [0.670,\xa00.700]"
    assert found["targets"] == "roc_auc at least 0.65 (ranks well enough)"
    assert found["quality"] == "flights: 1 warning, 1 skipped, 1 muted and 1 not applicable"
    assert found["explanation"] == "hour (70.0 %) and carrier (30.0 %)"
    assert found["changes"] == "Against the run of late-flights@1"
    assert found["code"].startswith("Commit 4f2a91c0de4f with changes that are not in it; 1 seed")
    assert found["security"] == "Kept as skops: data, loading it runs no code"
    assert found["incidents"] == "0 flags about this version, 0 problems of the model open"
    assert found["risk"] is None
    assert found["challenge"] is None


def test_what_people_wrote_fills_its_field(retrained, project):
    said = yaml.safe_load(CHARTER) | {
        "risk": {"tier": "low", "why": "a person decides", "harms": ["a needless call"]},
        "oversight": "The desk decides.",
        "private": ["name"],
        "review_days": 90,
        "roles": {"compliance": ["cora@example.org"]},
    }
    (project / "charter.yaml").write_text(yaml.safe_dump(said))
    taken = taken_of(retrained)
    found = fields.answers(taken)
    assert found["risk"] == "tier: low; why: a person decides"
    assert found["harms"] == "a needless call"
    assert found["oversight"] == "The desk decides."
    assert found["private"] == "name: no value is shown anywhere"
    assert found["review"].startswith("Every 90 days, next ")
    assert rows_of(taken)["Standards applied"][3] == "compliance: cora@example.org"


def test_what_was_gathered_around_the_run_fills_its_field(retrained):
    taken = taken_of(retrained)
    about = {"ref": "flights@7", "source": "bts.csv", "owner": "dana", "licence": ""}
    job = {"name": "weekly", "when": "every Monday", "paused_at": None, "stopped": None}
    taken["origins"] = {"known": {"95ed": about}, "unreadable": ""}
    taken["explained"] = {"sentences": ["Fills gaps.", "Adds up"]}
    taken["watch"] = {"jobs": [job, job | {"name": "old", "stopped": "by ada"}], "outcomes_after": "7d"}
    taken["watch"] |= {"channels": [{"name": "file", "problem": ""}], "episodes": [{}]}
    found = fields.answers(taken)
    assert found["sources"] == "flights@7 from bts.csv (owner dana and no licence named)"
    assert found["preparation"] == "Fills gaps. Adds up."
    assert found["monitoring"] == "jobs weekly (every Monday); told by file; outcomes come after 7d"
    assert found["incidents"] == "0 flags about this version, 1 problem of the model open"
    taken["watch"]["jobs"] = []
    assert known.monitoring(taken) is None


def test_what_is_missing_stands_open_and_says_how_many_each_role_owes(retrained):
    section = section_of(taken_of(retrained), "fields")
    counts, table, known_ones = section.blocks
    assert isinstance(counts, Missing)
    assert table.caption == "Missing fields"
    owed = sum(row[3] == "compliance" for row in table.rows)
    assert f"{owed} of compliance" in counts.what
    assert known_ones.summary == f"{len(fields.FIELDS) - len(table.rows)} known fields"


def test_nobody_is_a_challenger_of_their_own_model(retrained):
    taken = taken_of(retrained)
    event = {"action": "flag", "subject": "late-flights@2", "data": {}, "known_by": "git"}
    taken["events"] = [{**event, "actor": "ada@example.org"}]
    assert known.challenge(taken) is None
    taken["events"].append({**event, "actor": "eve@example.org"})
    assert known.challenge(taken) == "eve@example.org (flag)"
    assert known.incidents(taken) == "2 flags about this version, 0 problems of the model open"


def test_an_older_or_other_snapshot_is_all_missing_and_no_error():
    assert set(fields.answers({}).values()) == {None}
    assert fields.section({}, {}).blocks
    assert isinstance(frameworks.section({}, {}).blocks[0], Missing)


def test_any_absent_part_of_a_snapshot_is_missing_never_an_error(retrained):
    whole = taken_of(retrained)
    for key in ("charter", "value", "environment", "before", "frameworks", "dictionary", "notebook", "targets"):
        taken = {k: v for k, v in whole.items() if k != key}
        assert fields.answers(taken), key
        assert frameworks.section(taken, PLACES), key
    empty = copy.deepcopy(whole)
    for result in empty["results"]:
        result["data"] = {}
    assert fields.answers(empty)["metrics"] is None


def test_the_page_has_each_field_and_its_place(retrained, tmp_path):
    markup = read(nb.report(retrained, tmp_path / "r.html"))
    seen = assert_safe(markup)
    assert all(f.title in seen.text for f in fields.FIELDS)
    assert seen.text.count("To do:") >= 5
    links = [a["href"] for a in seen.all("a")]
    assert links.count("#decision") >= 3
    ids = {a["id"] for _, a in seen.elements if "id" in a}
    assert {h[1:] for h in links if h.startswith("#")} <= ids


def test_shipped_frameworks_are_whole():
    found = {one["key"]: one for one in frameworks.frameworks()}
    assert set(found) == {"eu-ai-act-annex-iv", "nist-ai-rmf", "sr-26-2", "model-card"}
    assert [p["point"] for p in found["eu-ai-act-annex-iv"]["points"]] == list("123456789")
    assert len(found["model-card"]["points"]) == 9
    assert {p["point"].split()[0] for p in found["nist-ai-rmf"]["points"]} == {"Govern", "Map", "Measure", "Manage"}
    assert "formerly SR 11-7" in found["sr-26-2"]["name"]
    used = {name for one in found.values() for p in one["points"] for name in p["fields"]}
    assert used == set(fields.BY_KEY)  # no field that nobody asks for
    assert all(one["source"] and one["as_of"] for one in found.values())


def test_sr_11_7_never_stands_alone():
    text = json.dumps(frameworks.frameworks())
    assert len(re.findall(r"SR 11-7", text)) == len(re.findall(r"formerly SR 11-7", text))


def test_the_index_counts_what_is_known_and_claims_nothing(retrained, tmp_path):
    section = section_of(taken_of(retrained), "crosswalk")
    assert section.summary == frameworks.CLAIM
    assert section.blocks[0].summary.startswith("EU AI Act, Annex IV: 9 points, ")
    rows = {row[0]: row for row in table_of(section).rows}
    assert rows["7"][3:] == ("0 of 1", "Standards applied")
    assert rows["6"][3:] == ("2 of 3", "Reason for the run") or rows["6"][3] == "3 of 3"
    assert isinstance(rows["1"][2], Links)
    assert "Limits and intended use" in rows["1"][2]
    text = Page(read(nb.report(retrained, tmp_path / "r.html"))).text
    assert "no claim of conformity" in text
    for word in ("compliant", "conforms to", "is conform"):
        assert word not in text.lower()


def test_a_companys_framework_is_added_and_one_of_the_same_key_replaces(retrained, project):
    point = {"point": 1, "title": "Whom it harms", "fields": ["harms", "risk"]}
    own(project, "ours", {"name": "Our rules", "source": "handbook 4", "as_of": "2026-01-01", "points": [point]})
    own(project, "model-card", {"name": "Our card", "points": [{"point": "a", "title": "Only this", "fields": []}]})
    taken = taken_of(retrained)
    found = {one["key"]: one for one in taken["frameworks"]}
    assert found["ours"]["points"][0] == {"point": "1", "title": "Whom it harms", "fields": ["harms", "risk"]}
    assert found["model-card"]["name"] == "Our card"
    tables = {t.caption: t for t in tables_of(section_of(taken, "crosswalk"))}
    assert tables["Our rules (handbook 4; as of 2026-01-01)"].rows[0][3] == "0 of 2"
    assert tables["Our card"].rows[0][2] == Verdict("nothing here", "warn")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"name": "x", "points": [{"point": 1, "title": "t", "fields": ["harm"]}]},
            "no field 'harm'. Known: model, owner",
        ),
        ({"name": "x", "points": [{"point": 1, "field": ["harms"]}]}, "a point has 'field'. Allowed: point, title"),
        ({"name": "x", "points": []}, "no name or no points"),
        ({"points": [{"point": 1, "fields": []}]}, "no name or no points"),
        ({"name": "x", "points": ["harms"]}, "a point holds no keys"),
        ({"name": "x", "points": [{"point": 1, "fields": "harms"}]}, "fields is 'harms'"),
        ({"name": "x", "claim": "conform", "points": []}, "it has 'claim'"),
        ("[1, 2", "is not valid YAML"),
        ("- a list", "it holds no keys"),
        ("", "it holds no keys"),
    ],
)
def test_a_broken_framework_says_why_in_one_line_and_the_page_stands(retrained, project, tmp_path, content, words):
    own(project, "ours", content)
    with pytest.raises(Invalid, match=re.escape(words)) as raised:
        frameworks.read((project / "frameworks" / "ours.yaml").read_text(), "ours")
    assert "\n" not in str(raised.value)
    text = Page(read(nb.report(retrained, tmp_path / "r.html"))).text
    assert "The framework ours cannot be shown: frameworks/ours.yaml" in text
    assert "EU AI Act, Annex IV" in text


def test_a_broken_replacement_hides_the_shipped_one(retrained, project):
    own(project, "model-card", "name: Ours")
    found = {one["key"]: one for one in taken_of(retrained)["frameworks"]}
    assert set(found["model-card"]) == {"key", "name", "broken"}


def test_a_huge_or_unreadable_file_is_named_not_read(retrained, project):
    own(project, "huge", "name: x\n" + "#" * frameworks.LARGEST_BYTES)
    (project / "frameworks" / "odd.yaml").write_bytes(b"\xff\xfe\x00name")
    (project / "frameworks" / "folder.yaml").mkdir()
    found = {one["key"]: one for one in taken_of(retrained)["frameworks"]}
    assert "is larger than" in found["huge"]["broken"]
    assert "cannot be read" in found["odd"]["broken"]
    assert "cannot be read" in found["folder"]["broken"]


def test_words_of_a_framework_are_words(retrained, project, tmp_path):
    own(project, "nasty", {"name": NASTY, "source": NASTY, "points": [{"point": NASTY, "title": NASTY, "fields": []}]})
    (project / "rules").mkdir()
    (project / "rules" / "flights.yaml").write_text(yaml.safe_dump({"columns": {"hour": {"meaning": NASTY}}}))
    markup = read(nb.report(retrained, tmp_path / "r.html"))
    assert_safe(markup)
    assert "<img src=x" not in markup
    assert "\u202e" not in markup


def test_the_glossary_says_what_columns_mean_and_which_nobody_described(retrained, project):
    (project / "rules").mkdir()
    rules = {"columns": {"hour": {"meaning": "hour of departure", "unit": "h", "owner": "expert"}, "other": {}}}
    (project / "rules" / "flights.yaml").write_text(yaml.safe_dump(rules))
    taken = taken_of(retrained)
    assert taken["dictionary"]["columns"][0] == {
        "column": "hour",
        "meaning": "hour of departure",
        "unit": "h",
        "owner": "expert",
    }
    assert "other" not in [c["column"] for c in taken["dictionary"]["columns"]]
    section = section_of(taken, "glossary")
    assert table_of(section).rows == [("hour", "hour of departure", "h", "expert")]
    missing = next(b for b in section.blocks if isinstance(b, Missing))
    assert missing.what == "Nobody has said what these columns mean: distance and late"
    assert fields.answers(taken)["dictionary"] == "1 of 3 columns named here have a meaning"


def test_rules_that_cannot_be_read_are_said(retrained, project):
    (project / "rules").mkdir()
    (project / "rules" / "flights.yaml").write_text("columns: [")
    section = section_of(taken_of(retrained), "glossary")
    assert any(isinstance(b, Missing) and "cannot be read" in b.what for b in section.blocks)


def test_the_same_facts_give_the_same_bytes_when_frameworks_change_later(retrained, project):
    taken = taken_of(retrained)
    before = page.render(taken)
    own(project, "ours", {"name": "Later", "points": [{"point": 1, "title": "x", "fields": ["risk"]}]})
    assert page.render(taken) == before


def test_what_few_charters_say_is_shown_where_it_is_said(retrained, project):
    more = {
        "standards": ["ISO/IEC 42001"],
        "declaration": "register, 17",
        "private": ["name"],
        "roles": {"user": ["u"]},
    }
    (project / "charter.yaml").write_text(yaml.safe_dump(yaml.safe_load(CHARTER) | more))
    section = section_of(taken_of(retrained), "limits")
    said = dict(next(b.items for b in section.blocks if hasattr(b, "items")))
    assert said["Standards applied"] == "ISO/IEC 42001"
    assert said["Declaration of conformity"] == "register, 17"
    assert said["Roles"] == "user: u"
    gaps = [b.do for b in section.blocks if isinstance(b, Missing)]
    assert gaps == ["write `risk:` in charter.yaml", "write `oversight:` in charter.yaml"]


def test_what_a_field_says_stands_in_the_section_it_points_to(retrained, project):
    said = yaml.safe_load(CHARTER)
    said["metrics"][0]["viable"] = 0.55
    (project / "charter.yaml").write_text(yaml.safe_dump(said))
    taken = taken_of(retrained)
    found = fields.answers(taken)
    for key in ("stop", "how_to", "trigger", "security"):
        items = dict(next(b.items for b in section_of(taken, fields.BY_KEY[key].section).blocks if hasattr(b, "items")))
        assert found[key] in items.values(), key
    assert found["stop"] == "Not worth having beyond roc_auc 0.55"


def test_the_docs_list_every_field_framework_and_order():
    from pathlib import Path

    from nbmlops.report.readers import FIRST

    text = (Path(__file__).parents[2] / "docs" / "frameworks.md").read_text(encoding="utf-8")
    for f in fields.FIELDS:
        assert f"| `{f.key}` | {f.title} | {f.section} | {f.owner} | {f.source} |" in text
    for one in frameworks.frameworks():
        assert f"| `{one['key']}` |" in text
    for role, keys in FIRST.items():
        line = next(line for line in text.splitlines() if line.startswith(f"| {role} |"))
        assert set(line.split("| ")[2].rstrip(" |").split(", ")) <= set(keys)


def test_the_example_of_the_docs_is_a_framework_and_a_charter(project):
    from pathlib import Path
    from textwrap import dedent

    text = (Path(__file__).parents[2] / "docs" / "frameworks.md").read_text(encoding="utf-8")
    framework = text.partition("    name: Our model policy")[2].partition("\n\n")[0]
    read_back = frameworks.read(dedent(f"    name: Our model policy{framework}"), "ours")
    assert [p["point"] for p in read_back["points"]] == ["1", "2", "3"]
    said = text.partition("    risk:\n")[2].partition("\n\n")[0]
    (project / "charter.yaml").write_text(dedent(f"    risk:\n{said}"))
    assert nb.charter().risk["tolerated"] == "one in a hundred"
    assert nb.charter().standards == ("ISO/IEC 42001",)
