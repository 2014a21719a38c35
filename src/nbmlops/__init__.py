"""MLOps that lives in the notebook: track, register, check, retrain, report.

Nothing heavy is imported here: each public name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__version__ = "0.1.0.dev0"

_PUBLIC = {
    "run": "nbmlops.tracking.session",
    "log": "nbmlops.tracking.session",
    "log_artifact": "nbmlops.tracking.session",
    "log_figure": "nbmlops.tracking.session",
    "track": "nbmlops.tracking.session",
    "Secret": "nbmlops.capture.secrets",
    "get_run": "nbmlops.tracking.runs",
    "runs": "nbmlops.tracking.runs",
    "compare": "nbmlops.tracking.runs",
    "profile": "nbmlops.drift.profile",
    "Profile": "nbmlops.drift.profile",
    "drift": "nbmlops.drift.report",
    "check": "nbmlops.quality.rules",
    "propose_rules": "nbmlops.quality.proposals",
    "accept_rules": "nbmlops.quality.rulebook",
    "dataset": "nbmlops.quality.versions",
    "datasets": "nbmlops.quality.versions",
    "load_dataset": "nbmlops.quality.versions",
    "correct": "nbmlops.quality.corrections",
    "load_source": "nbmlops.quality.sources",
    "evaluate": "nbmlops.registry.evaluation",
    "rule_model": "nbmlops.registry.rulemodel",
    "approve_source": "nbmlops.registry.review",
    "register": "nbmlops.registry.models",
    "models": "nbmlops.registry.fleet",
    "model_version": "nbmlops.registry.models",
    "actor": "nbmlops.governance.identity",
    "load_model": "nbmlops.registry.models",
    "review_file": "nbmlops.registry.foreign",
    "predict": "nbmlops.monitoring.predicting.predictions",
    "prediction": "nbmlops.monitoring.predicting.lookup",
    "score": "nbmlops.monitoring.predicting.scoring",
    "explain": "nbmlops.monitoring.explaining.explain",
    "feedback": "nbmlops.monitoring.returning.feedback",
    "performance": "nbmlops.monitoring.performance",
    "training_increment": "nbmlops.monitoring.returning.increment",
    "with_increment": "nbmlops.monitoring.returning.joined",
    "errors_gone": "nbmlops.monitoring.returning.errors_gone",
    "to_review": "nbmlops.monitoring.returning.to_review",
    "review_estimate": "nbmlops.monitoring.returning.to_review",
    "episodes": "nbmlops.monitoring.episodes",
    "alerts": "nbmlops.monitoring.alerts",
    "charter": "nbmlops.governance.charter",
    "charter_changes": "nbmlops.governance.agreed_on",
    "worth": "nbmlops.governance.worth.told",
    "viability": "nbmlops.governance.viability",
    "verdict": "nbmlops.governance.agenda.decided",
    "decide": "nbmlops.governance.agenda.decided",
    "status": "nbmlops.governance.phase",
    "flag": "nbmlops.governance.flags.flag",
    "flags": "nbmlops.governance.flags.listed",
    "answer_flag": "nbmlops.governance.flags.thread",
    "agreement": "nbmlops.governance.flags.agreement",
    "gate": "nbmlops.governance.gate",
    "promote": "nbmlops.governance.promotion",
    "rollback": "nbmlops.governance.promotion",
    "retire": "nbmlops.governance.promotion",
    "approve": "nbmlops.governance.approval.approve",
    "approvals": "nbmlops.governance.approval.standing",
    "approval_form": "nbmlops.governance.approval.forms",
    "read_form": "nbmlops.governance.approval.forms",
    "meet_condition": "nbmlops.governance.approval.approve",
    "review_override": "nbmlops.governance.approval.override",
    "advise": "nbmlops.governance.advise",
    "audit": "nbmlops.governance.audit.story",
    "verify_audit": "nbmlops.governance.audit.verify",
    "export_audit": "nbmlops.governance.audit.export",
    "lineage": "nbmlops.registry.lineage",
    "handover": "nbmlops.governance.handover",
    "history": "nbmlops.governance.history",
    "throughput": "nbmlops.governance.throughput",
    "delete": "nbmlops.governance.deletion",
    "restore": "nbmlops.governance.deletion",
    "erase": "nbmlops.governance.erasing",
    "report": "nbmlops.report.page",
    "review_charter": "nbmlops.report.agenda.review",
    "site": "nbmlops.report.site.build",
    "reports": "nbmlops.report.listed",
    "signatures": "nbmlops.report.signatures",
    "verify_report": "nbmlops.report.verify",
    "how_to": "nbmlops.report.howto",
    "model_card": "nbmlops.report.papers.model_card",
    "datasheet": "nbmlops.report.papers.datasheet",
    "bundle": "nbmlops.report.papers.bundle",
    "recover": "nbmlops.jobs.recover",
    "run_notebook": "nbmlops.jobs.execution",
    "run_notebooks": "nbmlops.jobs.works.fan",
    "retrain": "nbmlops.jobs.schedule.byhand",
    "parameters": "nbmlops.jobs.parameters",
    "run_again": "nbmlops.jobs.again",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'nbmlops' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """Keeps ``nb.report`` and ``nb.drift`` the functions they are, though folders have these names too."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Load the magics: ``%load_ext nbmlops``."""
    from nbmlops.magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Remove every magic and hook: ``%unload_ext nbmlops``."""
    from nbmlops.magics import unload

    unload(shell)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "nbmlops"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "nbmlops"}]


def _load_jupyter_server_extension(server_app: Any) -> None:
    from nbmlops.server import load

    load(server_app)
