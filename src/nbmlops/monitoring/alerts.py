"""Alerts: one message per check about the episodes that opened, kept first, then sent, again if that failed."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from nbmlops.capture.secrets import MASK, Secret, redact
from nbmlops.config import Project
from nbmlops.errors import Invalid, MissingPackage, NbmlopsError, Unavailable
from nbmlops.hooks import service
from nbmlops.records import new_id, now
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.monitoring.episodes import Step

__all__ = ["Channel", "about", "alerts", "channels", "deliver", "message", "rows", "unsent"]

WAIT_S = 5.0  # how long all channels together may hold up a check
STORE_WAIT_S = 2
GIVEN_UP_S = 60  # after so long an alert that was taken and not reported on is free again
MOST = 50  # alerts sent at one check
SHORTEST = 5  # characters of a part of an address that is masked
FIELDS = ("alert_id", "channel", "state", "at", "model", "version", "title", "sent_at", "tries", "error")
HOOK = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

SOURCE = "Look at where the rows come from: nbmlops sources"
ANSWERS = "Compare what it says with what came true: nbmlops feedback FILE; look at segments: nbmlops drift --by COLUMN"
MODEL = "Evaluate it on newer rows (nbmlops evaluate), or go back to the version before: nbmlops rollback {model}"
WATCH = "Watch it: a column moved, which alone does not show that the answers are worse"
DO: Mapping[str, str] = {
    "performance": MODEL,
    "performance_estimated": MODEL,
    "prediction_drift": ANSWERS,
    "target_drift": ANSWERS,
    "feature_drift": WATCH,
    "multivariate": WATCH,
}


@dataclass(frozen=True)
class Channel:
    """A way an alert goes: its name as it may be shown, and what is wrong with how it is written."""

    name: str
    kind: Literal["file", "url", "hook"]
    value: str
    problem: str = ""


def channels(project: Project) -> list[Channel]:
    """Return the channels of ``[alerts]`` in the project's own ``nbmlops.toml``.

    One that is badly written is a channel with a problem; an address is never part of its name.

    Parameters
    ----------
    project : Project

    Returns
    -------
    list of Channel

    Examples
    --------
    >>> from pathlib import Path
    >>> [c.name for c in channels(Project(Path("."), "", {"alerts": {"urls": ["env:ALERT_URL"]}}))]
    ['env:ALERT_URL']
    """
    found: list[Channel] = []
    if (file := project.setting("alerts", "file")) is not None:
        problem = "" if isinstance(file, str) and file else "file is no path: write file = 'alerts.jsonl'"
        found.append(Channel(f"file:{file}" if not problem else "file", "file", str(file), problem))
    urls = project.setting("alerts", "urls", [])
    listed = urls if isinstance(urls, list) else [urls]
    found += [_address(number, url) for number, url in enumerate(listed, 1)]
    if (hook := project.setting("alerts", "hook")) is not None:
        right = isinstance(hook, str) and HOOK.fullmatch(hook)
        found.append(Channel(f"hook:{hook}", "hook", hook) if right else Channel("hook", "hook", "", NO_HOOK))
    return list({channel.name: channel for channel in found}.values())


NO_HOOK = "hook is no function: write hook = 'package.module:function'"
IN_THE_CLEAR = "an address is written in the clear: put it into a variable and write urls = ['env:ALERT_URL']"


def _address(number: int, url: Any) -> Channel:
    """Return an address by the variable that holds it; one in the clear may hold credentials, and is refused."""
    name = url.removeprefix("env:") if isinstance(url, str) and url.startswith("env:") else ""
    if re.fullmatch(r"[A-Za-z_]\w*", name):
        return Channel(f"env:{name}", "url", name)
    return Channel(f"urls[{number}]", "url", "", IN_THE_CLEAR)


def about(ref: str) -> dict[str, Any]:
    """Return whom an alert about a model version concerns: its owner, and who runs it by the charter."""
    from nbmlops.registry.models import model_version

    owner = model_version(ref).owner
    try:
        charter = service("governance.charter", "charter")()
    except NbmlopsError as error:
        return {"owner": owner, "people": [], "charter": f"cannot be read: {error.message}"}
    return {"owner": owner, "people": [*charter.roles.get("ml_engineer", ())] if charter else []}


def message(ref: str, whom: Mapping[str, Any], steps: Sequence[Step], at: str) -> dict[str, Any] | None:
    """Return one alert about every episode that opened at alert level or rose to it; None where there is none.

    Parameters
    ----------
    ref : str
        The model version.
    whom : mapping
        As :func:`about` returns it.
    steps : sequence of Step
        What the check did to episodes.
    at : str
        The time.
    """
    begun = [s for s in steps if s.change in ("opened", "risen") and s.episode.level == "alert"]
    if not begun:
        return None
    closed = {s.episode.episode_id for s in steps if s.change == "closed"}
    model, _, version = ref.rpartition("@")
    names = list(dict.fromkeys(s.episode.what for s in begun))
    few = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
    found = [s.episode for s in begun]
    lines = [_line(s, s.episode.episode_id in closed) for s in begun]
    do = list(dict.fromkeys(DO.get(e.code, SOURCE).format(model=model) for e in found))
    concerned = [f"Owner: {whom['owner']}"]
    concerned += [f"charter {whom['charter']}"] if whom.get("charter") else []
    concerned += [f"Runs it, by the charter: {', '.join(whom['people'])}"] if whom.get("people") else []
    text = "\n".join([*lines, *concerned, "What to do:", *(f"- {line}" for line in do)])
    return {
        "alert_id": new_id(),
        "at": at,
        "model": model,
        "version": int(version),
        "owner": whom["owner"],
        "title": redact(f"{ref}: alert on {few}"),
        "text": redact(text),
        "episodes": [
            {"episode_id": e.episode_id, "code": e.code, "column": e.column, "since": e.opened_on} for e in found
        ],
        "do": do,
    }


def _line(step: Step, closed: bool) -> str:
    found = step.episode
    risen = ", risen from notice" if step.change == "risen" else ""
    return f"{found.what}: {found.message} (since {found.opened_on}{risen}{', closed meanwhile' if closed else ''})"


def deliver(clock: Callable[[], str] = now, wait_s: float = WAIT_S) -> tuple[str, ...]:
    """Send what is not sent yet through the project's channels, and return a line for each that failed.

    It takes a few seconds at most and raises nothing. An alert may arrive twice where a channel took it and did not
    answer in time, never none.

    Parameters
    ----------
    clock : callable
        Gives the time.
    wait_s : float
        How long to wait for all channels together.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> deliver()  # doctest: +SKIP
    ()
    """
    from nbmlops.store import episodes as stored

    try:
        ways = {c.name: c for c in channels(session.project())}
        if not ways:
            return ()
        given_up = (datetime.fromisoformat(clock()) - timedelta(seconds=GIVEN_UP_S)).isoformat(timespec="microseconds")
        with session.store().atomic(STORE_WAIT_S) as change:
            taken = stored.claim(change, clock(), given_up, list(ways), MOST)
        ended = _sent(taken, ways, wait_s)
        if ended:
            with session.store().atomic(STORE_WAIT_S) as change:
                stored.settle(change, ended, clock())
    except Exception as error:
        return (f"alerts not sent: {_reason(error)}",)
    failed = {channel: error for _, channel, error in ended if error is not None}
    return tuple(f"alert not sent by {c}, kept for the next check: {error}" for c, error in failed.items())


def _sent(
    taken: Sequence[Mapping[str, Any]], ways: Mapping[str, Channel], wait_s: float
) -> list[tuple[str, str, str | None]]:
    """Send alerts, each channel in a thread of its own, and return what became of each when the time is up."""
    ended: dict[tuple[str, str], str | None] = {}
    until = time.monotonic() + wait_s

    def work(channel: Channel, rows: Sequence[Mapping[str, Any]]) -> None:
        for row in rows:
            if time.monotonic() < until:
                ended[row["alert_id"], channel.name] = _attempt(channel, row["data"])

    queues = {name: [row for row in taken if row["channel"] == name] for name in {row["channel"] for row in taken}}
    threads = [threading.Thread(target=work, args=(ways[n], rows), daemon=True) for n, rows in queues.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late = f"no answer within {wait_s:g} s"
    return [(r["alert_id"], r["channel"], ended.get((r["alert_id"], r["channel"]), late)) for r in taken]


def _attempt(channel: Channel, data: Mapping[str, Any]) -> str | None:
    """Send one alert; return what went wrong, with secrets masked."""
    if channel.problem:
        return channel.problem
    try:
        SEND[channel.kind](channel.value, data)
    except Exception as error:
        return _reason(error)
    return None


def _reason(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return redact(first if isinstance(error, NbmlopsError) else f"{type(error).__name__}: {first}")[:300]


def _to_file(path: str, data: Mapping[str, Any]) -> None:
    """Append a line to a file of the project."""
    with (session.project().root / path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(data, ensure_ascii=False) + "\n")


def _to_hook(name: str, data: Mapping[str, Any]) -> None:
    """Call a function of the project with the alert."""
    import importlib

    module, _, function = name.partition(":")
    with _importable(str(session.project().root)):
        found = importlib.import_module(module)
    getattr(found, function)(dict(data))


@contextmanager
def _importable(folder: str) -> Iterator[None]:
    """Let modules of a folder be found while one is imported: a command does not stand in it as a notebook does."""
    added = folder not in sys.path
    sys.path[len(sys.path) :] = [folder] if added else []
    try:
        yield
    finally:
        if added and folder in sys.path:
            sys.path.remove(folder)


def _to_address(variable: str, data: Mapping[str, Any]) -> None:
    address = str.__str__(Secret(variable))
    try:
        import apprise
    except ImportError:
        raise MissingPackage("An alert to an address needs apprise.", "pip install 'nbmlops[notify]'") from None
    sender = apprise.Apprise()
    with _heard() as said:
        if not sender.add(address):
            raise Invalid(f"{variable} holds no address that apprise knows.", "Such as json://host/path; see its docs.")
        done = sender.notify(title=data["title"], body=data["text"], notify_type=apprise.NotifyType.WARNING)
    if not done:
        raise Unavailable(_masked(said[0], address) if said else f"The address in {variable} did not take it.")


SEND: Mapping[str, Callable[[str, Mapping[str, Any]], None]] = {
    "file": _to_file,
    "url": _to_address,
    "hook": _to_hook,
}


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect what apprise logs in this thread: it tells reasons in no other way."""
    said: list[str] = []
    me = threading.get_ident()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == me:
                said.append(record.getMessage())

    ear = Ear(logging.WARNING)
    logger = logging.getLogger("apprise")
    logger.addHandler(ear)
    try:
        yield said
    finally:
        logger.removeHandler(ear)


