"""What was agreed beforehand: the targets of ``charter.yaml``, and whether measured numbers show that they are kept."""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nbmlops.errors import Invalid
from nbmlops.records import Finding, Outcome

__all__ = ["FILE", "Target", "agreed", "by_model", "digest", "find", "judge", "parsed", "read", "targets"]

FILE = "charter.yaml"
MOST = 1e15  # what is more is a slip of the pen
KEYS = ("name", "at_least", "at_most", "viable", "meaning", "margin", "minimum")
WORDS: Mapping[str, Outcome] = {"shown": "passed", "not shown": "warning", "broken": "issue", "not measured": "skipped"}


@dataclass(frozen=True)
class Target:
    """A metric and the bound it has to keep."""

    name: str
    at_least: float | None = None
    at_most: float | None = None
    meaning: str = ""
    viable: float | None = None  # beyond it the model is not worth having
    margin: float | None = None  # how much worse a challenger may be in it; the charter's when None
    minimum: int | None = None  # rows it is measured on at least; the charter's when None

    @property
    def text(self) -> str:
        """The target in words."""
        return (
            f"{self.name} at least {self.at_least:g}"
            if self.at_least is not None
            else f"{self.name} at most {self.at_most:g}"
        )

    def viability(self) -> Target | None:
        """Return the bound beyond which the model is not worth having, as a target of its own; None without one."""
        if self.viable is None:
            return None
        least = self.at_least is not None
        return Target(self.name, self.viable if least else None, None if least else self.viable)

    def short_of(self, measured: Mapping[str, Any] | None) -> str:
        """Return in words that a metric was measured on fewer rows than were agreed; nothing where it was not."""
        rows = (measured or {}).get("n")
        if self.minimum is None or rows is None or rows >= self.minimum:
            return ""
        return f"{rows:,} rows, {self.minimum:,} are asked for"

    def state(self, measured: Mapping[str, Any] | None) -> str:
        """Return *shown* (the whole interval keeps it), *broken* (none of it does), *not shown* or *not measured*."""
        value = _number((measured or {}).get("value"))
        if not measured or not math.isfinite(value) or self.short_of(measured):
            return "not measured"
        low, high = (value if measured.get(k) is None else _number(measured[k]) for k in ("low", "high"))
        if math.isnan(low) or math.isnan(high):  # an interval of which an end is unknown shows nothing
            return "not shown"
        if self.at_least is not None:
            return "shown" if low >= self.at_least else "broken" if high < self.at_least else "not shown"
        bound = float(self.at_most or 0.0)
        return "shown" if high <= bound else "broken" if low > bound else "not shown"


def find(start: str | Path | None = None) -> Path | None:
    """Return the nearest ``charter.yaml``: next to the notebook, then upward to the project's root; else None."""
    from nbmlops.capture import visit
    from nbmlops.capture.environment import notebook_path
    from nbmlops.tracking import session

    asked = visit.here()  # a server answers for projects its own folder has nothing to do with
    given = Path(start or notebook_path() or (asked.project.root if asked else Path.cwd())).absolute()
    if given.is_file() and given.suffix in (".yaml", ".yml"):
        return given
    folder = given if given.is_dir() else given.parent
    root = session.project().root.absolute()
    inside = [p for p in (folder, *folder.parents) if p == root or root in p.parents] or [folder, root]
    return next((p / FILE for p in inside if (p / FILE).is_file()), None)


def read(path: Path) -> dict[str, Any]:
    """Return the file as a mapping.

    Raises
    ------
    Invalid
        It is no valid YAML mapping: what was agreed cannot be known then, and nothing is taken as agreed.
    """
    return parsed(path.read_bytes(), path.name)


