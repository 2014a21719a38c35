"""Page one on paper: one A4 page, for an ordinary retraining, a full one and one that failed."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import sync_playwright

from nbmlops.report import page, snapshot
from nbmlops.report.kinds.kind import subject_of
from nbmlops.tracking import session
from report.conftest import CHARTER, champion, evaluation, failed, finding, gate, promote, retrained  # noqa: F401

pytestmark = pytest.mark.browser

ONLY_FIRST = "nav, .sheet, .foot { display: none !important; }"
SHOTS = os.environ.get("NBMLOPS_TEST_SHOTS")  # taken at once: a project of a test has no such settings
MEASURES = ("roc_auc", "log_loss", "brier", "accuracy", "share_gap")
PEOPLE = """
roles: {manager: [maria.manager@example.org], compliance: [carlo.compliance@example.org], expert: [eve@example.org],
  data_engineer: [dee@example.org], scientist: [sam.scientist@example.org], stakeholder: [stella@example.org]}
policy: {champion: {roles: [manager, compliance, expert]}}
review_days: 90
"""
TARGETS = "".join(
    f"  - {{name: {name}, at_most: 0.9, meaning: answers are good enough that the desk can act on them}}\n"
    for name in MEASURES[1:]
)


@pytest.fixture
def full(project, retrained):  # noqa: F811
    """A retraining with as much on page one as there can be, and more of all than is shown."""
    (project / "charter.yaml").write_text(CHARTER.replace("limits:", f"{TARGETS}limits:") + PEOPLE)
    run_id = retrained.run_id
    long = "the share of departures from Newark after eight in the evening is above what was agreed in March, "
    issues = [finding(f"c{i}", "issue", f"{long * 3}{i}", f"column_{i}", 0.1 * i) for i in range(9)]
    session.keep("check", "weather", {"findings": issues, "rows": 26115}, run_id)
    judged = evaluation("late-flights@2")
    judged["metrics"] = {m: {"value": 0.68, "low": 0.67, "high": 0.7, "n": 5495} for m in MEASURES}
    asked = [finding("target", "passed", f"{m} is shown", m, 0.68, word="shown", at_least=0.65) for m in MEASURES]
    for target in asked:
        target["detail"] |= {"low": 0.67, "high": 0.7, "at_most": None}
    for target in asked[1:]:
        target["detail"] |= {"at_least": None, "at_most": 0.9}
    session.keep("evaluation", "late-flights@2", {**judged, "findings": asked}, run_id)
    session.keep("evaluation", "late-flights@1", evaluation("late-flights@1", 0.65, 0.68), run_id)
    compared = gate()
    for name in MEASURES[1:]:
        known = {"challenger": 0.68, "champion": 0.67, "rows": 5495, "difference": {"value": 0, "low": -1, "high": 1}}
        compared["findings"].append(finding("metric", "warning", f"{name}: not shown", name, 0.0, **known))
    compared["because"] = [f"{long}{i} (data_engineer: dee@example.org)" for i in range(4)]
    session.keep("gate", "late-flights@2 against late-flights@1", compared, run_id)
    for i in range(4):
        about = {"name": f"flights-{i}", "fingerprint": f"f{i}", "strength": "full", "rows": 336776, "role": "read"}
        session.write({"t": "dataset", "run_id": run_id, **about, "columns": []})
        with session.store().atomic() as change:
            change.event("flag", "late-flights@2", {"text": long}, ("eve@example.org", "git"))
    about = {"outcome": "approved with conditions", "condition": "look again in May", "role": "compliance"}
    about |= {"expires_at": "2099-08-01T00:00:00+00:00"}
    with session.store().atomic() as change:
        change.event("approve", "late-flights@2", about, ("carlo.compliance@example.org", "git"))
    return retrained


@pytest.fixture
def wordy(project, retrained):  # noqa: F811
    """A retraining whose every part of page one wraps: two targets and three more metrics, long names, decisions."""
    meanings = "predicted and observed share of late flights, apart by at most 5 points of a hundred"
    (project / "charter.yaml").write_text(
        CHARTER.replace("limits:", f'  - {{name: late_share_gap, at_most: 0.05, meaning: "{meanings}"}}\nlimits:')
    )
    run_id = retrained.run_id
    names = ("roc_auc", "share_gap", "accuracy", "brier", "log_loss")
    judged = evaluation("late-flights@2")
    judged["metrics"] = {m: {"value": 0.7906, "low": 0.7874, "high": 0.7937, "n": 64197} for m in names}
    session.keep("evaluation", "late-flights@2", {**judged, "rows": 64197}, run_id)
    session.keep("evaluation", "late-flights@1", evaluation("late-flights@1", 0.65, 0.68), run_id)
    compared = gate() | {"rows": 4994}
    for name in names[1:]:
        gained = {"value": -0.0002, "low": -0.0009, "high": 0.0005}
        known = {"challenger": 0.7906, "champion": 0.7908, "rows": 4994, "difference": gained}
        compared["findings"].append(finding("metric", "warning", f"{name}: not shown", name, 0.0, **known))
    session.keep("gate", "late-flights@2 against late-flights@1", compared, run_id)
    issues = [finding(f"c{i}", "issue", "late_share_gap at most 0.05 is broken", f"column_{i}", 0.1) for i in range(5)]
    session.keep("check", "weather", {"findings": issues, "rows": 26115}, run_id)
    for i in range(3):
        reason = f"trained on months [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, {i + 11}]"
        who = f"maintainers{i}@users.noreply.forge.of-the-company.example", "git"
        about = {"version": 2, "from": 1, "reason": reason, "policy": "gate: better"}
        with session.store().atomic() as change:
            change.event("alias", "late-flights@challenger", about, who)
    return retrained


@pytest.mark.parametrize("which", ["retrained", "failed", "champion", "full", "wordy"])
def test_page_one_is_one_page(which, request, chromium, tmp_path):
    run = request.getfixturevalue(which)
    path = tmp_path / "page.html"
    path.write_text(page.render(snapshot.build(subject_of(run)), role="stakeholder"), encoding="utf-8")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        shown = browser.new_page(viewport={"width": 1280, "height": 900})
        shown.goto(path.as_uri())
        shown.add_style_tag(content=ONLY_FIRST)
        assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
        printed = shown.pdf(prefer_css_page_size=True)
        if SHOTS:
            shown.screenshot(path=f"{SHOTS}/page-one-{which}.png", full_page=True)
            shown.emulate_media(media="print")
            shown.set_viewport_size({"width": 673, "height": 1017})  # A4 within its margins
            shown.screenshot(path=f"{SHOTS}/page-one-{which}-print.png", full_page=True)
        browser.close()
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
