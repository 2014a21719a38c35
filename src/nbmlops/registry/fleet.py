"""The fleet: every model version as one row, with who owns it, since when it serves, and how it was last found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbmlops.errors import Invalid, tell
from nbmlops.hooks import service
from nbmlops.store import fleet as stored
from nbmlops.tracking import session

if TYPE_CHECKING:
    import pandas as pd

    from nbmlops.store.columns import Column
    from nbmlops.store.driver import Connection

__all__ = ["COLUMNS", "jobs", "models", "rows"]

COLUMNS = (
    *("name", "version", "aliases", "champion_at", "champion_age_s", "evaluated", "checked_at", "verdict", "episodes"),
    *("review_at", "job", "owner", "created_at", "estimator", "format", "run_id", "digest"),
)
DATES = ("created_at", "champion_at", "checked_at", "review_at")
Values = Sequence[Any]


def models(query: str | None = None, sort: str | None = None, limit: int | None = None) -> pd.DataFrame:
    """Return the fleet: every model version as a row, the newest of each name first.

    Parameters
    ----------
    query : str, optional
        In the language of ``nb.runs``: columns of this table, ``metrics.roc_auc > 0.6``, ``tags.team = "x"`` (tags of
        the run it came from), ``dataset = "flights@2"`` (true where one of its data sets is).
    sort : str, optional
        A column; a minus before it means largest first.
    limit : int, optional

    Returns
    -------
    pandas.DataFrame
        One row a version: ``name version aliases``; ``champion_at`` and ``champion_age_s`` where it is the champion;
        ``evaluated``; ``checked_at`` and ``verdict`` of the newest drift report against it; open ``episodes``;
        ``review_at``, the next review by the charter; ``job``, the files in ``jobs/`` that name the model; ``owner
        created_at estimator format run_id digest``; then ``metrics.*``.

    Raises
    ------
    Invalid
        The query cannot be read.
    NotFound
        It names a column that is not there; the message names the near ones.

    Examples
    --------
    >>> nb.models("metrics.roc_auc > 0.6 and owner = 'ada'")[["name", "version", "aliases"]]  # doctest: +SKIP
    """
    import pandas as pd

    return pd.DataFrame(_chosen(query, sort, limit))


def rows(query: str | None = None, sort: str | None = None, limit: int | None = None) -> list[dict[str, Any]]:
    """Return the fleet as flat rows; a metric a version does not have is no key of its row."""
    columns = _chosen(query, sort, limit)
    found = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [{k: v for k, v in row.items() if k in COLUMNS or v is not None} for row in found]


def jobs() -> dict[str, list[str]]:
    """Return model to the files in ``jobs/`` that name it, alone or with a version or alias."""
    import yaml

    found: dict[str, list[str]] = {}
    for path in sorted((session.project().root / "jobs").glob("*.y*ml")):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            tell(f"jobs/{path.name} cannot be read ({type(error).__name__}), so no model shows it as its job.")
            continue
        for name in sorted({text.partition("@")[0] for text in _texts(content)}):
            found.setdefault(name, []).append(path.name)
    return found


class Fleet:
    """The columns of all versions: what a query is asked of."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.stored = stored.versions(connection)
        self.size = len(self.stored["name"])
        self.metrics = [stored.metrics_of(text) for text in self.stored["metrics"]]
        self.measured = list(dict.fromkeys(name for known in self.metrics for name in known))
        self.shown = self._shown()

    def _shown(self) -> dict[str, Values]:
        """Return the columns of the table."""
        keys = list(zip(self.stored["name"], self.stored["version"], strict=True))
        pointing, owners = stored.pointing(self.connection), stored.handed_over(self.connection)
        episodes, checks = stored.open_episodes(self.connection), stored.checks(self.connection)
        names = self.stored["name"]
        where = {(n, v): (a, at) for n, aliases in pointing.items() for a, (v, at) in aliases.items() if a == CHAMPION}
        since = [where.get(key, (None, None))[1] for key in keys]
        checked = [checks.get(f"{n}@{v}", NEVER) for n, v in keys] if checks else [NEVER] * self.size
        every, now, at_work = _review_days(), datetime.now(UTC), jobs()
        made: dict[str, Values] = {
            "aliases": [_aliases(pointing.get(name), number) for name, number in keys],
            "champion_at": since,
            "champion_age_s": [t and (now - datetime.fromisoformat(t)).total_seconds() for t in since],
            "evaluated": [e is not None for e in self.stored["evaluation"]],
            "checked_at": [at for at, _ in checked],
            "verdict": [verdict for _, verdict in checked],
            "episodes": [episodes.get(key, 0) for key in keys],
            "review_at": [_later(t, every) for t in since],
            "job": [", ".join(at_work.get(name, ())) or None for name in names] if at_work else [None] * self.size,
            "owner": [owners.get(n, o) for n, o in zip(names, self.stored["owner"], strict=True)],
        }
        return {name: made[name] if name in made else self.stored[name] for name in COLUMNS}

    def values(self, name: str) -> Values:
        """Return a column of the table, a metric, or a tag."""
        if name in self.shown:
            return self.shown[name]
        kind, _, key = name.partition(".")
        if kind == "metrics":
            return [known.get(key) for known in self.metrics]
        return [self.tags.get(run_id, {}).get(key) for run_id in self.stored["run_id"]]

    @cached_property
    def tags(self) -> dict[str, dict[str, str]]:
        """The tags of the runs the versions came from."""
        return stored.tags(self.connection)

    def table(self, places: Sequence[int] | None = None) -> dict[str, Values]:
        """Return the table, of some places where they are given."""
        whole = {**self.shown, **{f"metrics.{name}": self.values(f"metrics.{name}") for name in self.measured}}
        return whole if places is None else {k: [v[i] for i in places] for k, v in whole.items()}