def parsed(text: bytes, name: str = FILE) -> dict[str, Any]:
    """Return the text of a charter as a mapping.

    Raises
    ------
    Invalid
        As :func:`read`.

    Examples
    --------
    >>> parsed(b"problem: late?")
    {'problem': 'late?'}
    """
    import yaml

    try:
        loader = yaml.SafeLoader(text.decode("utf-8"))
        node = loader.get_single_node()
        _check_once(node, name, set())
        content = loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        raise Invalid(f"{name} is not valid YAML: {_wrong(error)}.", f"Mend {name}.") from error
    except ValueError as error:  # a day that is none, a number too long
        if isinstance(error, Invalid):
            raise
        raise Invalid(f"{name} is not valid YAML: {' '.join(str(error).split())}.", f"Mend {name}.") from error
    if not isinstance(content, dict):
        raise Invalid(f"{name} holds no keys.", "Write `nbmlops charter new` for a template.")
    return content


def _wrong(error: Exception) -> str:
    """Return what is wrong with some YAML, and in which line."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or not problem:
        return " ".join(str(error).split())[:200]
    more = ": text with such marks needs quotes" if "mapping values" in problem or "but got" in problem else ""
    return f"line {mark.line + 1}, {problem}{more}"


def _check_once(node: Any, name: str, seen: set[int]) -> None:
    """Refuse a key that is said twice, of which YAML would take the last."""
    if id(node) in seen:  # an alias names what was looked at
        return
    seen.add(id(node))
    for key, value in node.value if getattr(node, "id", "") == "mapping" else ():
        same = [k for k, _ in node.value if k.value == key.value and k.id == "scalar"]
        if len(same) > 1:
            lines = " and ".join(str(k.start_mark.line + 1) for k in same[:2])
            raise Invalid(f"{name} says {key.value!r:.60} twice, in lines {lines}.", "Say it once.")
        _check_once(value, name, seen)
    for item in node.value if getattr(node, "id", "") == "sequence" else ():
        _check_once(item, name, seen)


def targets(content: Mapping[str, Any]) -> tuple[Target, ...]:
    """Return the targets under ``metrics``.

    Raises
    ------
    Invalid
        An entry has an unknown key, no name, or not exactly one bound.
    """
    entries = content.get("metrics") or []
    if not isinstance(entries, list):
        raise Invalid(f"{FILE}: metrics is {entries!r}.", "Write a list: - {name: roc_auc, at_least: 0.65}.")
    found = tuple(_target(entry) for entry in entries)
    said = [(t.name, t.at_least is None) for t in found]
    if twice := [t for t in found if said.count((t.name, t.at_least is None)) > 1]:
        raise Invalid(f"{FILE}: metrics says {twice[0].text} and {twice[1].text}.", "Say it once.")
    return found


def digest(path: Path | None = None) -> str:
    """Return the SHA-256 of the charter's text, by which what was judged under it is known; empty without one."""
    found = path or find()
    return hashlib.sha256(found.read_bytes()).hexdigest() if found else ""


def agreed(model: str = "") -> tuple[Target, ...]:
    """Return the targets of the project's charter, a model's own where it has some; none without a charter.

    Parameters
    ----------
    model : str
        Its name, with or without a version.
    """
    path = find()
    content = read(path) if path else {}
    own = (content.get("models") or {}).get(model.partition("@")[0]) if model else None
    return (targets(own) if isinstance(own, dict) else ()) or targets(content)


def by_model() -> dict[str, tuple[Target, ...]]:
    """Return the targets of each model that has its own, those of the project under ``""``; the file is read once."""
    path = find()
    return dict(_by_model(path.read_bytes(), path.name)) if path else {"": targets({})}


@lru_cache(maxsize=16)  # a list of runs asks twice, each time it is looked at
def _by_model(text: bytes, name: str) -> dict[str, tuple[Target, ...]]:
    content = parsed(text, name)
    models = content.get("models") or {}
    if not isinstance(models, dict):
        raise Invalid(f"{FILE}: models is {models!r:.60}.", "Write models: {NAME: {metrics: [...]}}.")
    own = {str(name): targets(said) for name, said in models.items() if isinstance(said, dict)}
    return {"": targets(content), **{name: found for name, found in own.items() if found}}


