"""Ask somebody else's database: one query, its parameters bound, nothing changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sa

from nbmlops.errors import Invalid, MissingPackage, NotFound, Unavailable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ask"]

AWAY = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)
MEND = "Try the query in the database's own tool, then mend it in nbmlops.toml."


def ask(address: str, query: str, parameters: Mapping[str, Any], root: Path) -> pd.DataFrame:
    """Return the rows of a query; the transaction is read-only where the database knows that, and never commits.

    Parameters
    ----------
    address : str
        A SQLAlchemy URL; the path of an SQLite file is seen from ``root``.
    query : str
        With parameters as ``:name``.
    parameters : mapping
        A value for each.
    root : Path

    Raises
    ------
    Invalid
        The address, the query or the parameters are wrong; no value is shown.
    NotFound
        There is no such SQLite file.
    Unavailable
        The database does not answer: it may later.
    """
    import pandas as pd

    statement = sa.text(query)
    _check_parameters(set(statement.compile().params), set(parameters))
    engine = _engine(address, root)
    try:
        with engine.connect().execution_options(**_read_only(engine)) as connection:
            found = connection.execute(statement, dict(parameters))
            if not found.returns_rows:
                raise Invalid("The query returns no rows: it is no SELECT.", MEND)
            return pd.DataFrame.from_records(found.fetchall(), columns=list(found.keys()), coerce_float=True)
    except sa.exc.DBAPIError as error:
        raise _explained(error) from None
    finally:
        engine.dispose()


def _check_parameters(wanted: set[str], given: set[str]) -> None:
    if wanted != given:
        asks, gives = (", ".join(sorted(names)) or "none" for names in (wanted, given))
        raise Invalid(f"The query asks for the parameters {asks}; given: {gives}.", "Name each of them once.")


def _engine(address: str, root: Path) -> sa.Engine:
    try:
        url = sa.make_url(address)
        if url.get_backend_name() == "sqlite":
            url = _sqlite(url, root)
        return sa.create_engine(url, poolclass=sa.NullPool)
    except (sa.exc.ArgumentError, ValueError):
        raise Invalid(
            "The database's address cannot be read.", "Write postgresql+psycopg://USER:${PASSWORD}@HOST/NAME."
        ) from None
    except ImportError as error:
        raise MissingPackage(
            f"The database's driver {error.name} is not installed.", f"pip install {error.name}"
        ) from None


def _sqlite(url: sa.URL, root: Path) -> sa.URL:
    """Return the address that opens an SQLite file for reading only, and makes none."""
    path = root / (url.database or "")
    if not path.is_file():
        raise NotFound(f"There is no SQLite file {url.database!r}.", "Its path is seen from the project's folder.")
    return url.set(database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})


def _read_only(engine: sa.Engine) -> dict[str, Any]:
    return {"postgresql_readonly": True} if engine.dialect.name == "postgresql" else {}


def _explained(error: sa.exc.DBAPIError) -> Invalid | Unavailable:
    """Return a readable error by the kind of a driver's; its words may hold values of rows, so they are not shown."""
    kind = type(error.orig).__name__
    # SQLite calls a wrong statement operational too: what it says then names the statement, not the data.
    wrong = "no such" in str(error.orig) or "readonly" in str(error.orig) or "syntax" in str(error.orig)
    if isinstance(error, AWAY) and not wrong:
        return Unavailable(f"The database of the source does not answer ({kind}).", "Look whether it is up.")
    return Invalid(f"The database refuses the query ({kind}{_named(error)}).", MEND)


def _named(error: sa.exc.DBAPIError) -> str:
    said = str(error.orig).split("\n")[0]
    return f": {said[:120]}" if any(word in said for word in ("no such", "does not exist", "syntax")) else ""
