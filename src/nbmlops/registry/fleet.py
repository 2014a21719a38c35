"""The fleet: every model version as one row, with who owns it, since when it serves, and how it was last found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

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
    *("override", "review_at", "job", "owner", "created_at", "estimator", "format", "run_id", "digest"),
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
        ``override``, why it was moved against the policy, until somebody has reviewed that; ``review_at``, the next
        review by the charter; ``job``, the files in ``jobs/`` that name the model; ``owner
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

    fleet, places = _chosen(query, sort, limit)
    found = pd.DataFrame({name: _series(fleet, name) for name in fleet.names})
    return found if places is None else found.iloc[places].reset_index(drop=True)


def rows(query: str | None = None, sort: str | None = None, limit: int | None = None) -> list[dict[str, Any]]:
    """Return the fleet as flat rows; a metric a version does not have is no key of its row."""
    fleet, places = _chosen(query, sort, limit)
    whole = {name: fleet.values(name) for name in fleet.names}
    columns = whole if places is None else {k: [v[i] for i in places] for k, v in whole.items()}
    found = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    gaps = [name for name in fleet.names[len(COLUMNS) :] if None in columns[name]]
    return [{k: v for k, v in row.items() if v is not None or k not in gaps} for row in found] if gaps else found


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

    def __init__(self, connection: Connection, tagged: bool = False) -> None:
        self.known = stored.known(connection, session.project().store_url)
        self.runs = self.known.columns["run_id"]
        self.size = len(self.runs)
        self.names = (*COLUMNS, *(f"metrics.{name}" for name in self.known.metrics))
        self.tags = stored.tags(connection) if tagged else {}
        self.today = self._today(connection)

    def _today(self, connection: Connection) -> dict[str, Values]:
        """Return the columns that change without an event."""
        columns = self.known.columns
        keys = list(zip(columns["name"], columns["version"], strict=True))
        checks, episodes, work = stored.checks(connection), stored.open_episodes(connection), jobs()
        checked = [checks.get(f"{name}@{number}", NEVER) for name, number in keys] if checks else [NEVER] * self.size
        since, days, now = columns["champion_at"], _review_days(), datetime.now(UTC)
        return {
            "champion_age_s": [t and (now - datetime.fromisoformat(t)).total_seconds() for t in since],
            "checked_at": [at for at, _ in checked],
            "verdict": [verdict for _, verdict in checked],
            "episodes": [episodes.get(key, 0) for key in keys],
            "review_at": [t and _later(t, days) for t in since],
            "job": [", ".join(work.get(name, ())) or None for name, _ in keys] if work else [None] * self.size,
        }

    def values(self, name: str) -> Values:
        """Return a column of the table, a metric, or a tag."""
        if name in self.today:
            return self.today[name]
        kind, _, key = name.partition(".")
        if kind == "metrics":
            return self.known.metrics[key]
        return [self.tags.get(run, {}).get(key) for run in self.runs] if key else self.known.columns[name]


class _Asked:
    """A fleet as a query sees it: one place for each version and data set of it, where the query names one."""

    def __init__(self, fleet: Fleet, pairs: Sequence[tuple[int, str | None]] | None = None) -> None:
        self.fleet, self.pairs = fleet, pairs
        self.size = fleet.size if pairs is None else len(pairs)
        few = {id(known): known for known in fleet.tags.values()}  # few texts, many runs
        self.names = {
            *fleet.names,
            *(() if pairs is None else ("dataset",)),
            *(f"tags.{name}" for known in few.values() for name in known),
        }

    def column(self, name: str) -> Column:
        """Return one column."""
        if name == "dataset":
            return _column([data for _, data in self.pairs or ()])
        values = self.fleet.values(name)
        if name in DATES:
            values = [t and datetime.fromisoformat(t).timestamp() for t in values]
        return _column(values if self.pairs is None else [values[i] for i, _ in self.pairs])


NEVER = (None, None)
NOTHING: Sequence[str | None] = (None,)
_frames: WeakKeyDictionary[stored.Known, dict[str, Any]] = WeakKeyDictionary()


def _series(fleet: Fleet, name: str) -> Any:
    """Return a column as pandas holds it; of what cannot change it is made once."""
    import pandas as pd

    if name in fleet.today:
        return pd.Series(fleet.today[name])
    made = _frames.setdefault(fleet.known, {})
    if name not in made:
        made[name] = pd.Series(fleet.values(name))
    return made[name]


def _chosen(query: str | None, sort: str | None, limit: int | None) -> tuple[Fleet, list[int] | None]:
    """Return the fleet and the places in it that were asked for, None for all."""
    import numpy as np

    from nbmlops.store import queries
    from nbmlops.store.runs import reading

    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise Invalid(f"limit is {limit!r}.", "Write how many rows, or None for all.")
    for name, text in (("query", query), ("sort", sort)):
        if text is not None and not isinstance(text, str):
            raise Invalid(f"{name} is {type(text).__name__}.", "Write text, such as: metrics.roc_auc > 0.6.")
    asked = f"{query or ''} {sort or ''}"
    with reading(session.store()) as connection:
        fleet = Fleet(connection, tagged="tags" in asked)
        pairs = _pairs(fleet, connection) if "dataset" in asked else None
    if not (query or sort or limit is not None):
        return fleet, None
    places = np.arange(fleet.size)
    if query:
        true = np.flatnonzero(queries.choose(_Asked(fleet, pairs), query, dates=DATES))
        places = true if pairs is None else np.unique(np.array([i for i, _ in pairs], int)[true])
    if sort:
        places = queries.order(_Asked(fleet), places, sort)
    return fleet, places[:limit].tolist()


def _pairs(fleet: Fleet, connection: Connection) -> list[tuple[int, str | None]]:
    """Return each version's place with each of its data sets, or with None."""
    read = stored.datasets(connection, fleet.runs)
    return [(i, data) for i, run in enumerate(fleet.runs) for data in read.get(run) or NOTHING]


def _column(values: Values) -> Column:
    """Return values as a query compares them: numbers, or texts by code."""
    import numpy as np

    from nbmlops.store.columns import Column

    numeric = {type(v) for v in values} <= {type(None), int, float}
    numbers = np.array(values, dtype=float) if numeric else np.full(len(values), np.nan)
    index: dict[Any, int] = {}
    codes = [-1 if numeric or v is None or v == "" else index.setdefault(v, len(index)) for v in values]
    return Column(numbers, np.array(codes, np.int32), tuple(index))


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
