"""What happens to fires that come late, overlap or fail: the policy of a job, and how its file is read strictly."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from nbmlops.errors import Invalid
from nbmlops.jobs.schedule import times

__all__ = ["Keep", "Policy", "mapping", "near", "one_of", "only", "policy", "words"]

CATCH_UP, OVERLAP = ("skip", "latest", "all"), ("skip", "queue", "replace")
CAUSES = ("kernel_died", "timed_out", "out_of_memory", "lease_lapsed", "process_gone", "preempted", "storage", "error")
SIZE = re.compile(r"\d+(?:\.\d+)?\s*[KMGT](?:i?B)?")
RUNS = re.compile(r"(\d+)\s*runs?")
Reader = Callable[[Any], Any]


@dataclass(frozen=True)
class Keep:
    """Which ended works stay: the newest so many, or those of so many seconds."""

    runs: int | None = None
    age_s: float | None = None


@dataclass(frozen=True)
class Policy:
    """What happens to fires that come late, overlap or fail; durations are seconds."""

    catch_up: Literal["skip", "latest", "all"] = "latest"
    overlap: Literal["skip", "queue", "replace"] = "skip"
    retries: int = 2
    backoff: float = 30.0
    retry_on: tuple[str, ...] | None = None  # None: those that are nobody's fault
    timeout: float | None = None
    memory: str | None = None
    cpu: float | None = None
    slot: str | None = None
    cooldown: float = 0.0
    per_day: int | None = None
    start_deadline: float | None = None
    keep: Keep | None = None
    stop_after: int = 3


def policy(content: Any) -> Policy:
    """Return the policy of a job as its file says it; what it does not say is usual."""
    found = mapping("policy", content, tuple(READERS))
    values = {key: _read(f"policy.{key}", READERS[key], value) for key, value in found.items() if value is not None}
    return Policy(**values)


def _read(where: str, reader: Reader, value: Any) -> Any:
    try:
        return reader(value)
    except Invalid as error:
        raise Invalid(f"{where}: {error.message}", error.hint) from None


def mapping(where: str, content: Any, known: tuple[str, ...]) -> dict[str, Any]:
    """Return keys with values; none where nothing is said, and no others than those known."""
    found = {} if content is None else content
    if not isinstance(found, dict):
        raise Invalid(f"{where} is {found!r}.", f"Write keys: {', '.join(known)}.")
    only(where, found, known)
    return found


def only(where: str, content: Mapping[Any, Any], known: tuple[str, ...]) -> None:
    """Refuse a key that is not known, with the near one."""
    if strange := [str(key) for key in content if key not in known]:
        inside = f" of {where}" if where else ""
        raise Invalid(f"{strange[0]!r} is no key{inside}.{near(strange[0], known)}", f"Allowed: {', '.join(known)}.")


def near(name: str, known: Iterable[str]) -> str:
    """Return words about the name that may have been meant; nothing where none is near."""
    found = get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {found[0]!r}?" if found else ""


def words(where: str, value: Any) -> str:
    """Return a text without the space around it."""
    if not isinstance(value, str) or not value.strip():
        raise Invalid(f"{where} is {value!r}.", "Write text.")
    return value.strip()


def one_of(where: str, allowed: tuple[str, ...]) -> Callable[[Any], str]:
    """Return what reads one of some words."""

    def read(value: Any) -> str:
        if value not in allowed:
            raise Invalid(f"{where} is {value!r}.{near(str(value), allowed)}", f"Allowed: {', '.join(allowed)}.")
        return str(value)

    return read


def _count(least: int) -> Reader:
    def read(value: Any) -> int:
        if type(value) is not int or value < least:
            raise Invalid(f"{value!r} is no whole number from {least} on.", f"Write {max(least, 3)}.")
        return value

    return read


def _causes(value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list):
        raise Invalid(f"{value!r} is no list of causes.", f"Allowed: {', '.join(CAUSES)}.")
    return tuple(one_of("a cause", CAUSES)(cause) for cause in listed)


def _memory(value: Any) -> str:
    if not isinstance(value, str) or not SIZE.fullmatch(value.strip()):
        raise Invalid(f"{value!r} is no size.", "Write 512M or 4G.")
    return value.strip()


def _cores(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise Invalid(f"{value!r} is no number of cores.", "Write 1, 2 or 0.5.")
    return float(value)


def _keep(value: Any) -> Keep:
    if isinstance(value, str) and (runs := RUNS.fullmatch(value.strip())):
        return Keep(runs=int(runs[1]))
    return Keep(runs=value) if type(value) is int and value > 0 else Keep(age_s=times.seconds(value))


READERS: Mapping[str, Reader] = {
    "catch_up": one_of("it", CATCH_UP),
    "overlap": one_of("it", OVERLAP),
    "retries": _count(0),
    "backoff": times.seconds,
    "retry_on": _causes,
    "timeout": times.seconds,
    "memory": _memory,
    "cpu": _cores,
    "slot": lambda value: words("it", value),
    "cooldown": times.seconds,
    "per_day": _count(1),
    "start_deadline": times.seconds,
    "keep": _keep,
    "stop_after": _count(1),
}
