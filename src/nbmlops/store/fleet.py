"""What the store knows of all model versions at once: what cannot change is read once in a process."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from nbmlops.store import shapes
from nbmlops.store.driver import ACCOUNT, PERSONAL, Connection, parts

__all__ = ["Known", "checks", "datasets", "known", "open_episodes", "overridden", "tags"]

VERSION = ("name", "version", "estimator", "format", "owner", "created_at", "run_id", "digest", "evaluation", "metrics")
LISTED = f"SELECT {', '.join(VERSION)} FROM model_versions WHERE deleted_at IS NULL"
FIELD = {True: "json_extract(data, '$.{0}')", False: "(replace(data, '\\u0000', '')::json ->> '{0}')"}
FEW = 400  # what is asked for one by one; more is read at once
Key = tuple[str, int]
Data = tuple[tuple[str, str], ...]
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True, eq=False)
class Known:
    """Versions by name, newest first, aliases and owners, as of one event of the chain: nothing changes without one."""

    seq: int
    hash: str
    rows: Rows
    pointing: Mapping[str, Mapping[str, tuple[int, str]]]  # model to {alias: (version, since when)}
    owners: Mapping[str, str]  # model to the person it was handed to last
    overrides: Mapping[Key, str]  # versions that were moved against the policy, and why; until that is reviewed

    @cached_property
    def columns(self) -> dict[str, Sequence[Any]]:
        """The columns of every version that is not deleted."""
        rows = [row for name in sorted(self.rows) for row in self.rows[name]]  # here, for databases sort text variously
        found = dict(zip(VERSION, zip(*rows, strict=True) if rows else ((),) * len(VERSION), strict=True))
        keys = list(zip(found["name"], found["version"], strict=True))
        named: defaultdict[Key, list[str]] = defaultdict(list)
        for name, aliases in self.pointing.items():
            for alias in sorted(aliases):
                named[name, aliases[alias][0]].append(alias)
        return {
            **found,
            "aliases": [", ".join(named[key]) if key in named else "" for key in keys],
            "champion_at": [
                self.pointing[key[0]][CHAMPION][1] if CHAMPION in named.get(key, ()) else None for key in keys
            ],
            "evaluated": [evaluation is not None for evaluation in found["evaluation"]],
            "override": [self.overrides.get(key) for key in keys],
            "owner": [self.owners.get(name, own) for name, own in zip(found["name"], found["owner"], strict=True)],
        }

    @cached_property
    def metrics(self) -> dict[str, list[float | None]]:
        """The values of each metric, None where a version has none that is a number."""
        read = [_metrics_of(text) for text in self.columns["metrics"]]
        return {name: [m.get(name) for m in read] for name in dict.fromkeys(name for m in read for name in m)}


CHAMPION = "champion"
_known: dict[str, Known] = {}
_checked: dict[tuple[str, str], tuple[str, str]] = {}
_read: dict[str, Data] = {}


def known(connection: Connection, store: str) -> Known:
    """Return what is registered; of models that had no event since the last time it is not read again.

    Parameters
    ----------
    connection : Connection
    store : str
        The store's address.
    """
    newest = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone() or (0, "")
    before = _known.get(store)
    if before is None or connection.scalar("SELECT hash FROM events WHERE seq = ?", (before.seq,)) != before.hash:
        before = None  # the first time, or another store in this place
    if before is None or before.seq != newest[0]:
        rows = _all(connection) if before is None else _again(connection, before)
        _known[store] = Known(
            newest[0], newest[1], rows, _pointing(connection), _handed_over(connection), overridden(connection)
        )
    return _known[store]


def _all(connection: Connection) -> Rows:
    found: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in connection.execute(LISTED):
        found[row[0]].append(row)
    return {name: sorted(rows, key=lambda row: -row[1]) for name, rows in found.items()}


def _again(connection: Connection, before: Known) -> Rows:
    """Return the versions, those of models with new events read again."""
    touched = connection.execute("SELECT DISTINCT subject FROM events WHERE seq > ?", (before.seq,)).fetchall()
    names = sorted({subject.rpartition("@")[0] or subject for (subject,) in touched})
    if len(names) > FEW:
        return _all(connection)
    rows = dict(before.rows)
    for name in names:
        fresh = connection.execute(f"{LISTED} AND name = ? ORDER BY version DESC", (name,)).fetchall()
        rows |= {name: fresh} if fresh else {}
        if not fresh:
            rows.pop(name, None)
    return rows


def _metrics_of(text: str) -> dict[str, float]:
    values = {name: m.get("value") for name, m in json.loads(text).items()}
    return {k: v for k, v in values.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def _pointing(connection: Connection) -> dict[str, dict[str, tuple[int, str]]]:
    newest = "SELECT max(seq) FROM events WHERE action = 'alias' GROUP BY subject"
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for subject, data, at in connection.execute(f"SELECT subject, data, at FROM events WHERE seq IN ({newest})"):
        name, _, alias = subject.rpartition("@")
        number = (shapes.read("alias", data) or {}).get("version")
        if number is not None:
            found.setdefault(name, {})[alias] = (number, at)
    return found


def _handed_over(connection: Connection) -> dict[str, str]:
    query = "SELECT subject, data FROM events WHERE action = 'handover' ORDER BY seq"
    return {
        subject: said["to"] for subject, data in connection.execute(query) if (said := shapes.read("handover", data))
    }


def overridden(connection: Connection) -> dict[Key, str]:
    """Return (name, version) to the reason of an override of the policy that nobody has reviewed yet."""
    query = "SELECT seq, subject, actor, action, data FROM events WHERE action = ? AND data LIKE ? ORDER BY seq"
    moved = connection.execute(query, ("alias", '%"override":%')).fetchall()
    looked = connection.execute(query, ("override_reviewed", "%")).fetchall() if moved else []
    reviewed = {(said["alias"], by) for _, _, by, action, data in looked if (said := shapes.read(action, data))}
    people = _people(connection) if reviewed else {}
    found = (
        (subject.rpartition("@")[0], shapes.read(action, data) or {})
        for seq, subject, actor, action, data in moved
        if not any(of == seq and actor.casefold() not in _goes_by(by, people) for of, by in reviewed)
    )
    return {(name, data["version"]): str(data["override"]["reason"]) for name, data in found if data.get("override")}


def _people(connection: Connection) -> dict[str, set[str]]:
    """Return account to the names of one person that it claimed beside itself."""
    query = "SELECT DISTINCT actor, data FROM events WHERE known_by = ? AND data LIKE ?"
    found: dict[str, set[str]] = {}
    for account, data in connection.execute(query, (ACCOUNT, '%"claimed"%')):
        claim = json.loads(data).get("claimed")
        if isinstance(claim, dict) and claim.get("known_by") in PERSONAL and claim.get("name"):
            found.setdefault(account, set()).add(str(claim["name"]))
    return found


def _goes_by(account: str, people: dict[str, set[str]]) -> set[str]:
    """Return the names of who reviews, in small letters, as ``events.goes_by`` does: nobody reviews their own."""
    own = people.get(account, set())
    return {name.casefold() for name in (account, *own, *(other for other, said in people.items() if said & own))}


def checks(connection: Connection) -> dict[str, tuple[str, str]]:
    """Return NAME@3 to (time, verdict) of the newest drift report against it; a report is read once."""
    keys = connection.execute("SELECT subject, at FROM results WHERE kind = 'drift'").fetchall()
    reference, verdict = (FIELD[connection.sqlite].format(name) for name in ("reference", "verdict"))
    query = f"SELECT subject, at, {reference}, {verdict} FROM results WHERE kind = 'drift'"
    fresh = [key for key in keys if key not in _checked]
    one_by_one = (connection.execute(f"{query} AND subject = ? AND at = ?", key) for key in fresh)
    for cursor in one_by_one if len(fresh) < FEW else [connection.execute(query)]:
        _checked.update({(subject, at): (ref, level) for subject, at, ref, level in cursor.fetchall()})
    newest = {_checked[key][0]: (key[1], _checked[key][1]) for key in sorted(keys, key=lambda key: str(key[1]))}
    return {ref: said for ref, said in newest.items() if ref}


def open_episodes(connection: Connection) -> dict[Key, int]:
    """Return (name, version) to the number of episodes that are not closed."""
    query = "SELECT model, version, count(*) FROM episodes WHERE closed_at IS NULL GROUP BY model, version"
    return {(name, version): count for name, version, count in connection.execute(query)}


def tags(connection: Connection) -> dict[str, dict[str, str]]:
    """Return run to its tags, for the runs that have some."""
    query = "SELECT run_id, tags FROM runs WHERE tags IS NOT NULL AND tags != '{}'"
    return {run_id: _decoded(text) for run_id, text in connection.execute(query)}


_decoded = lru_cache(10_000)(json.loads)  # few texts, many runs


def datasets(connection: Connection, runs: Iterable[str | None]) -> dict[str, list[str]]:
    """Return run to its data: each by its name there, and as ``flights@2`` where it is, or made, that version."""
    numbered: defaultdict[str, list[str]] = defaultdict(list)
    made: defaultdict[str | None, list[str]] = defaultdict(list)
    query = "SELECT fingerprint, name, version, run_id FROM dataset_versions ORDER BY name, version"
    for fingerprint, name, number, made_by in connection.execute(query):
        numbered[fingerprint].append(f"{name}@{number}")
        made[made_by].append(f"{name}@{number}")
    found: dict[str, list[str]] = {}
    words: dict[Any, list[str]] = {}  # few data, many runs
    for run_id, read in _data_of(connection, {r for r in runs if r}).items():
        if read not in words:
            each = [word for name, fingerprint in read for word in (name, *numbered.get(fingerprint, ()))]
            words[read] = list(dict.fromkeys(each))
        found[run_id] = list(dict.fromkeys([*made[run_id], *words[read]])) if run_id in made else words[read]
    return found


def _data_of(connection: Connection, runs: set[str]) -> dict[str, Data]:
    """Return run to (name, fingerprint) of its data; a run that has ended is asked once."""
    found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    ended: set[str] = set()
    for part, marks in parts(sorted(runs - _read.keys())):
        query = f"SELECT run_id, name, fingerprint FROM datasets WHERE run_id IN ({marks}) ORDER BY run_id, name"
        for run_id, name, fingerprint in connection.execute(query, part):
            found[run_id].append((name, fingerprint))
        over = connection.execute(f"SELECT run_id FROM runs WHERE run_id IN ({marks}) AND ended_at IS NOT NULL", part)
        ended.update(run_id for (run_id,) in over)
    _read.update({run_id: tuple(found[run_id]) for run_id in ended})
    return {run_id: _read[run_id] if run_id in _read else tuple(found[run_id]) for run_id in runs}
