"""Write src/nbmlops/store/new_store.sql: the statements with which SQLAlchemy makes a new SQLite store.

python docs/make_schema.py
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from nbmlops.store import tables, views

TARGET = Path(__file__).parents[1] / "src" / "nbmlops" / "store" / "new_store.sql"


def script() -> str:
    """Return every statement as SQLite keeps it, tables first."""
    with sa.create_engine("sqlite://").begin() as connection:
        tables.metadata.create_all(connection)
        views.create(connection)
        order = "type = 'view', type = 'index', CASE type WHEN 'index' THEN name END, rowid"
        query = f"SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY {order}"
        made = connection.exec_driver_sql(query).scalars()
        return ";\n\n".join("\n".join(line.rstrip() for line in sql.splitlines()) for sql in made) + ";\n"


if __name__ == "__main__":
    TARGET.write_text(script(), encoding="utf-8")