def _masked(text: str, address: str) -> str:
    """Mask every part of an address, for a token may stand anywhere in it."""
    parts = [part for part in re.split(r"[:/?&=@]+", address.partition("://")[2]) if len(part) >= SHORTEST]
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, MASK)
    return text


def alerts(send: bool = False) -> pd.DataFrame:
    """Return the alerts as a table, a row for each channel, the newest first.

    Parameters
    ----------
    send : bool
        Send first what is not sent yet.

    Returns
    -------
    pandas.DataFrame
        ``state`` is sent, waiting, failed, or *kept* where no channel was configured.

    Examples
    --------
    >>> nb.alerts()[["title", "state", "error"]]  # doctest: +SKIP
    """
    import pandas as pd

    if send:
        deliver(wait_s=4 * WAIT_S)
    return pd.DataFrame(rows(), columns=list(FIELDS))


def rows() -> list[dict[str, Any]]:
    """Return alerts as flat rows."""
    from nbmlops.store import episodes as stored

    found = ({**row, "state": _state(row), "title": row["data"]["title"]} for row in stored.alerted(session.store()))
    return [{k: row[k] for k in FIELDS} for row in found]


def unsent() -> list[dict[str, Any]]:
    """Return those that were not sent, though there is a channel."""
    return [row for row in rows() if row["state"] in ("waiting", "failed")]


def _state(row: Mapping[str, Any]) -> str:
    if row["sent_at"]:
        return "sent"
    if not row["channel"]:
        return "kept"
    return "failed" if row["error"] else "waiting"
