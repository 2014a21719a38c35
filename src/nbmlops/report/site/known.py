"""What a site tells of, read once: the store in outline, models, jobs, episodes, what was agreed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbmlops.hooks import service
from nbmlops.report.blocks import Verdict, verdict
from nbmlops.report.gathered.masked import hide
from nbmlops.report.site.part import Link, slug
from nbmlops.report.text import capped, visible
from nbmlops.store.outline import Outline, ResultLine, RunLine, outline
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.governance.charter import Charter
    from nbmlops.records import ModelVersion
    from nbmlops.store.database import Store
    from nbmlops.store.reports import Kept

__all__ = ["Known", "agreed", "read"]

LONGEST = 200  # characters of a value


@dataclass(frozen=True)
class Known:
    """The facts of a site; what is masked follows from the charter."""

    site: str
    store: Store
    outline: Outline
    charter: Charter | None
    versions: Sequence[ModelVersion]
    episodes: Sequence[Mapping[str, Any]]
    jobs: Sequence[Mapping[str, Any]]
    reports: Sequence[Kept]  # the last made first

    @cached_property
    def runs(self) -> Mapping[str, RunLine]:
        """The runs that have a page, by their ids: all but the folds and trials of a search."""
        return {run.run_id: run for run in self.outline.runs if not run.part_of_search}

    @cached_property
    def models_of(self) -> Mapping[str, tuple[str, ...]]:
        """The versions each run registered, by its id, oldest first."""
        found: dict[str, list[str]] = defaultdict(list)
        for version in self.versions:
            found[str(version.run_id)].append(version.ref)
        return {run_id: tuple(refs[::-1]) for run_id, refs in found.items()}

    @cached_property
    def reports_of(self) -> Mapping[str, tuple[Kept, ...]]:
        """The reports of each run, by its id, the newest first."""
        found: dict[str, tuple[Kept, ...]] = defaultdict(tuple)
        for kept in self.reports:
            if kept.run_id:
                found[kept.run_id] += (kept,)
        return found

    @cached_property
    def judged(self) -> Mapping[str, tuple[str, ...]]:
        """The models the results of each run are about, by its id."""
        found: dict[str, tuple[str, ...]] = defaultdict(tuple)
        for line in self.outline.results:
            if line.run_id and (name := line.subject.partition("@")[0]) in self.models:
                found[line.run_id] += (name,)
        return found

    @cached_property
    def models(self) -> Mapping[str, Sequence[ModelVersion]]:
        """The versions of each model by its name, newest first."""
        found: dict[str, list[ModelVersion]] = defaultdict(list)
        for version in self.versions:
            found[version.name].append(version)
        return dict(sorted(found.items()))

    @cached_property
    def private(self) -> frozenset[str]:
        """The columns nobody is shown a value of."""
        kept = (name for v in self.versions for name in v.signature.get("private") or ())
        return frozenset({*(self.charter.private if self.charter else ()), *kept})

    def masked(self, text: str) -> str:
        """Return a message, without values where it is about a private column; what it quotes may be one."""
        return hide(text, self.private)

    def checks(self, kind: str) -> list[ResultLine]:
        """Return the results of one kind, oldest first."""
        return [line for line in self.outline.results if line.kind == kind]

    def run(self, run_id: str | None, text: str = "") -> str | Link:
        """Return the link to a run, or its words where it has no page."""
        line = self.runs.get(run_id or "")
        if line is None:
            return text or (run_id[-6:] if run_id else "-")
        return Link(text or title(line), run_path(line.run_id))

    def model(self, ref: str) -> str | Link:
        """Return the link to the model of a reference such as ``late-flights@3``; its words where there is none."""
        name = ref.partition("@")[0]
        return Link(ref, model_path(name)) if name in self.models else ref


def agreed() -> Charter | None:
    """Return the charter, None where there is none.

    Raises
    ------
    Invalid
        It is broken: what it calls private is not known then, so nothing is shown.
    """
    found: Charter | None = service("governance.charter", "charter")()
    return found


def read(charter: Charter | None) -> Known:
    """Return what this project's site tells of."""
    from nbmlops.store import episodes, models, reports

    store, project = session.store(), session.project()
    seen = outline(store)  # before what pages are drawn of: what changes meanwhile is drawn again next time
    jobs = service("jobs.schedule.manage", "listed")(project)
    facts = models.listed(store), episodes.listed(store), jobs, reports.listed(store)
    return Known(project.name, store, seen, charter, *facts)


def title(run: RunLine) -> str:
    """Return what a run is called in a list."""
    name = run.name if run.name and run.name != run.experiment else ""
    return f"{run.experiment} · {name}" if name else run.experiment


def run_path(run_id: str) -> str:
    """Return the page of a run."""
    return f"run/{run_id}.html"


def model_path(name: str) -> str:
    """Return the page of a model."""
    return f"models/{slug(name)}.html"


def job_path(name: str) -> str:
    """Return the page of a job."""
    return f"jobs/{slug(name)}.html"


def report_path(kept: Kept) -> str:
    """Return the page of a report: the end is of its subject, for two may have one name."""
    return f"reports/{slug(f'{kept.kind} {kept.name} {kept.number} {kept.subject}')}.html"


def status(word: str | None) -> Verdict:
    """Return the status of a run or work as shape, word and colour."""
    return verdict(word or "unknown")


def short(value: Any) -> str:
    """Return a value in one line that is not too long."""
    if type(value) in (int, float):
        return repr(value)
    if type(value) is str and len(value) <= LONGEST and value.isprintable():
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    kept, cut = capped(" ".join(visible(text).split()), LONGEST)
    return f"{kept} … ({cut:,} characters more)" if cut else kept
