"""A file of rules: a list of conditions and what they say, checked rule by rule."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nbmlops.errors import Invalid, NotFound
from nbmlops.registry import conditions

__all__ = ["ALLOWED", "SHAPE", "Rule", "content", "listed", "parsed", "rules", "tagged"]

MOST_RULES, MOST_BYTES = 1_000, 300_000
ALLOWED = ("rules", "columns", "classes")
SHAPE = "Write a list: - {if: delay > 30, then: late} and last - {else: on time}."
WRITE = "Write such as: delay > 30 and origin in (JFK, LGA); a name with blanks stands in backticks."


@dataclass(frozen=True)
class Rule:
    """One rule: a condition (none of the last one), and a class, a number, or the probability of each class."""

    condition: str | None
    then: Any

    def __str__(self) -> str:
        return f"else {self.says}" if self.condition is None else f"if {self.condition} then {self.says}"

    @property
    def says(self) -> str:
        """What it says, in words."""
        if not isinstance(self.then, Mapping):
            return str(self.then)
        return ", ".join(f"{label} with probability {p:g}" for label, p in self.then.items())


def content(rules: Any) -> tuple[Any, str]:
    """Return what was written, and what it is called in messages."""
    if isinstance(rules, str) and "\n" in rules:
        return parsed(rules, "The rules"), "The rules"
    if not isinstance(rules, (str, Path)):
        return rules, "The rules"
    path = Path(rules)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Invalid(f"{path.name} has over {MOST_BYTES:,} bytes.", "That is no file of rules.")
        return parsed(path.read_text(encoding="utf-8"), path.name), path.name
    except OSError as error:
        raise NotFound(f"No file of rules {str(path)!r}: {error.strerror}.", SHAPE) from None
    except UnicodeDecodeError:
        raise Invalid(f"{path.name} is no text.", SHAPE) from None


def parsed(text: str, said_by: str) -> Any:
    """Return what a YAML text holds."""
    import yaml

    if len(text) > MOST_BYTES:
        raise Invalid(f"{said_by}: over {MOST_BYTES:,} characters.", "That is no file of rules.")

    class Loader(yaml.SafeLoader):
        """YAML in which no key stands twice, for one would be lost without a word, and nothing stands for another."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                at = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
                raise Invalid(f"{said_by}: line {at} points to another part.", "Write it out.")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = Counter(k.value for k, _ in node.value if isinstance(k, yaml.ScalarNode))
            if twice := [k for k, count in keys.items() if count > 1]:
                at = node.start_mark.line + 1
                raise Invalid(f"{said_by}: {twice[0]!r} stands twice in the rule of line {at}.", SHAPE)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except Invalid:
        raise
    except yaml.YAMLError as error:
        raise Invalid(f"{said_by}: not valid YAML: {' '.join(str(error).split())}.", SHAPE) from error
    except (RecursionError, ValueError, TypeError) as error:  # nested without end; a date that is none; a list as key
        raise Invalid(f"{said_by}: not valid YAML: {type(error).__name__}.", SHAPE) from None


def listed(values: Any, what: str) -> tuple[Any, ...] | None:
    """Return names of columns or classes, each once, or None."""
    if values is None:
        return None
    if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
        raise Invalid(f"{what} is {values!r}.", f"Write a list: {what}=[...].")
    found = tuple(_value(v) for v in values)
    if len(set(found)) != len(found):
        raise Invalid(f"{what} names something twice.", "Name each once.")
    if what == "columns" and not all(isinstance(v, str) for v in found):
        raise Invalid(f"{what} are names of columns: {found!r}.", f"Write a list of texts: {what}=[...].")
    return found


def rules(entries: Any, said_by: str) -> tuple[Rule, ...]:
    """Return checked rules, the last one without a condition."""
    if isinstance(entries, (str, bytes, Mapping)) or not isinstance(entries, Sequence) or not entries:
        raise Invalid(f"{said_by}: no list of rules.", SHAPE)
    if len(entries) > MOST_RULES:
        raise Invalid(f"{said_by}: {len(entries):,} rules.", f"At most {MOST_RULES:,}.")
    found = [_rule(entry, number) for number, entry in enumerate(entries, 1)]
    early = next((number for number, rule in enumerate(found[:-1], 1) if rule.condition is None), None)
    if early is not None:
        raise Invalid(
            f"{said_by}: rule {early} is the else, and rule {early + 1} stands after it.", "The else is last."
        )
    if found[-1].condition is not None:
        raise Invalid(f"{said_by}: no else.", "The last rule says what holds of all other rows: - else: on time.")
    return tuple(found)


def _rule(entry: Any, number: int) -> Rule:
    if not isinstance(entry, Mapping) or set(entry) not in ({"if", "then"}, {"else"}):
        has = f"has {', '.join(map(str, entry))}" if isinstance(entry, Mapping) else f"is {str(entry)[:60]!r}"
        raise Invalid(f"Rule {number} {has}.", SHAPE)
    if "else" in entry:
        return Rule(None, _then(entry["else"], number))
    condition = entry["if"]
    if not isinstance(condition, str) or len(condition) > conditions.LONGEST:
        raise Invalid(f"The condition of rule {number} is {str(condition)[:60]!r}.", WRITE)
    try:
        conditions.names(condition)
    except Invalid as error:
        raise Invalid(f"Rule {number}: {error.message}", WRITE) from None
    return Rule(condition.strip(), _then(entry["then"], number))


def _then(value: Any, number: int) -> Any:
    """Return what a rule says as plain values, probabilities checked."""
    if not isinstance(value, Mapping):
        return _value(value, f"Rule {number} says")
    found = {_value(label, f"Rule {number} names the class"): p for label, p in value.items()}
    if not found or not all(_is_chance(p) for p in found.values()) or sum(found.values()) > 1 + 1e-6:
        raise Invalid(
            f"The probabilities of rule {number} are {str(dict(value))[:80]}.",
            "Each lies between 0 and 1, and together they are at most 1.",
        )
    return {label: float(p) for label, p in found.items()}


def _value(value: Any, what: str = "This is") -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, (bool, int, float, str)) or (isinstance(value, float) and not math.isfinite(value)):
        raise Invalid(
            f"{what} {str(value)[:60]!r}.", "Say a class (text or boolean), a number, or {class: probability}."
        )
    return value


def _is_chance(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and 0 <= float(value) <= 1


def tagged(tags: Any, names_classes: bool) -> Any:
    """Return scikit-learn's tags of an estimator that learns nothing, so that its scorers ask it what they should."""
    from sklearn.utils import ClassifierTags, RegressorTags  # type: ignore[import-untyped]

    tags.estimator_type = "classifier" if names_classes else "regressor"
    tags.classifier_tags = ClassifierTags() if names_classes else None
    tags.regressor_tags = None if names_classes else RegressorTags()
    tags.requires_fit, tags.target_tags.required = False, False
    return tags
