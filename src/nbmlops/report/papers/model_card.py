"""The model card: every field computed, written in the charter, or visibly missing with whose it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.governance.approval import override
from nbmlops.records import ModelVersion
from nbmlops.report import facts, fields, frameworks, known
from nbmlops.report.as_markdown import escaped, table
from nbmlops.report.papers.about import named, of_version
from nbmlops.report.papers.written import Item, part, saved, tally
from nbmlops.report.text import as_float, finite, measured, number, when
from nbmlops.tracking import session

__all__ = ["card", "front", "model_card"]

FRAMEWORK = "model-card"
UNKNOWN, OTHER = "unknown", "other"  # the hub's words for no licence, and for one that it has no word for
# What the hub takes for a licence: where results stand beside it, a card with any other word is refused.
WORDS = (
    "afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc "
    "cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 "
    "cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 "
    "cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 "
    "gfdl gpl gpl-2.0 gpl-3.0 isc lgpl lgpl-2.1 lgpl-3.0 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 "
    "openmdw-1.0 openrail openrail++ osl-3.0 pddl postgresql unlicense wtfpl zlib other unknown"
)
LICENCES = frozenset(WORDS.split())
TASKS = {"binary": "tabular-classification", "multiclass": "tabular-classification", "regression": "tabular-regression"}
METRICS = {"brier": "brier_score", "r2": "r_squared"}  # the hub's word for ours
LIBRARIES = {"rules": "nbmlops", "source": "nbmlops"}  # the others are estimators of scikit-learn's kind
DIGITS = 6
AGREED = (
    ("goal", "Goal of the company", "stakeholder"),
    ("context", "Where it stands", "stakeholder"),
    ("questions", "Questions of the business", "expert"),
    ("requirements", "What is required", "compliance"),
    ("implementation", "How answers reach who acts on them", "software_engineer"),
)
Json = Mapping[str, Any]


def model_card(ref: str | ModelVersion, output: str | Path | None = None) -> Path:
    """Write the model card of a version: Markdown, with the front matter model hubs read.

    Parameters
    ----------
    ref : str or ModelVersion
        ``NAME@champion``, ``NAME@3``; of ``NAME`` alone its champion, or the newest version.
    output : str or Path, optional
        The ``.md`` file or its folder; ``outputs/reports`` of the project when absent.

    Returns
    -------
    Path
        The same facts give the same bytes. No value of a private column is in it.

    Raises
    ------
    NotFound
        No such model, or no such folder.
    Invalid
        The file's name is no Markdown's.

    Examples
    --------
    >>> nb.model_card("late-flights@champion", "card.md")  # doctest: +SKIP
    PosixPath('card.md')
    """
    version = named(ref)
    return saved(card(version, of_version(version)), f"model-card-{version.name}-{version.version}", output)


def card(version: ModelVersion, found: Json) -> str:
    """Return the text of a card.

    Parameters
    ----------
    version : ModelVersion
    found : mapping
        Its facts, see :func:`nbmlops.report.papers.about.of_version`.
    """
    items = _items(version, found)
    chosen = _points()
    rest = [key for key in items if key not in {k for _, keys in chosen for k in keys}]
    parts = [*chosen, ("What else was agreed and is known", rest)]
    lines = [
        front(version, found),
        f"# Model card: {escaped(version.ref)}",
        *_loud(found),
        escaped(_state(version, found)),
        escaped(tally(items.values())),
        *(line for title, keys in parts if keys for line in part(title, [items[k] for k in keys])),
        *_measured(found),
        "---",
        f"As of {when(found['as_of'])}. Written by nbmlops from the charter and what was recorded: "
        "the same facts give the same page.",
    ]
    return "\n\n".join(lines) + "\n"


def front(version: ModelVersion, found: Json) -> str:
    """Return the YAML between two lines of dashes, with the keys of Hugging Face's model cards."""
    import yaml

    task = TASKS.get(str(version.signature.get("task")))
    about: dict[str, Any] = {
        **_licensed(_licence()),
        "library_name": LIBRARIES.get(version.format, "sklearn"),
        "tags": ["nbmlops", "tabular", *filter(None, [task]), *sorted(version.aliases)],
        **({"pipeline_tag": task} if task else {}),
    }
    results = _index(version, found, task)
    if results:
        about["metrics"] = [m["type"] for m in results[0]["metrics"]]
        about["model-index"] = [{"name": version.name, "results": results}]
    text = yaml.safe_dump(about, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---"


def _index(version: ModelVersion, found: Json, task: str | None) -> list[dict[str, Any]]:
    """Return what was measured as the hub lists it; nothing where nothing was."""
    judged = facts.evaluation(found) or {}
    values = {n: as_float(m.get("value")) for n, m in (judged.get("metrics") or {}).items()}
    rows = [
        {"type": METRICS.get(name, name), "name": name, "value": round(value, DIGITS)}
        for name, value in values.items()
        if finite(value)
    ]
    about = {"type": "private", "name": f"held-out rows of {version.name}"}
    kind = task or "tabular-classification"
    return [{"task": {"type": kind}, "dataset": about, "metrics": rows}] if rows else []


def _licensed(said: str) -> dict[str, str]:
    """Return a licence by the hub's word for it, or as another one with its name.

    >>> _licensed("MIT"), _licensed("Ours, v2")
    ({'license': 'mit'}, {'license': 'other', 'license_name': 'ours-v2'})
    """
    word = said.lower().replace(" ", "-") or UNKNOWN
    if word in LICENCES:
        return {"license": word}
    name = re.sub(r"[^a-z0-9.]+", "-", word).strip("-.")
    return {"license": OTHER, **({"license_name": name} if name else {})}


def _licence() -> str:
    """Return the licence written in ``nbmlops.toml``.

    Raises
    ------
    Invalid
        It is no text.
    """
    said = session.project().setting("papers", "license", "")
    if not isinstance(said, str):
        raise Invalid(f"license is {said!r} under [papers].", 'Write a text, such as license = "apache-2.0".')
    return said.strip()


def _items(version: ModelVersion, found: Json) -> dict[str, Item]:
    """Return every field of a report, and what only a card asks for."""
    answers = fields.answers(found)
    if version.run_id is None:
        answers |= {"made": f"Registered outside any run on {when(version.created_at)} by {version.owner}"}
    items = {f.key: Item(f.title, answers[f.key], f.source, facts.whose(found, f.owner), f.do) for f in fields.FIELDS}
    do = 'write `license = "..."` under [papers] in nbmlops.toml'
    whose = facts.whose(found, "compliance")
    items["licence"] = Item("Licence of the model", _licence() or None, "nbmlops.toml", whose, do)
    agreed = known.agreed(found)
    for key, title, owner in AGREED:
        said = known.line(agreed.get(key))
        items[key] = Item(title, said, "charter", facts.whose(found, owner), f"write `{key}:` in charter.yaml")
    return items


def _points() -> list[tuple[str, list[str]]]:
    """Return the parts of a card with their fields, each field once, as the framework of that name lists them."""
    chosen = next(one for one in frameworks.frameworks() if one["key"] == FRAMEWORK)
    if chosen.get("broken"):
        raise Invalid(f"frameworks/{FRAMEWORK}.yaml cannot be used: {chosen['broken']}", "Mend it, or delete it.")
    seen: set[str] = set()
    found = []
    for point in chosen["points"]:
        keys = [key for key in point["fields"] if key not in seen]
        seen.update(keys)
        found.append((str(point["title"]), keys))
    return found


def _state(version: ModelVersion, found: Json) -> str:
    by = f"Owner: {version.owner}. " if version.owner else ""
    now = f"It is {', '.join(sorted(version.aliases))} now." if version.aliases else "No alias points to it."
    return f"{by}Project: {found['project']}. {now}"


def _loud(found: Json) -> Iterator[str]:
    """Yield what nobody may read over: moves against the policy that nobody has reviewed, a broken charter."""
    for one in override.of_events(found["events"]):
        yield f"> ■ **Against the policy:** {escaped(override.words(one))}"
    if unreadable := (found.get("charter") or {}).get("unreadable"):
        yield f"> ■ **The charter cannot be read:** {escaped(unreadable)}"


def _measured(found: Json) -> Iterator[str]:
    """Yield every metric with its interval and how many rows it rests on, for all and for each part."""
    judged = facts.evaluation(found) or {}
    rows = [("all", name, *_value(m)) for name, m in (judged.get("metrics") or {}).items()]
    rows += [
        (str(s["slice"]), name, *_value(m))
        for s in judged.get("slices") or []
        for name, m in (s.get("metrics") or {}).items()
    ]
    if rows:
        yield "## Every measure"
        yield table(("Rows", "Metric", "Value", "95 % interval", "n"), rows, (2, 4))


def _value(metric: Json) -> tuple[str, str, str]:
    value, bounds = measured(metric.get("value"), metric.get("low"), metric.get("high"))
    return value, bounds or "none", number(metric["n"]) if metric.get("n") is not None else "not known"