class _Asked:
    """A fleet as a query sees it: one place for each version and data set of it, where the query names one."""

    def __init__(self, fleet: Fleet, query: str) -> None:
        self.fleet, tagged = fleet, "tags" in query
        self.pairs = _pairs(fleet) if "dataset" in query else [(i, None) for i in range(fleet.size)]
        self.size = len(self.pairs)
        self.names = {*COLUMNS, "dataset", *(f"metrics.{name}" for name in fleet.measured)}
        self.names |= {f"tags.{name}" for known in (fleet.tags.values() if tagged else ()) for name in known}

    def column(self, name: str) -> Column:
        """Return one column."""
        if name == "dataset":
            return _column([data for _, data in self.pairs])
        values = self.fleet.values(name)
        if name in DATES:
            values = [t and datetime.fromisoformat(t).timestamp() for t in values]
        return _column(values if self.size == self.fleet.size else [values[i] for i, _ in self.pairs])


CHAMPION, NEVER = "champion", (None, None)


def _chosen(query: str | None, sort: str | None, limit: int | None) -> dict[str, Values]:
    import numpy as np

    from nbmlops.store import queries
    from nbmlops.store.runs import reading

    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise Invalid(f"limit is {limit!r}.", "Write how many rows, or None for all.")
    with reading(session.store()) as connection:
        fleet = Fleet(connection)
        if not (query or sort or limit is not None):
            return fleet.table()
        places = np.arange(fleet.size)
        if query:
            asked = _Asked(fleet, query)
            true = queries.choose(asked, query, dates=DATES)
            places = np.unique(np.array([i for i, _ in asked.pairs], int)[true])
        if sort:
            places = queries.order(_Asked(fleet, sort), places, sort)
        return fleet.table(places[:limit].tolist())


def _pairs(fleet: Fleet) -> list[tuple[int, str | None]]:
    """Return each version's place with each of its data sets, or with None."""
    known = stored.datasets(fleet.connection)
    return [(i, data) for i, run_id in enumerate(fleet.stored["run_id"]) for data in known.get(run_id, [None])]


def _column(values: Values) -> Column:
    """Return values as a query compares them: numbers, or texts by code."""
    import numpy as np

    from nbmlops.store.columns import Column

    numeric = all(v is None or (isinstance(v, (int, float)) and not isinstance(v, bool)) for v in values)
    numbers = np.array(values, dtype=float) if numeric else np.full(len(values), np.nan)
    index: dict[Any, int] = {}
    codes = [-1 if numeric or v is None or v == "" else index.setdefault(v, len(index)) for v in values]
    return Column(numbers, np.array(codes, np.int32), tuple(index))


def _aliases(pointing: Mapping[str, tuple[int, str]] | None, number: int) -> str:
    return ", ".join(sorted(a for a, (v, _) in pointing.items() if v == number)) if pointing else ""


def _review_days() -> int | None:
    """Return how many days the charter lets pass between reviews; a broken charter is told of and shows none."""
    try:
        agreed = service("governance.charter", "charter")()
    except Invalid as error:
        tell(f"No next review is shown: {error}")
        return None
    return agreed.review_days if agreed else None


def _later(at: str | None, days: int | None) -> str | None:
    return (
        (datetime.fromisoformat(at) + timedelta(days=days)).isoformat(timespec="microseconds") if at and days else None
    )


def _texts(content: Any) -> Iterable[str]:
    """Yield every text in a YAML document."""
    if isinstance(content, str):
        yield content
    for item in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from _texts(item)
