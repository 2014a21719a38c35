"""The model card: every field known, or missing with whose it is; front matter that hubs read; nothing private."""

import json

import pytest
import yaml
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Invalid, NotFound
from nbmlops.report.fields import FIELDS

from .test_private import CHARTER as PRIVATE
from .test_private import MARKER, tracked


def text(ref, folder="."):
    return nb.model_card(ref, folder).read_text(encoding="utf-8")


def front(card):
    _, found, _ = card.split("---\n", 2)
    return yaml.safe_load(found)


@pytest.mark.usefixtures("retrained")
def test_every_field_is_there_known_or_missing_with_whose_it_is():
    card = text("late-flights@2")
    for field in FIELDS:
        assert f"\n| {field.title} " in card or f"**Missing:** {field.title}. Whose:" in card, field.key
        assert card.count(f"\n| {field.title} ") + card.count(f"**Missing:** {field.title}. Whose:") == 1, field.key
    assert "Will this flight arrive late?" in card
    assert "**Missing:** Human oversight. Whose: product. To do: write `oversight:`" in card.replace("\\`", "`")


@pytest.mark.usefixtures("retrained")
def test_front_matter_is_what_hubs_read():
    found = front(text("late-flights@2"))
    assert found["license"] == "unknown"
    assert found["tags"][:2] == ["nbmlops", "tabular"]
    result = found["model-index"][0]["results"][0]
    assert found["model-index"][0]["name"] == "late-flights"
    assert {"task", "dataset", "metrics"} <= result.keys()
    assert result["metrics"] == [{"type": "roc_auc", "name": "roc_auc", "value": 0.685}]
    assert found["metrics"] == ["roc_auc"]


@pytest.mark.usefixtures("retrained")
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("GPL 3.0", {"license": "gpl-3.0"}),
        ("Internal use only; v2", {"license": "other", "license_name": "internal-use-only-v2"}),
        ("nur für uns", {"license": "other", "license_name": "nur-f-r-uns"}),
        ("", {"license": "unknown"}),
    ],
)
def test_a_licence_the_hub_has_no_word_for_is_another_with_its_name(said, told):
    from nbmlops.report.papers.model_card import _licensed

    assert _licensed(said) == told


@pytest.mark.usefixtures("retrained")
def test_a_licence_that_is_written_down_is_no_gap(project):
    assert "**Missing:** Licence of the model" in text("late-flights@2")
    (project / "nbmlops.toml").write_text('[papers]\nlicense = "apache-2.0"\n')
    nb.tracking.session.reset()
    card = text("late-flights@2")
    assert front(card)["license"] == "apache-2.0"
    assert "**Missing:** Licence of the model" not in card


@pytest.mark.usefixtures("retrained")
def test_the_same_facts_give_the_same_bytes():
    assert text("late-flights@2") == text("late-flights@2")


@pytest.mark.usefixtures("retrained")
def test_another_version_of_the_same_story_is_another_card():
    assert "late-flights@1" in text("late-flights@1").split("\n# ")[1].splitlines()[0]
    assert "champion" in front(text("late-flights"))["tags"]


def test_a_version_no_run_made(project, model, held_out):
    nb.evaluate(model, held_out, target="late", by="city")
    nb.register(model, "late")
    card = text("late@1")
    assert "Registered outside any run" in card
    assert front(card)["model-index"][0]["results"][0]["task"]["type"] == "tabular-classification"
    assert "| city=" in card


@pytest.mark.parametrize("classes", [2, 3])
def test_nothing_private_is_in_it(project, classes):
    (project / "charter.yaml").write_text(PRIVATE)
    tracked(1, classes)
    assert MARKER not in text("wards@1")


def test_nothing_private_of_a_version_no_run_made(project):
    from .test_private import fitted, rows

    (project / "charter.yaml").write_text(PRIVATE)
    model = fitted(rows(300, 1))
    nb.evaluate(model, rows(400, 2), target="diagnosis", by=["ward"])
    nb.register(model, "wards")
    assert MARKER not in text("wards@1")


@pytest.mark.usefixtures("retrained")
def test_an_override_is_loud():
    from nbmlops.store.models import set_alias
    from nbmlops.tracking import session

    with session.store().atomic() as change:
        about = {"reason": "fire", "policy": "", "override": {"reason": "the old one is down"}}
        set_alias(change, "late-flights", "champion", 2, about, ("eve@example.org", "git"))
    assert "**Against the policy:** eve@example.org made late-flights@2 champion" in text("late-flights@2")


@pytest.mark.usefixtures("retrained")
def test_hostile_words_are_no_markup(project):
    charter = (project / "charter.yaml").read_text()
    (project / "charter.yaml").write_text(
        charter.replace("Not for cancelled flights.", "<script>alert(1)</script> | x")
    )
    assert "<script>" not in text("late-flights@2")


@pytest.mark.usefixtures("retrained")
def test_the_command_writes_the_same(project):
    done = CliRunner().invoke(main, ["models", "card", "late-flights@2", "-o", "card.md", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {"path": "card.md"}
    assert (project / "card.md").read_text(encoding="utf-8") == text("late-flights@2")


@pytest.mark.usefixtures("retrained")
def test_bad_input_is_one_line():
    with pytest.raises(NotFound, match="No model"):
        nb.model_card("nothing")
    with pytest.raises(NotFound, match="No folder"):
        nb.model_card("late-flights@2", "nowhere/card.md")
    with pytest.raises(Invalid, match="Markdown"):
        nb.model_card("late-flights@2", "card.pdf")
    done = CliRunner().invoke(main, ["models", "card", "late-flights@9"])
    assert done.exit_code != 0
    assert len(done.output.strip().splitlines()) == 1