def judge(agreed: Iterable[Target], metrics: Mapping[str, Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Return one finding a target: passed, warning (the interval crosses the target), issue, or skipped.

    Parameters
    ----------
    agreed : iterable of Target
    metrics : mapping
        Name to ``{"value", "low", "high"}``. ``share_gap`` may carry the name of what is shared: ``late_share_gap``.
    """
    return tuple(_finding(target, _measured(metrics, target.name)) for target in agreed)


def _measured(metrics: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    return metrics.get(name) or (metrics.get("share_gap") if name.endswith("_share_gap") else None)


def _number(value: Any) -> float:
    """Return a measured number; NaN for what is none. What is not finite is kept as text."""
    try:
        return math.nan if value is None else float(value)
    except (TypeError, ValueError):
        return math.nan


def _known(value: Any) -> float | None:
    """Return a measured number that is finite."""
    return float(value) if math.isfinite(_number(value)) else None


def _finding(target: Target, measured: Mapping[str, Any] | None) -> Finding:
    word = target.state(measured)
    value, low, high = (_known((measured or {}).get(k)) for k in ("value", "low", "high"))
    seen = "" if value is None else f": {value:.3g}"
    seen += f" [{low:.3g}, {high:.3g}]" if low is not None and high is not None else ""
    seen += f" on {few}" if (few := target.short_of(measured)) else ""
    detail = {"word": word, "low": low, "high": high, "at_least": target.at_least, "at_most": target.at_most}
    return Finding("target", WORDS[word], f"{target.text} is {word}{seen}", target.name, value, detail=detail)


def _target(entry: Any) -> Target:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise Invalid(f"{FILE}: metrics holds {entry!r}.", "Write - {name: roc_auc, at_least: 0.65}.")
    if strange := [k for k in entry if k not in KEYS]:
        near = difflib.get_close_matches(str(strange[0]), KEYS, n=1, cutoff=0.5)
        hint = f"Allowed: {', '.join(KEYS)}." + (f" Did you mean {near[0]!r}?" if near else "")
        raise Invalid(f"{FILE}: metric {entry['name']!r} has {strange[0]!r}.", hint)
    bounds = [k for k in ("at_least", "at_most") if k in entry]
    if len(bounds) != 1 or not _is_number(entry[bounds[0]]):
        raise Invalid(
            f"{FILE}: metric {entry['name']!r} needs one bound, a number.", "Write at_least: 0.65 or at_most: 0.05."
        )
    bound = (entry.get("at_least"), entry.get("at_most"), str(entry.get("meaning", "")), _viable(entry))
    return Target(entry["name"], *bound, _margin(entry), _minimum(entry))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -MOST <= value <= MOST


def _margin(entry: Mapping[str, Any]) -> float | None:
    value = entry.get("margin")
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1):
        raise Invalid(
            f"{FILE}: metric {entry['name']!r} has the margin {value!r:.40}.",
            "Write how much worse is tolerable, such as 0.01.",
        )
    return None if value is None else float(value)


def _minimum(entry: Mapping[str, Any]) -> int | None:
    value = entry.get("minimum")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise Invalid(
            f"{FILE}: metric {entry['name']!r} has the minimum {value!r:.40}.", "Write a number of rows, such as 1000."
        )
    return value


def _viable(entry: Mapping[str, Any]) -> float | None:
    """Return the bound of viability, which is easier to keep than the target."""
    value, least, most = (entry.get(k) for k in ("viable", "at_least", "at_most"))
    if value is None:
        return None
    if not _is_number(value) or (least is not None and value > least) or (most is not None and value < most):
        target = least if most is None else most
        raise Invalid(
            f"{FILE}: metric {entry['name']!r} is viable at {value!r}, and its target is {target}.",
            "Write a number that is easier to keep than the target, such as at_least: 0.65, viable: 0.55.",
        )
    return float(value)
