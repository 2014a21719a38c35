"""A page for each model: what serves, its versions, how its aliases moved, what was found of it again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbmlops.hooks import service
from nbmlops.report.blocks import Say, verdict
from nbmlops.report.site.known import Known, model_path, short
from nbmlops.report.site.part import Facts, Link, Page, Part, Section, Table, pages
from nbmlops.report.text import count, measured, number, size, when
from nbmlops.report.text import stamp as at

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion

__all__ = ["episode_rows", "model_rows", "part"]

MOST = 200
MOST_METRICS = 4
MODELS = ("Model", "Champion", "Since", "Newest", "Open episodes", "Owner")
EPISODES = ("Model", "What moved", "Level", "State", "Since", "Last seen", "What was found")


def part(known: Known) -> Part:
    """Return the pages of all models, and their list."""
    rows = model_rows(known)
    shown = Table(count(len(rows), "model"), MODELS, rows, (4,), (2,)) if rows else Say("No model is registered yet.")
    found: list[Section] = [("", [shown]), *_episodes(known, known.episodes)]
    index = Page("models/index.html", "Models", known.site, count(len(known.versions), "version"), found)
    return pages(known.site, [index, *(_page(known, name, found) for name, found in known.models.items())])


def model_rows(known: Known) -> list[Sequence[Any]]:
    """Return models as rows: what serves, since when, and what is open."""
    return [_row(known, name, versions) for name, versions in known.models.items()]


def episode_rows(known: Known, episodes: Sequence[Mapping[str, Any]]) -> list[Sequence[Any]]:
    """Return episodes as rows; what is about a private column says no value."""
    return [
        (
            known.model(f"{e['model']}@{e['version']}"),
            f"{e['code']} {e['column']}".strip(),
            verdict(e["level"]),
            "closed" if e["closed_at"] else e["state"],
            at(e["opened_at"]),
            at(e["last_at"]),
            "private" if e["column"] in known.private else known.masked(short(e["message"])),
        )
        for e in episodes[:MOST]
    ]


def _row(known: Known, name: str, versions: Sequence[ModelVersion]) -> Sequence[Any]:
    champion = next((v for v in versions if "champion" in v.aliases), None)
    since = [m["at"] for m in _moves(name) if m["alias"] == "champion"] if champion else []
    opened = sum(e["model"] == name and not e["closed_at"] for e in known.episodes)
    serves = champion.ref if champion else "none"
    return (
        *(Link(name, model_path(name)), serves, at(since[-1]) if since else "-", versions[0].ref, number(opened)),
        versions[0].owner or "-",
    )


def _page(known: Known, name: str, versions: Sequence[ModelVersion]) -> Page:
    champion = next((v for v in versions if "champion" in v.aliases), None)
    says = f"{champion.ref} is the champion" if champion else "no version is the champion"
    newest = versions[0]
    about = Facts([("Champion", champion.ref if champion else "none"), ("Owner", newest.owner or "unknown"),
                   ("Newest version", f"{newest.ref}, {when(newest.created_at)}")])  # fmt: skip
    mine = [e for e in known.episodes if e["model"] == name]
    blocks: list[Section] = [
        ("", [about]),
        ("Versions", [_versions(known, versions)]),
        *_history(name),
        *_episodes(known, mine),
    ]
    return Page(model_path(name), name, "Model", f"{count(len(versions), 'version')}; {says}", blocks)


def _versions(known: Known, versions: Sequence[ModelVersion]) -> Table:
    rows = [
        (
            *(v.ref, ", ".join(v.aliases) or "-", _metrics(known, v.metrics), v.estimator, v.format),
            *(known.run(v.run_id, "run") if v.run_id else "-", at(v.created_at), size(v.size_bytes)),
        )
        for v in versions[:MOST]
    ]
    headers = ("Version", "Alias", "Metrics", "Estimator", "Format", "Made by", "Registered", "Size")
    more = f", the newest {MOST} shown" if len(versions) > MOST else ""
    return Table(f"{count(len(versions), 'version')}{more}", headers, rows, (7,), (6,))


def _metrics(known: Known, metrics: Mapping[str, Any]) -> str:
    shown = [(name, value) for name, value in metrics.items() if name not in known.private]
    more = f" · {len(shown) - MOST_METRICS} more" if len(shown) > MOST_METRICS else ""
    return " · ".join(f"{name} {_value(value)}" for name, value in shown[:MOST_METRICS]) + more or "-"


def _value(value: Any) -> str:
    """Return a metric with its interval, where it was evaluated."""
    if not isinstance(value, Mapping):
        return number(value)
    return " ".join(measured(value.get("value"), value.get("low"), value.get("high")))


def _moves(name: str) -> list[dict[str, Any]]:
    return list(service("governance.history", "rows")(name))


def _history(name: str) -> Iterator[Section]:
    moves = _moves(name)
    if moves:
        rows = [
            (
                *(at(m["at"]), m["alias"], f"{name}@{m['version']}" if m["version"] else "none", number(m["from"])),
                *(m["actor"] or "-", short(m["reason"] or "-")),
            )
            for m in moves[::-1][:MOST]
        ]
        headers = ("At", "Alias", "Became", "Was", "By", "Reason")
        yield (
            "How its aliases moved",
            [Table(f"{count(len(moves), 'move')}, the newest first", headers, rows, (), (0,))],
        )


def _episodes(known: Known, episodes: Sequence[Mapping[str, Any]]) -> Iterator[Section]:
    if episodes:
        opened = sum(not e["closed_at"] for e in episodes)
        caption = f"{count(len(episodes), 'episode')}, {opened:,} open; the newest {MOST} at most"
        yield "Episodes", [Table(caption, EPISODES, episode_rows(known, episodes), (), (4, 5))]
