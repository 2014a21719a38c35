"""``nbmlops jobs``, ``scheduler`` and ``retrain``: what runs when, the process that sees to it, and running it now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from nbmlops.cli.output import DONE, FAILED, exit_with, show, show_rows
from nbmlops.config import Project, find_project

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["jobs", "lines", "names", "retrain", "scheduler"]

Word = Literal["ok", "missing", "problem"]
LISTED = ("job", "state", "when", "next_at", "last", "last_at", "says")
WORKS = ("key", "state", "trigger", "attempt", "ended_at", "reason")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
why = click.option("--reason", default="", metavar="TEXT", help="Kept with who did it.")
where = click.option("--executor", "url", default="", metavar="URL", help="local:N or dask://HOST:PORT.")


class JobName(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """The name of a job; a shell completes it."""

    name = "job"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin so."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in names() if name.startswith(incomplete)]


job_name = click.argument("job", type=JobName())


def names() -> list[str]:
    """Return the names of the files in jobs/, broken ones too."""
    folder = find_project().root / "jobs"
    return sorted(p.stem for p in folder.glob("*.y*ml")) if folder.is_dir() else []


@click.group()
def jobs() -> None:
    """Jobs of this project, jobs/NAME.yaml: when a notebook runs, with what, and what follows.

    Example: nbmlops jobs list
    """


@jobs.command("list")
@as_json
@as_csv
def list_(as_json: bool, as_csv: bool) -> None:
    """List the jobs: state, next fire, last work; ends with 1 where a file is broken.

    Example: nbmlops jobs list
    """
    from nbmlops.jobs.schedule import manage

    found = manage.listed(find_project())
    short = [{name: row[name] for name in LISTED} for row in found]
    show_rows(found if as_json or as_csv else short, as_json, as_csv, "no jobs yet: nbmlops jobs add TEMPLATE NAME")
    exit_with(FAILED if any(row["state"] == "broken" for row in found) else DONE)


@jobs.command("show")
@job_name
@as_json
def show_(job: str, as_json: bool) -> None:
    """Show one JOB, its newest works, and what is wrong with it here; ends with 1 where it could not run.

    Example: nbmlops jobs show retrain
    """
    from nbmlops.jobs.schedule import manage

    found = manage.show(job, find_project())
    show(found, as_json)
    exit_with(FAILED if any(f.outcome == "issue" for f in found.findings) else DONE)


@jobs.command()
@click.argument("template")
@click.argument("name")
@as_json
def add(template: str, name: str, as_json: bool) -> None:
    """Write jobs/NAME.yaml and its notebook NAME.ipynb from a TEMPLATE: retrain, score, check or load.

    Example: nbmlops jobs add retrain late
    """
    from nbmlops.jobs import templates

    paths = [find_project().relative(path) for path in templates.start_job(template, name)]
    said = f"Wrote {' and '.join(paths)}.\nEdit both, then: nbmlops jobs show {Path(name).stem}"
    click.echo(json.dumps({"written": paths}) if as_json else said)


@jobs.command()
@job_name
@why
@as_json
def pause(job: str, reason: str, as_json: bool) -> None:
    """Let a JOB fire no more until it is resumed; what it would have done stays as skipped rows.

    Example: nbmlops jobs pause retrain --reason "the source is being moved"
    """
    from nbmlops.jobs.schedule import manage

    manage.pause(job, find_project(), reason=reason)
    _said({"job": job, "state": "paused"}, as_json)


@jobs.command()
@job_name
@why
@as_json
def resume(job: str, reason: str, as_json: bool) -> None:
    """Let a JOB that was paused, or stopped after failures, fire again from now on.

    Example: nbmlops jobs resume retrain
    """
    from nbmlops.jobs.schedule import manage

    manage.resume(job, find_project(), reason=reason)
    _said({"job": job, "state": "on"}, as_json)


@jobs.command()
@click.argument("ref", metavar="JOB|KEY", type=JobName())
@why
@as_json
def cancel(ref: str, reason: str, as_json: bool) -> None:
    """Cancel a work by its KEY, or all of a JOB that are due or started.

    Example: nbmlops jobs cancel retrain@2026-03-01T01:00:00+00:00
    """
    from nbmlops.jobs.schedule import manage

    done = manage.cancel(ref, find_project(), reason=reason)
    show_rows([{"key": key, "state": "cancelled"} for key in done], as_json)


@jobs.command()
@click.argument("job", required=False, type=JobName())
@click.option("--state", metavar="STATE", help="due, started, finished, failed, skipped, missed or cancelled.")
@click.option("--limit", default=100, show_default=True, help="Rows at most.")
@as_json
@as_csv
def history(job: str | None, state: str | None, limit: int, as_json: bool, as_csv: bool) -> None:
    """List the works of a JOB, or all there are: what was done, missed and skipped, and why.

    Example: nbmlops jobs history retrain --state missed
    """
    from nbmlops.jobs.schedule import manage

    found = manage.history(find_project(), job, state, limit)
    short = [{name: row[name] for name in WORKS} for row in found]
    show_rows(found if as_json or as_csv else short, as_json, as_csv, "nothing yet")


@jobs.command()
@job_name
@click.option("--from", "since", required=True, metavar="TIME", help="First fire, such as 2026-01-01.")
@click.option("--to", "until", required=True, metavar="TIME", help="Last fire.")
@as_json
def backfill(job: str, since: str, until: str, as_json: bool) -> None:
    """Make due what the clock of a JOB names in a period and what was never done; one runs after the other.

    Example: nbmlops jobs backfill retrain --from 2026-01-01 --to 2026-03-31
    """
    from nbmlops.jobs.schedule import manage

    show_rows(manage.backfill(job, find_project(), since, until), as_json, empty="the clock names nothing there")


@jobs.command()
@click.option("-o", "target", metavar="FILE", type=click.Path(path_type=Path), help="Write it; printed when absent.")
@click.option(
    "--kubernetes", "image", metavar="IMAGE", help="A CronJob of Kubernetes that ticks in this image instead."
)
def unit(target: Path | None, image: str | None) -> None:
    """Print a systemd unit that runs this project's scheduler.

    Example: nbmlops jobs unit -o ~/.config/systemd/user/nbmlops.service
    """
    from nbmlops.jobs.schedule import service

    text = service.cron_job(find_project(), image) if image else service.unit(find_project())
    if target is None:
        click.echo(text, nl=False)
    else:
        target.write_text(text, encoding="utf-8")
        then = f"kubectl apply -f {target}" if image else f"systemctl --user enable --now {target.name}"
        click.echo(f"Wrote {target}.\nThen: {then}")


@click.group()
def scheduler() -> None:
    """The process that starts jobs: run it, tick once from cron, or check that somebody does.

    Example: nbmlops scheduler run
    """


@scheduler.command("run")
@click.option("--every", default=20.0, show_default=True, metavar="S", help="Seconds between ticks.")
@where
def run(every: float, url: str) -> None:
    """Tick and start what is due until it is told to end; any number may run beside each other.

    Example: nbmlops scheduler run
    """
    from nbmlops.jobs.schedule import service
    from nbmlops.jobs.works import executors

    project = find_project()
    executor = executors.executor(url, project)
    click.echo(f"scheduler of {project.name}: {executor.url}, a tick every {every:g} s")
    with service.stopping() as stop:
        service.serve(project, executor, stop, every, click.echo)
    click.echo("scheduler ended")


@scheduler.command()
@click.option("--what-if", is_flag=True, help="Say what a tick would do, and do nothing.")
@where
@as_json
def tick(what_if: bool, url: str, as_json: bool) -> None:
    """Tick once, wait for what it started, and end: for cron and a CronJob of Kubernetes.

    Ends with 1 where a job's file is broken or what it started failed.

    Example: nbmlops scheduler tick --what-if
    """
    from nbmlops.jobs.schedule import service
    from nbmlops.jobs.works import executors

    project = find_project()
    executor = executors.executor(url, project)
    with service.stopping() as stop:
        found = service.run_once(project, executor, what_if, stop=stop)
    if not what_if and (wrong := service.ping(project)):
        click.echo(wrong, err=True)
    show(found, as_json)
    failed = service.failed(project, found)
    for key in failed:
        click.echo(f"{key} failed: nbmlops jobs history {key.partition('@')[0]}", err=True)
    exit_with(FAILED if failed or any(f.outcome == "issue" for f in found.findings) else DONE)


@scheduler.command()
@click.option("--late", type=float, metavar="MIN", help="Minutes without a tick; [scheduler] late_min, else 15.")
@as_json
def check(late: float | None, as_json: bool) -> None:
    """Say when the last tick came; ends with 1 where that is too long ago.

    Example: nbmlops scheduler check --late 10
    """
    from dataclasses import asdict

    from nbmlops.jobs.schedule.service import last_tick

    found = last_tick(find_project(), late_min=late)
    click.echo(json.dumps(asdict(found)) if as_json else found.says)
    exit_with(FAILED if found.late else DONE)


@click.command()
@job_name
@click.option("-p", "--parameter", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter.")
@as_json
def retrain(job: str, parameters: tuple[tuple[str, str], ...], as_json: bool) -> None:
    """Run a JOB now, with its limits, retries and what follows it, and show its cells.

    Ends as nbmlops run does.

    Example: nbmlops retrain retrain -p months 3
    """
    from nbmlops.cli.jobs import code_of
    from nbmlops.jobs.schedule.byhand import retrain as done

    found = done(job, dict(parameters), typed=True)
    show(found, as_json)
    exit_with(code_of(found.run) or (DONE if found.work.state == "finished" else FAILED))


def lines(project: Project) -> Iterator[tuple[str, Word, str, str]]:
    """Yield what the doctor says of jobs: (what, word, says, do)."""
    from nbmlops.jobs.schedule import checks, definition, manage, service

    found = manage.listed(project)
    for row in found:
        if row["state"] in ("broken", "stopped", "gone"):
            yield f"job {row['job']}", "problem", row["says"], f"nbmlops jobs show {row['job']}"
        else:
            wrong = checks.check(definition.find(row["job"], project), project)
            yield from (
                (f"job {row['job']}", "problem", f.message, f"nbmlops jobs show {row['job']}")
                for f in wrong
                if f.outcome == "issue"
            )
    if not found:
        return
    seen = service.last_tick(project)
    clocked = any(row["when"] not in ("", "by hand") for row in found)
    word: Word = "problem" if seen.late and clocked else "ok"
    says = f"{len(found)} job{'s' * (len(found) != 1)}; {seen.says}"
    yield "scheduler", word, says, "nbmlops scheduler run" if word == "problem" else ""


def _said(row: dict[str, Any], as_json: bool) -> None:
    click.echo(json.dumps(row) if as_json else f"{row['job']} is {row['state']}.")
