"""One group of commands; each is imported when it is called."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from nbmlops import __version__
from nbmlops.cli.output import of_error
from nbmlops.errors import Invalid, NbmlopsError

__all__ = ["COMMANDS", "call", "main"]

COMMANDS = {
    "init": "nbmlops.cli.begin:init",
    "doctor": "nbmlops.cli.doctor:doctor",
    "new": "nbmlops.cli.jobs:new",
    "run": "nbmlops.cli.jobs:run",
    "retrain": "nbmlops.cli.schedule:retrain",
    "jobs": "nbmlops.cli.schedule:jobs",
    "scheduler": "nbmlops.cli.schedule:scheduler",
    "warm": "nbmlops.cli.warm:warm",
    "runs": "nbmlops.cli.runs:runs",
    "compare": "nbmlops.cli.runs:compare",
    "profile": "nbmlops.cli.data:profile",
    "check": "nbmlops.cli.data:check",
    "rules": "nbmlops.cli.rules:rules",
    "drift": "nbmlops.cli.data:drift",
    "sources": "nbmlops.cli.datasets:sources",
    "correct": "nbmlops.cli.datasets:correct",
    "dataset": "nbmlops.cli.datasets:dataset",
    "models": "nbmlops.cli.models:models",
    "evaluate": "nbmlops.cli.models:evaluate",
    "gate": "nbmlops.cli.models:gate",
    "promote": "nbmlops.cli.models:promote",
    "rollback": "nbmlops.cli.models:rollback",
    "retire": "nbmlops.cli.models:retire",
    "approve": "nbmlops.cli.approvals:approve",
    "approvals": "nbmlops.cli.approvals:approvals",
    "lineage": "nbmlops.cli.versions:lineage",
    "score": "nbmlops.cli.predictions:score",
    "predictions": "nbmlops.cli.predictions:predictions",
    "prediction": "nbmlops.cli.prediction:prediction",
    "explain": "nbmlops.cli.explain:explain",
    "feedback": "nbmlops.cli.feedback:feedback",
    "review": "nbmlops.cli.review:review",
    "flag": "nbmlops.cli.flags:flag",
    "flags": "nbmlops.cli.flags:flags",
    "episodes": "nbmlops.cli.monitoring:episodes",
    "alerts": "nbmlops.cli.monitoring:alerts",
    "charter": "nbmlops.cli.charter:charter",
    "status": "nbmlops.cli.agenda:status",
    "advise": "nbmlops.cli.advise:advise",
    "audit": "nbmlops.cli.audit:audit",
    "serve": "nbmlops.cli.serve:serve",
    "report": "nbmlops.cli.report:report",
    "site": "nbmlops.cli.site:site",
    "store": "nbmlops.cli.store:store",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the life cycle."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the near commands when one is unknown."""
        if args and args[0] not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No command {args[0]!r}. Known: {', '.join(COMMANDS)}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Turn our errors into one line and an exit code, and our warnings into a line."""
        try:
            with _plain_warnings():
                return super().invoke(ctx)
        except NbmlopsError as error:
            click.echo(f"{type(error).__name__}: {error}", err=True)
            raise click.exceptions.Exit(of_error(error)) from error


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print a warning of ours without the line of code it came from."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, RuntimeWarning):
            click.echo(f"nbmlops: {message}", err=True)
        else:
            usual(message, category, *where, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = usual


def call(line: str) -> None:
    """Run a command inside a notebook: its text is printed, its refusal is raised.

    Parameters
    ----------
    line : str
        The command and its arguments, as behind ``%nbmlops``.
    """
    import shlex

    try:
        code = main.main(shlex.split(line), prog_name="nbmlops", standalone_mode=False)
    except click.ClickException as error:
        raise Invalid(error.format_message(), "Type %nbmlops for the commands, or add --help.") from None
    if isinstance(code, int) and code:
        raise NbmlopsError(f"`nbmlops {line}` ended with exit code {code}.", "What it printed says why.")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nbmlops")
def main() -> None:
    """Track, check, register, retrain and report: MLOps that lives in the notebook."""
