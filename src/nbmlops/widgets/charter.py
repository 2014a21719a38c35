"""The charter as a card: what was agreed, and what is not said yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbmlops.widgets.html import card, esc, number, table

__all__ = ["html", "text"]

Json = Mapping[str, Any]


def html(data: Json) -> str:
    """Return the charter as a card."""
    parts = [f'<div><span style="opacity:.7">{esc(k)}:</span> {esc(v)}</div>' for k, v in _facts(data)]
    parts += [table(heads, rows) for heads, rows in _tables(data) if rows]
    return card(f"Charter {data['project']}".strip(), "", "".join(parts), data["path"])


def text(data: Json) -> str:
    """Return the charter as text."""
    rows = [f"Charter {data['project']} ({data['path']})", *(f"  {k}: {v}" for k, v in _facts(data))]
    rows += [f"  Target: {m['text']}" for m in data["metrics"]]
    rows += [f"  Target of {name}: {m['text']}" for name, own in _models(data) for m in own["metrics"]]
    rows += [f"  Question {q['id']}: {q['question']}{_by(q['owner'])}" for q in data.get("questions", ())]
    rows += [f"  Deliverable: {d['name']}{_due(d)}{_by(d['owner'])}" for d in data.get("deliverables", ())]
    rows += [f"  Requirement {r['name']}: {_required(r)}" for r in data.get("requirements", ())]
    rows += [f"  Planned: {e['name']}{_runs(e)}" for e in data.get("experiments", ())]
    if data["missing"]:
        rows.append("  Not said yet: " + ", ".join(f"{m['key']} ({m['role']})" for m in data["missing"]))
    return "\n".join(rows)


def _tables(data: Json) -> Iterator[tuple[list[str], list[list[Any]]]]:
    targets = [[m["text"], m["meaning"]] for m in data["metrics"]]
    targets += [[f"{name}: {m['text']}", m["meaning"]] for name, own in _models(data) for m in own["metrics"]]
    yield ["target", "meaning"], targets
    asked = data.get("questions", ())
    yield (
        ["question", "KPI", "metric", "whose it is"],
        [[q["question"], f"{q['kpi']} {q['unit']}".strip(), q["metric"], q["owner"]] for q in asked],
    )
    due = data.get("deliverables", ())
    yield ["deliverable", "due", "whose it is"], [[d["name"], _due(d).removeprefix(", "), d["owner"]] for d in due]
    yield ["requirement", "how it is known"], [[r["name"], _required(r)] for r in data.get("requirements", ())]
    planned = data.get("experiments", ())
    yield (
        ["planned experiment", "runs", "hypothesis", "stop"],
        [[e["name"], e["runs"] or "", e["hypothesis"], e["stop"]] for e in planned],
    )
    missing = [[m["key"], m["says"], m["role"]] for m in data["missing"]]
    yield ["not said yet", "what it says", "whose it is"], missing


def _facts(data: Json) -> list[tuple[str, str]]:
    found = [
        ("Vision", data.get("vision") or ""),
        ("Goal", data.get("goal") or ""),
        ("Context", data.get("context") or ""),
        ("Problem", data["problem"]),
        ("Users", ", ".join(_user(data, who) for who in data["users"])),
        ("Decision", data["decision"]),
        ("Value", _worth(data["value"] or {})),
        ("Effort", _effort(data.get("effort") or {})),
        ("Promotes", f"{data['promotes']} (margin {number(data['margin'])})"),
        ("Limits", "; ".join(data["limits"])),
        ("Implementation", _implementation(data.get("implementation") or {})),
        ("Reviews", _reviews(data)),
        ("Roles", "; ".join(f"{role}: {', '.join(people)}" for role, people in (data.get("roles") or {}).items())),
    ]
    return [(label, value) for label, value in found if value]


def _worth(value: Json) -> str:
    """Return what each outcome, and a unit of error, is worth."""
    per = ", ".join(f"{outcome.replace('_', ' ')} {number(v)}" for outcome, v in (value.get("per") or {}).items())
    error = value.get("error") or {}
    cost = f"{number(error['cost'])} for a unit of {error['per']} error" if error else ""
    return f"{', '.join(filter(None, (per, cost)))} {value.get('unit') or ''}".strip()


def _effort(effort: Json) -> str:
    if not effort:
        return ""
    cost = f", {number(effort['per_week'])} a week each" if effort["per_week"] is not None else ""
    return f"{number(effort['people'])} people for {number(effort['weeks'])} weeks{cost}"


def _implementation(how: Json) -> str:
    words = [how.get("kind") or "", how.get("caller") and f"for {how['caller']}", how.get("where") or ""]
    words.append(f"without it: {how['fallback']}" if how.get("fallback") else "")
    return ", ".join(filter(None, words))


def _reviews(data: Json) -> str:
    agenda, days = data.get("agenda_every") or "", data.get("review_days")
    return ", ".join(filter(None, (agenda and f"agenda {agenda}", days and f"a champion every {days} days")))


def _user(data: Json, who: str) -> str:
    needs = (data.get("needs") or {}).get(who)
    return f"{who} ({', '.join(needs)})" if needs else who


def _required(required: Json) -> str:
    """Return how a requirement is known to be kept."""
    if required["check"]:
        limit = f" {number(required['limit'])}" if required["limit"] is not None else ""
        return f"checked: {required['check']}{limit}"
    return f"answered by {required['by']}: {required['answer']}" if required["answer"] else "open"


def _due(deliverable: Json) -> str:
    if deliverable["done"]:
        return ", done"
    return f", due {deliverable['due']}" if deliverable["due"] else ""


def _runs(experiment: Json) -> str:
    return f", {experiment['runs']} runs" if experiment["runs"] else ""


def _by(owner: str) -> str:
    return f" ({owner})" if owner else ""


def _models(data: Json) -> list[tuple[str, Json]]:
    return list((data.get("models") or {}).items())
