"""What the panel is not shown: values of columns the charter calls private, and everything of them where it is unread.

The same rules as in reports: what a value may stand in is left out, that something was found is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbmlops.errors import Invalid, NbmlopsError
from nbmlops.report.gathered import masked
from nbmlops.report.gathered.outside import GIVEN, UNSAID
from nbmlops.report.gathered.raised import raised
from nbmlops.store.summary import COLUMNS

__all__ = ["Masks"]

Json = Mapping[str, Any]
OWN = {"split", "stat", "origin"}  # contexts tracking itself writes: none is a column
UNREAD = "not shown: the charter cannot be read, so nobody knows what is private"
WORD = re.compile(
    r"""(?P<said>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|`(?P<quoted>[^`]+)`|(?P<word>[A-Za-z_][\w.\-]*(?:\[[^\]]*\])?)"""
)
KINDS = ("params", "metrics", "tags")
PLAIN = {*COLUMNS, "and", "or", "not", "like", "in", "is", "missing", "true", "false"}


@dataclass(frozen=True)
class Masks:
    """The columns the charter of this moment calls private; ``unread`` where nobody can say which these are."""

    hidden: tuple[str, ...] = ()
    unread: bool = False

    @classmethod
    def now(cls) -> Masks:
        """Return what the charter asks for."""
        from nbmlops.registry.kept import private

        try:
            return cls(private())
        except NbmlopsError:
            return cls(unread=True)

    @property
    def any(self) -> bool:
        """Whether anything has to be left out."""
        return bool(self.hidden) or self.unread

    def run(self, run: Json) -> dict[str, Any]:
        """Return a run without settings, measures, findings and errors that may hold a value."""
        kept = masked.masked_run(run, [*self.hidden], self.unread)
        measured = [m for m in run.get("metrics") or () if not self.tells(m["name"], m.get("context") or {})]
        found = self.found(run.get("findings") or ())
        if self.unread:
            params = [{**p, "value": self.value("", p.get("value"))} for p in run.get("params") or ()]
            kept |= {"params": params, "tags": self.tags(run.get("tags") or {}), "models": [], "datasets": []}
            kept["summary"] = {k: v for k, v in (run.get("summary") or {}).items() if not self.tells(k)}
        return {**kept, "metrics": measured, **({"findings": found} if "findings" in run else {})}

    def model(self, model: Json) -> dict[str, Any]:
        """Return a version without what was seen in private columns."""
        (shown,) = self._gathered([model], [])["models"]
        return dict(shown)

    def result(self, data: Json, model: Json | None = None) -> dict[str, Any]:
        """Return an evaluation, a gate or a check of drift, without values of private columns."""
        (shown,) = self._gathered([model] if model else [], [{"data": data}])["results"]
        return dict(shown["data"])

    def comparison(self, data: Json) -> dict[str, Any]:
        """Return runs side by side without settings and measures of private columns."""
        curves = [c for c in data.get("curves") or () if not self.tells(str(c.get("name")), c.get("context") or {})]
        rows = [shown for row in data["rows"] if (shown := self._row(row)) is not None]
        return {**data, "rows": rows, **({"curves": curves} if "curves" in data else {})}

    def query(self, query: str) -> str:
        """Return a query, unless it asks for what is not shown: how many runs fit would tell it."""
        named = [m["quoted"] or m["word"] for m in WORD.finditer(query) if not m["said"]] if self.any else []
        if gone := next((name for name in named if self._asks(name)), None):
            raise Invalid(f"{gone[:40]!r} cannot be asked for: it is private, or may be.", "Ask for other columns.")
        return query

    def found(self, findings: Iterable[Json]) -> list[Any]:
        """Return findings or episodes; of a private column what kind each is, of an unread charter none says more."""
        if self.unread:
            return [{**f, "message": UNREAD, **({"detail": {}} if "detail" in f else {})} for f in findings]
        return list(masked.masked(list(findings), [*self.hidden]))

    def cells(self, cells: Iterable[Json]) -> list[Any]:
        """Return cells of an executed notebook: what one printed, or was given, may be a value of a private column."""
        return [_unprinted(cell) for cell in cells] if self.any else list(cells)

    def error(self, error: Json | None) -> dict[str, Any] | None:
        """Return what was raised, without values it may quote; nothing changes where nothing is private."""
        return raised(error, "", self.hidden, self.unread) if error and self.any else dict(error) if error else None

    def reason(self, reason: str | None) -> str | None:
        """Return why a work ended; of what a program said last, what is no value."""
        name, colon, said = (reason or "").partition(": ")
        if not (self.any and colon and name.isidentifier()):
            return reason
        return f"{name}: {raised({'name': name, 'message': said}, '', self.hidden, self.unread)['message']}"

    def tells(self, name: str, context: Mapping[str, Any] | None = None) -> bool:
        """Tell whether a measure is a private column's own value, or of the rows of one value of it."""
        if self.unread:
            inner = name.partition("[")[2].removesuffix("]")
            keys = {part.partition("=")[0] for part in inner.split(",") if part} | set(context or {})
            return not keys <= OWN
        return masked.tells(name, self.hidden) or not set(self.hidden).isdisjoint(context or {})

    def tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return tags without those that are called as a private column, or hold what was printed."""
        return {k: masked.SHOWN if self._hides_tag(k) else v for k, v in tags.items()}

    def value(self, name: str, value: Any) -> Any:
        """Return a setting, unless it is of a private column; where nobody knows which these are, numbers alone."""
        if self.unread:
            return value if value is None or isinstance(value, (bool, int, float)) else masked.SHOWN
        return masked.setting(name, value, self.hidden)

    def _asks(self, name: str) -> bool:
        kind, _, inner = name.partition(".")
        if kind not in KINDS:
            kind, inner = "", name
        if kind == "tags" and self._hides_tag(inner):
            return True
        if self.unread:
            return kind in ("params", "tags") or self.tells(inner) or (not kind and name not in PLAIN)
        return inner in self.hidden or self.tells(inner) or self.value(inner, [""]) != [""]

    def _hides_tag(self, name: str) -> bool:
        return name in self.hidden or self.unread or (self.any and name in masked.PRINTED)

    def _row(self, row: Json) -> dict[str, Any] | None:
        kind, _, name = str(row["name"]).partition(".")
        if kind == "metrics" and self.tells(name):
            return None
        values: Sequence[Any] = row["values"]
        if kind == "params":
            values = [self.value(name, value) for value in values]
        if kind == "tags":
            values = [value and self.tags({name: value})[name] for value in values]
        return {**row, "values": list(values)}

    def _gathered(self, models: Sequence[Json], results: Sequence[Json]) -> dict[str, Any]:
        charter: Json = {"unreadable": UNREAD} if self.unread else {"private": [*self.hidden]}
        return masked.gather({"charter": charter, "models": list(models), "results": list(results)})


def _unprinted(cell: Json) -> dict[str, Any]:
    shown = [{"kind": "text", "content": UNSAID, "alt": ""}] if cell["pieces"] else []
    source = f"{GIVEN}# {masked.SHOWN}" if str(cell["source"]).startswith(GIVEN) else cell["source"]
    return {**cell, "source": source, "pieces": shown}
