"""The sections behind page one, in the order a reviewer asks; each a function of the snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbmlops.report import evidence, fields, frameworks
from nbmlops.report.blocks import Section
from nbmlops.report.sections.changed import changed
from nbmlops.report.sections.data import data, pipeline
from nbmlops.report.sections.explanations import explanations
from nbmlops.report.sections.flagged import flagged
from nbmlops.report.sections.glossary import glossary
from nbmlops.report.sections.monitoring import monitoring
from nbmlops.report.sections.performance import performance
from nbmlops.report.sections.record import audit, reproducibility
from nbmlops.report.sections.run import appendix, failure, parameters
from nbmlops.report.sections.use import limits

__all__ = ["build"]

Json = Mapping[str, Any]


def build(snapshot: Json, notebook: bytes | None = None) -> list[Section]:
    """Return every section of a report, also those that can only say what is missing.

    Parameters
    ----------
    snapshot : mapping
        See :func:`nbmlops.report.snapshot.build`.
    notebook : bytes, optional
        The executed notebook; the snapshot holds its digest.
    """
    evident = [
        *failure(snapshot),
        changed(snapshot),
        parameters(snapshot),
        data(snapshot),
        pipeline(snapshot),
        evidence.checks(snapshot),
        evidence.drift(snapshot),
        *flagged(snapshot),
        performance(snapshot),
        explanations(snapshot),
        limits(snapshot),
        monitoring(snapshot),
        reproducibility(snapshot),
        audit(snapshot),
    ]
    places = dict([fields.FIRST, *((s.key, s.title) for s in evident), ("glossary", "Glossary")])
    return [
        *evident,
        fields.section(snapshot, places),
        frameworks.section(snapshot, places),
        glossary(snapshot),
        appendix(snapshot, notebook),
    ]
