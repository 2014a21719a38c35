"""Episodes: what was found of a model version in one check after another, from its opening to its close."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from nbmlops.capture.secrets import redact
from nbmlops.config import disabled
from nbmlops.drift import decide
from nbmlops.errors import unknown
from nbmlops.monitoring import alerts
from nbmlops.records import LEVELS, Finding, Level, new_id, now, plain
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.drift.report import DriftReport

__all__ = ["Episode", "Observation", "Step", "advance", "episodes", "observe", "rows"]

PERSISTENT, WINDOW = 2, 3  # notices in so many of the last observations open an episode
PASSES = 2  # observations in a row that close one
REMEMBERED = 48  # observations that are looked back on, for some say nothing of a column
WAIT_S = 2  # how long a check waits for the store
STATES = ("opened", "ongoing", "closed")
ONLY_BROKEN = ("column_missing", "stuck", "unanswerable")  # told only where they are broken

OUTCOMES = "outcomes"
CAME = {  # what comes back after a prediction, by the observation it makes
    OUTCOMES: ("performance", "charter_target", "target_drift"),
    "opinions": ("opinions",),
    "flags": ("flags",),
}
REST = ("", "")  # stands for every code and column an observation does not name; without it these passed

Key = tuple[str, str]
Levels = Mapping[Key, Level]
Change = Literal["opened", "risen", "ongoing", "closed"]
CHANGES: tuple[Change, ...] = ("opened", "risen", "ongoing", "closed")


@dataclass(frozen=True)
class Observation:
    """What one check, or one chunk of it, said of a model version: a level and words for each code and column."""

    name: str
    said: str
    at: str
    levels: Levels
    messages: Mapping[Key, str] = field(default_factory=dict)
    worse: tuple[str, ...] = ()  # names under which the same would count with a higher level


@dataclass(frozen=True)
class Episode:
    """What was found again and again: code and column, its highest level, since when, and whether it still is."""

    episode_id: str
    model: str
    version: int
    code: str
    column: str
    level: Level
    state: Literal["opened", "ongoing", "closed"]
    opened_on: str
    opened_at: str
    last_on: str
    last_at: str
    checks: int
    passes: int
    message: str
    closed_on: str | None = None
    closed_at: str | None = None

    @property
    def what(self) -> str:
        """What moved: a column, or the code that says more."""
        return self.column if self.code == decide.FEATURES else f"{self.code} {self.column}".strip()


@dataclass(frozen=True)
class Step:
    """What an observation did to an episode."""

    change: Change
    episode: Episode


def advance(
    model: str,
    version: int,
    open_: Iterable[Episode],
    before: Sequence[Levels],
    seen: Sequence[Observation],
    new: Callable[[], str] = new_id,
) -> list[Step]:
    """Return what observations do to the episodes of a model version, in their order.

    Parameters
    ----------
    model : str
    version : int
    open_ : iterable of Episode
        Those that are not closed.
    before : sequence of mapping
        The levels of the newest earlier observations, oldest first; what is absent passed, or is as ``REST`` says.
    seen : sequence of Observation
        The new ones, oldest first.
    new : callable
        Gives ids.

    Returns
    -------
    list of Step

    Examples
    --------
    >>> march = Observation("month=3", "month 3", "2013-04-01", {("feature_drift", "carrier"): "alert"})
    >>> [(s.change, s.episode.what) for s in advance("late-flights", 1, [], [], [march])]
    [('opened', 'carrier')]
    """
    current = {(e.code, e.column): e for e in open_}
    past, steps = [*before], []
    for observation in seen:
        past.append(observation.levels)
        for key, level in {**_recovered(current, observation), **observation.levels}.items():
            step = _step(current.get(key), key, level, past, observation)
            if step is None:
                continue
            if step.change == "opened":
                named = replace(step.episode, episode_id=new(), model=model, version=version)
                step = replace(step, episode=named)
            current[key] = step.episode
            if step.change == "closed":
                del current[key]
            steps.append(step)
    return steps


def _recovered(keys: Iterable[Key], seen: Observation) -> dict[Key, Level]:
    """Return what passed though nothing says so: findings that are told only where they are broken."""
    if REST in seen.levels:
        return {}
    gone = {column for code, column in seen.levels if code == "column_missing"}
    return {(c, n): "ok" for c, n in keys if c in ONLY_BROKEN and n not in gone}


def _step(episode: Episode | None, key: Key, level: Level, past: Sequence[Levels], seen: Observation) -> Step | None:
    if level == "insufficient data":
        return None
    if episode is None:
        return _opened(key, level, past, seen)
    if level == "ok":
        return _passed(episode, seen)
    risen = LEVELS.index(level) > LEVELS.index(episode.level)
    message = seen.messages.get(key, episode.message)
    found = replace(_again(episode, seen), passes=0, level=level if risen else episode.level, message=message)
    return Step("risen" if risen else "ongoing", found)


def _opened(key: Key, level: Level, past: Sequence[Levels], seen: Observation) -> Step | None:
    judged = [levels.get(key, levels.get(REST, "ok")) for levels in past]
    window = [level for level in judged if level != "insufficient data"][-WINDOW:]
    persists = sum(level in ("notice", "alert") for level in window) >= PERSISTENT
    if not (level == "alert" or (level == "notice" and persists)):
        return None
    when = (seen.said, seen.at)
    return Step("opened", Episode("", "", 0, *key, level, "opened", *when, *when, 1, 0, seen.messages.get(key, "")))


def _passed(episode: Episode, seen: Observation) -> Step:
    found = _again(episode, seen)
    if found.passes < PASSES:
        return Step("ongoing", found)
    return Step("closed", replace(found, state="closed", closed_on=seen.said, closed_at=seen.at))


def _again(episode: Episode, seen: Observation) -> Episode:
    """Return an episode one check later."""
    checks, passes = episode.checks + 1, episode.passes + 1
    return replace(episode, state="ongoing", checks=checks, passes=passes, last_on=seen.said, last_at=seen.at)


def observe(report: DriftReport, clock: Callable[[], str] = now, came: Sequence[str] = ()) -> DriftReport:
    """Follow the episodes of the model version a report is about, and send what has to be said.

    Whatever fails here is a note of the report: the check itself stands.

    Parameters
    ----------
    report : DriftReport
        Against a model version.
    clock : callable
        Gives the time.
    came : sequence of str
        What comes back later than a chunk is first checked, observed apart: ``outcomes``, ``opinions``, ``flags``.

    Returns
    -------
    DriftReport
        With its episodes.

    Examples
    --------
    >>> observe(report).episodes[0]["words"]  # doctest: +SKIP
    'episode opened: carrier (alert)'
    """
    if disabled():
        return report
    try:
        steps = _kept(report, clock, came)
    except Exception as error:
        reason = redact(str(error).strip().partition("\n")[0])
        note = f"not monitored: {type(error).__name__}: {reason}"
        return replace(report, notes=(*report.notes, note))
    told = sorted(map(_told, _newest(steps)), key=lambda e: CHANGES.index(e["change"]))
    return replace(report, episodes=tuple(told), notes=(*report.notes, *alerts.deliver(clock)))


def _kept(report: DriftReport, clock: Callable[[], str], came: Sequence[str]) -> list[Step]:
    """Write observations, episodes and alerts in one transaction, so that two checks at once open one episode."""
    from nbmlops.store import episodes as stored

    model, _, number = report.reference.rpartition("@")
    version, seen = int(number), _observations(report, clock(), came)
    channels = [c.name for c in alerts.channels(session.project())]
    about = alerts.about(report.reference)
    with session.store().atomic(WAIT_S) as change:
        known = stored.seen(change, model, version, [name for o in seen for name in (o.name, *o.worse)])
        fresh = [o for o in seen if known.isdisjoint((o.name, *o.worse))]
        history = [{(c, n): level for c, n, level in h} for h in stored.history(change, model, version, REMEMBERED)]
        standing = [Episode(**row) for row in stored.opened(change, model, version)]
        steps = advance(model, version, standing, history, fresh)  # type: ignore[arg-type]
        stored.observe(change, model, version, map(_row, fresh))
        stored.put(change, [plain(e) for e in {s.episode.episode_id: s.episode for s in steps}.values()])
        if said := alerts.message(report.reference, about, steps, clock()):
            stored.add_alert(change, said, channels or [""])  # kept though nobody is told
    touched = {step.episode.episode_id for step in steps}
    return [*steps, *(Step("ongoing", e) for e in standing if e.episode_id not in touched)]


def _row(observation: Observation) -> dict[str, Any]:
    levels = [[*key, level] for key, level in observation.levels.items() if level != "ok"]
    return {"name": observation.name, "at": observation.at, "levels": levels}


def _newest(steps: Iterable[Step]) -> list[Step]:
    """Return the last step of each episode; one that opened in this check stays opened, even where it went on."""
    last: dict[str, Step] = {}
    for step in steps:
        earlier = last.get(step.episode.episode_id)
        kept = step.change == "ongoing" and earlier is not None and earlier.change in ("opened", "risen")
        last[step.episode.episode_id] = replace(step, change=earlier.change) if kept and earlier else step
    return list(last.values())


def _told(step: Step) -> dict[str, Any]:
    """Return an episode as the report says it."""
    found = step.episode
    about = {k: getattr(found, k) for k in ("episode_id", "code", "column", "level", "state", "checks")}
    return {**about, "change": step.change, "since": found.opened_on, "words": _words(step)}


def _words(step: Step) -> str:
    found = step.episode
    since = f"since {found.opened_on}"
    count = f"{found.checks} check{'' if found.checks == 1 else 's'}"
    if step.change == "opened":
        return f"episode opened: {found.what} ({found.level})" + (f" {since}, {count}" if found.checks > 1 else "")
    if step.change == "closed":
        return f"episode closed: {found.what}, {since} until {found.closed_on}"
    if step.change == "risen":
        return f"episode risen to {found.level}: {found.what}, {since}, {count}"
    return f"episode ongoing: {found.what} ({found.level}), {since}, {count}"


def _observations(report: DriftReport, at: str, came: Sequence[str]) -> list[Observation]:
    """Return each chunk as an observation, named by the chunk; without chunks the check is one."""
    whole = report.findings
    if report.chunk is None:
        return [Observation(new_id(), at[:10], at, *_levels(whole))]
    passed = {(f.code, f.column) for f in whole if f.outcome in ("passed", "warning", "issue")}
    if not came:
        return [_of_chunk(report.chunk, row, passed, at) for row in report.chunks]
    later = {code for codes in CAME.values() for code in codes}
    follows = {(f.code, f.column) for f in whole if f.code in later and f.outcome not in ("not_applicable", "muted")}
    waits = {(f.code, f.column) for f in whole if f.code in later} | {(code, "") for code in later}
    seen = [_of_chunk(report.chunk, row, passed | follows, at) for row in report.chunks]
    return [one for o in seen for one in (_without(o, waits), *_apart(o, came))]


def _without(seen: Observation, waits: set[Key]) -> Observation:
    """Return what a chunk says of its inputs and answers; of what comes back later it says nothing."""
    levels: dict[Key, Level] = {key: level for key, level in seen.levels.items() if key not in waits}
    return replace(seen, levels={**levels, **dict.fromkeys(waits, "insufficient data")})


def _apart(seen: Observation, came: Iterable[str]) -> Iterator[Observation]:
    """Yield what came back of a chunk, once it is enough to be judged, and again where its level has risen since."""
    for what in came:
        levels = {key: level for key, level in seen.levels.items() if key[0] in CAME[what]}
        if what == OUTCOMES and ("performance", "") in levels:  # a target that was not broken is not told
            judged = levels["performance", ""] != "insufficient data"
            levels = {("charter_target", ""): "ok", **levels} if judged else levels
        level = max(levels.values(), key=LEVELS.index, default="insufficient data")
        if level != "insufficient data":
            name, *worse = (f"{seen.name} {what} {one}" for one in LEVELS[LEVELS.index(level) :])
            yield replace(seen, name=name, worse=tuple(worse), levels={**levels, REST: "insufficient data"})


def _of_chunk(column: str, row: Mapping[str, Any], judged: set[Key], at: str) -> Observation:
    """Return a chunk as an observation: what it does not tell passed, where the whole could be judged."""
    found = [Finding(**{k: v for k, v in f.items() if k != "level"}) for f in row["findings"]]
    levels, messages = _levels(found)
    told = {key: levels.get(key, "ok") for key in [*levels, *sorted(judged - levels.keys())]}
    said = str(row["name"])
    return Observation(f"{column}={said}", said if "-" in said else f"{column} {said}", at, told, messages)  # type: ignore[arg-type]


def _levels(findings: Iterable[Finding]) -> tuple[dict[Key, Level], dict[Key, str]]:
    """Return the level of each code and column, a feature of little weight at notice at most, and its words."""
    levels: dict[Key, Level] = {}
    messages: dict[Key, str] = {}
    for found in findings:
        if found.outcome in ("not_applicable", "muted"):
            continue
        key, level = (found.code, found.column), _level(found)
        if key not in levels or LEVELS.index(level) > LEVELS.index(levels[key]):
            levels[key], messages[key] = level, found.message
    return levels, messages


def _level(finding: Finding) -> Level:
    return "ok" if finding.outcome == "passed" else decide.verdict([finding])


def episodes(name: str | None = None, state: str | None = None) -> pd.DataFrame:
    """Return the episodes of a model, or of all, as a table: the one opened last first.

    Parameters
    ----------
    name : str, optional
        ``late-flights``, or ``late-flights@3`` or ``@champion`` for one version.
    state : str, optional
        ``opened``, ``ongoing``, ``closed``; ``open`` is both of the first.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    NotFound
        No such model or state.

    Examples
    --------
    >>> nb.episodes("late-flights", state="open")[["column", "opened_on"]]  # doctest: +SKIP
    """
    import pandas as pd

    return pd.DataFrame(rows(name, state), columns=[*Episode.__dataclass_fields__])


def rows(name: str | None = None, state: str | None = None) -> list[dict[str, Any]]:
    """Return episodes as flat rows."""
    from nbmlops.registry import models
    from nbmlops.store import episodes as stored

    if state is not None and state not in (*STATES, "open"):
        raise unknown("state", state, (*STATES, "open"), where="of an episode")
    model, at, _ = (name or "").partition("@")
    version = models.model_version(str(name)).version if at else None
    found = stored.listed(session.store(), model or None, version)
    if model and not found:
        models.model_version(model)
    return [r for r in found if state is None or r["state"] == state or (state == "open" and r["state"] != "closed")]
