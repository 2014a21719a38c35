"""What a run tracked by itself is on its report, and said to show nothing."""

import nbmlops as nb
from nbmlops.report import decision, snapshot
from nbmlops.report.kinds.kind import subject_of
from nbmlops.tracking import session

from .conftest import CHARTER


def test_what_a_run_tracked_is_on_its_page_and_shows_nothing(project, tmp_path):
    (project / "charter.yaml").write_text(CHARTER)
    with session.run("train") as run:
        nb.log({"loss": 0.4123, "roc_auc": 0.6872})
    page = decision.decide(snapshot.build(subject_of(run.run_id)))
    missing, table = page.part("metrics").blocks
    assert "No evaluation on held-out rows" in missing.what
    assert [row[:3] for row in table.rows] == [("roc_auc", "0.6872", "at least 0.65"), ("loss", "0.4123", "-")]
    assert [row[3].word for row in table.rows] == ["not shown", "no target"]
    assert "without an interval" in table.caption
    text = nb.report(run.run_id, tmp_path / "r.html").read_text()
    section = text.partition('aria-labelledby="performance-title"')[2].partition("</section>")[0]
    assert "0.6872" in section
    assert "0.4123" in section
