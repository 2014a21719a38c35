"""What would notice that a model gets worse: who looks, how often, who is told, and how late the truth comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Facts, Missing, Section, Table, verdict
from nbmlops.report.text import count, joined, stamp, when

__all__ = ["monitoring"]

Json = Mapping[str, Any]
RETRAINS = ("gate", "challenger")


def monitoring(snapshot: Json) -> Section:
    """Return the plan: jobs that watch or retrain, alerts, feedback delay, reviews, and what is open now."""
    title, watch = "Monitoring plan", snapshot.get("watch")
    if not watch:
        missing = Missing(
            "No model was registered or judged here, so there is nothing to watch", "%register MODEL NAME"
        )
        return Section("monitoring", title, "Nothing is watched.", [missing])
    running = [job for job in watch["jobs"] if not job["paused_at"] and not job["stopped"]]
    words = (
        f"{count(len(running), 'job')} on a clock or a cause, {count(len(watch['channels']), 'way')} to be told, "
        f"{count(len(watch['episodes']), 'problem')} open."
    )
    blocks = [*_facts(snapshot, watch), *_jobs(watch), *_episodes(watch), *_gaps(snapshot, watch)]
    return Section("monitoring", title, words, blocks)


def _facts(snapshot: Json, watch: Json) -> Iterator[Block]:
    """Say in terms how late outcomes come, when it is reviewed, who is told, and when the data was last looked at."""
    usable = [c["name"] for c in watch["channels"] if not c["problem"]]
    last = [
        f"{ref}: {about['verdict']} ({when(about['at'])})" for ref, about in (snapshot.get("looked_at") or {}).items()
    ]
    items = [
        ("Feedback delay", f"outcomes take {watch['outcomes_after']}" if watch["outcomes_after"] else ""),
        ("Review", f"every {count(watch['review_days'], 'day')}" if watch["review_days"] else ""),
        ("Who is told", joined([*usable, *watch["people"]])),
        ("Retrained by", joined([f"{j['name']} ({j['when']})" for j in watch["jobs"] if _retrains(j)])),
        ("Data last looked at", "\n".join(last)),
    ]
    if known := [(label, said) for label, said in items if said]:
        yield Facts(known)


def _retrains(job: Json) -> bool:
    return any(step in RETRAINS for step in job["then"])


def _jobs(watch: Json) -> Iterator[Block]:
    if watch["jobs"]:
        heads = ("Job", "Notebook", "When", "What follows", "State")
        yield Table("Jobs that name the model", heads, [_job(job) for job in watch["jobs"]])


def _job(job: Json) -> tuple[Any, ...]:
    state = f"stopped: {job['stopped']}" if job["stopped"] else "paused" if job["paused_at"] else "on"
    follows = joined([str(step) for step in job["then"]]) or "nothing"
    return job["name"], job["notebook"], job["when"], follows, verdict("ok" if state == "on" else state)


def _episodes(watch: Json) -> Iterator[Block]:
    rows = [
        (verdict(e["level"]), f"{e['model']}@{e['version']}", stamp(e["opened_at"]), str(e["message"]))
        for e in watch["episodes"]
    ]
    if rows:
        yield Table(
            "Open problems of the data and the answers", ("Level", "Of", "Since (UTC)", "What"), rows, tight=(2,)
        )


def _gaps(snapshot: Json, watch: Json) -> Iterator[Block]:
    """Name what a plan has and this one has not, with whose it is."""
    engineer, scientist = (facts.whose(snapshot, role) for role in ("ml_engineer", "scientist"))
    if not watch["jobs"]:
        yield Missing("No job looks at the data or retrains", f"nbmlops new drift_check NAME --job ({engineer})")
    elif not any(_retrains(job) for job in watch["jobs"]):
        yield Missing("No job retrains the model", f"nbmlops new retrain NAME --job ({engineer})")
    if not watch["outcomes_after"]:
        yield Missing("How long outcomes take is not said", f"outcomes_after under [predictions] ({scientist})")
    if not watch["review_days"]:
        yield Missing(
            "No time between reviews was agreed", f"review_days: in charter.yaml ({facts.whose(snapshot, 'manager')})"
        )
    if not any(not c["problem"] for c in watch["channels"]):
        yield Missing("Nobody is told when it gets worse", f"file, urls or hook under [alerts] ({engineer})")
    broken = [f"{c['name']}: {c['problem']}" for c in watch["channels"] if c["problem"]]
    for text in broken:
        yield Missing(f"An alert channel does not work: {text}", f"mend nbmlops.toml ({engineer})")
    if not snapshot.get("looked_at"):
        yield Missing(
            "The data was never held against what the model was judged on",
            f"nbmlops drift DATA --model MODEL ({engineer})",
        )
