"""Check an audit log of nbmlops: ``python verify.py [BUNDLE] [--head SEQ:HASH] [--json]``.

Needs Python 3.8 or later and nothing else. BUNDLE is the folder or zip file of ``nbmlops audit export``; the folder of
this script when left out. ``--head`` is the number and hash of an event that somebody else wrote down: in a report, a
git tag, an older bundle. It ends with 0, with 3 where the log is broken, and with 2 where it cannot be read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Row = tuple[Any, ...]
    Head = dict[str, Any]

__all__ = ["FIELDS", "MARK", "Bundle", "check", "first", "head_of", "sentences"]

FIELDS = ("seq", "at", "actor", "known_by", "action", "subject", "data", "previous")
HEAD = re.compile(r"\s*(\d{1,18}):([0-9a-f]{64})\s*")
MARK = re.compile(r"nbmlops-audit ([0-9a-f-]{36}) (\d{1,18}):([0-9a-f]{64})")  # in the foot of a page, in a git tag
BROKEN, CONSISTENT, PROVEN = "broken", "consistent, not proven", "proven"
FORMAT = 1
HERE = Path(__file__).resolve().parent
# What a table repeats of the event that made its row: by action, the table and the fields.
REPEATED = {
    "register": ("model_versions", ("digest", "run_id", "evaluation", "profile", "owner", "rest")),
    "dataset": ("dataset_versions", ("fingerprint", "rows", "source", "digest", "rest")),
    "dataset_kept": ("dataset_versions", ("digest",)),
}
LATER = ("dataset_kept",)  # say more of a row that an earlier event made
HIDING = {"delete": True, "restore": False}
RESTING = ("register", "alias")  # hold, as ``results``, the hash of each result they rest on
RESULTS = '"results":{'
ERASING = "erase"  # names the digests of what is gone for good
ERASED = {  # by what was erased: the tables and the fields that may differ since
    "dataset": (("dataset_versions", "digest"), ("model_versions", "rest")),
    "results": (("results", "digest"),),
}
NEEDED = {  # what an event must say to be held against anything
    "register": ("digest",),
    "dataset": ("fingerprint",),
    "dataset_kept": ("digest",),
    "delete": ("versions",),
    "restore": ("versions",),
    "flag": ("flag", "digest"),
    "flag_answer": ("flag", "state", "digest"),
    "charter": ("digest",),
    "condition_met": ("approve", "condition", "why"),
    ERASING: ("digests_before",),
}
READ = {*REPEATED, *HIDING, *NEEDED}
TOLD = 20  # events that say too little, by name

quoted, sha256 = json.encoder.encode_basestring, hashlib.sha256  # the first is json.dumps(text, ensure_ascii=False)


class Said:
    """What the events say that tables repeat."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.erased: dict[tuple[str, str], set[str]] = {}
        self.twice: dict[str, Any] | None = None  # the first row of which two events say different things
        self.silent: list[tuple[int, str, list[str]]] = []  # events that say too little

    def add(self, table: str, key: str, event: dict[str, Any], seq: int, later: bool = False) -> None:
        """Remember what an event says of a row: what was said first counts, a later one may fill in what was empty."""
        old = self.rows.setdefault((table, key), {"seq": seq})
        filled = [n for n in event if n in old and not (later and old[n] is None)]
        if any(old[n] != event[n] for n in filled) and self.twice is None:
            names = " and ".join(n for n in filled if old[n] != event[n])
            self.twice = _row(table, key, f"events {old['seq']} and {seq} do not say the same {names} of it")
        old.update({n: event[n] for n in event if n not in filled})

    def is_gone(self, table: str, field: str, value: Any) -> bool:
        """Tell whether erasing named this very digest."""
        return isinstance(value, str) and value in self.erased.get((table, field), ())


def first(chain_id: str) -> str:
    """Return what stands in place of the hash of the event before the first."""
    return hashlib.sha256(chain_id.encode("utf-8", "surrogatepass")).hexdigest()


def head_of(asked: str) -> Head:
    """Return the head that is written as ``SEQ:HASH``, or stands in a file: a report, an export, what a tag says.

    It has ``seq``, ``hash``, ``where``, and ``chain_id`` where that is known. Of several in a page the last one counts:
    people's words stand before its foot.
    """
    if found := HEAD.fullmatch(asked):
        return _head(None, found[1], found[2], "the head that was given")
    path = Path(asked)
    if not path.exists():
        raise ValueError(f"{asked!r} is neither SEQ:HASH, the hash with its 64 characters, nor a file")
    if path.is_dir() or zipfile.is_zipfile(str(path)):
        return _of_json(Bundle(path).about, path.name)
    text = path.read_text(encoding="utf-8", errors="replace")
    if text.lstrip().startswith("{"):
        return _of_json(_read(text), path.name)
    if marked := MARK.findall(text):
        chain_id, seq, last = marked[-1]
        return _head(chain_id, seq, last, path.name)
    if found := HEAD.fullmatch(text):
        return _head(None, found[1], found[2], path.name)
    raise ValueError(f"no head of an audit log stands in {asked}")


def _read(text: str | bytes) -> Any:
    """Return JSON; what is nested beyond reading is an error as any other."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply to be read") from None


def _line(text: bytes) -> dict[str, Any]:
    """Return a line as a row; one that is none, of a log that may be evidence, has nothing in it."""
    try:
        row = _read(text)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def _of_json(data: Any, where: str) -> Head:
    head = data.get("head") if isinstance(data, dict) else None
    if not isinstance(head, dict) or not HEAD.fullmatch(f"{head.get('seq')}:{head.get('hash')}"):
        raise ValueError(f"no head of an audit log stands in {where}")
    return _head(head.get("chain_id"), str(head["seq"]), head["hash"], where)


def _head(chain_id: str | None, seq: str, found: str, where: str) -> Head:
    return {"chain_id": chain_id, "seq": int(seq), "hash": found, "where": where, "outside": True}


def check(
    chain_id: str,
    events: Iterable[Row],
    heads: Iterable[Head] = (),
    tables: Iterable[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return what became of a log, in one pass over its events.

    ``events`` are the fields of each, its hash last, in order. A head has ``seq``, ``hash``, ``where``, ``outside``
    when somebody else holds it, ``end`` when nothing may follow it. ``tables`` are rows that repeat what an event said.
    """
    known = sorted((dict(h) for h in heads), key=lambda h: int(h["seq"]))
    said = Said()
    count, last, fault = _walk(first(chain_id), events, known, said)
    fault = fault or _end(count, known) or said.twice or (None if tables is None else _otherwise(said, tables))
    proven_to = max((h["seq"] for h in known if h.get("fits") and h.get("outside")), default=0)
    by = {h["where"] for h in known if h.get("fits") and h.get("outside") and h["seq"] == proven_to > 0}
    return {
        "verdict": BROKEN if fault else PROVEN if proven_to else CONSISTENT,
        "events": count,
        "head": f"{count}:{last}",
        "proven_to": proven_to,
        "proven_by": sorted(by),
        **(fault or _fault(None, "", "")),
        "warnings": _warnings(said.silent),
        "heads": [{k: h.get(k) for k in ("seq", "hash", "where", "outside", "fits")} for h in known],
    }


def _walk(
    previous: str, events: Iterable[Row], heads: Sequence[Head], said: Said
) -> tuple[int, str, dict[str, Any] | None]:
    """Follow the chain; return how many events fit, the hash of the last of them, and what is wrong behind it."""
    number, wanted = 0, {h["seq"] for h in heads}
    if 0 in wanted and (fault := _rewritten(heads, 0, previous)):
        return 0, previous, fault
    for row in events:
        expected = number + 1
        try:
            text = f"[{expected}, {', '.join(map(quoted, row[1:8]))}]"
            fits = row[0] == expected and row[7] == previous and row[8] == sha256(text.encode()).hexdigest()
        except (TypeError, UnicodeEncodeError):  # no text where text belongs
            fits = False
        if not fits:
            return number, previous, _misfit(expected, row)
        if expected in wanted and (fault := _rewritten(heads, expected, row[8])):
            return number, previous, fault
        number, previous = expected, row[8]
        if row[4] in READ or RESULTS in row[6]:
            _keep(row, said)
    return number, previous, None


def _rewritten(heads: Sequence[Head], seq: int, found: str) -> dict[str, Any] | None:
    """Hold the heads of one event against its hash; say which is another."""
    for head in (h for h in heads if h["seq"] == seq):
        head["fits"] = head["hash"] == found
        if not head["fits"]:
            what = "the log begins otherwise" if not seq else "it, or one before it, was written again"
            return _at(seq, f"it is not the one in {head['where']}: {what}")
    return None


def _misfit(expected: int, row: Row) -> dict[str, Any]:
    """Say why an event does not fit where it stands."""
    if row[0] is None:
        return _at(expected, "what stands in its place cannot be read as an event")
    if row[0] != expected:
        return _at(expected, f"it is missing: event {row[0]} follows")
    try:
        text = json.dumps([expected, *row[1:8]], ensure_ascii=False)
        whole = row[8] == sha256(text.encode()).hexdigest()
    except (TypeError, UnicodeEncodeError):
        whole = False
    if not whole:
        return _at(expected, "it was edited: its hash is not that of what it says")
    if expected == 1:
        return _at(1, "it does not begin this log: those before were removed, or it is another project's")
    return _at(expected, f"it does not follow event {expected - 1}: one was inserted, removed, moved or written again")


def _end(count: int, heads: Sequence[Head]) -> dict[str, Any] | None:
    """Say that the end was cut off, or that events were added behind what the store wrote last."""
    beyond = [h for h in heads if h["seq"] > count]
    if beyond:
        return _at(count + 1, f"it is missing: {beyond[-1]['where']} knows event {beyond[-1]['seq']}")
    end = next((h for h in heads if h.get("end") and h["seq"] < count), None)
    return _at(end["seq"] + 1, f"it was not added by nbmlops: {end['where']} ends before it") if end else None


def _at(seq: int, what: str) -> dict[str, Any]:
    return _fault(seq, f"event {seq}", what)


def _fault(seq: int | None, where: str, what: str) -> dict[str, Any]:
    return {"broken_at": seq, "where": _clean(where), "what": _clean(what)}


def _clean(text: str) -> str:
    """Return a text that can be printed, though it came from bytes that are none."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _keep(row: Row, said: Said) -> None:
    """Remember what an event says that a table repeats."""
    seq, action, subject, data = row[0], row[4], row[5], _data(row[6])
    missing = [name for name in NEEDED.get(action, ()) if name not in data]
    if missing:
        said.silent.append((seq, action, missing))
    if action == ERASING:
        digests = {d for d in _list(data.get("digests_before")) if isinstance(d, str)}
        for field in ERASED.get(subject, ()):
            said.erased.setdefault(field, set()).update(digests)
    if action in RESTING and isinstance(data.get("results"), dict):
        for key, digest in data["results"].items():
            said.add("results", key, {"digest": digest}, seq)
    if action in HIDING:
        _hide(said, subject.partition("@")[0], data.get("versions"), HIDING[action])
    if action in REPEATED:
        table, fields = REPEATED[action]
        event = {name: data[name] for name in fields if name in data}
        said.add(table, subject, event, seq, action in LATER)
        if table == "model_versions":
            said.rows[table, subject].setdefault("deleted", False)


def _data(text: str) -> dict[str, Any]:
    """Return what an event says; nothing where that cannot be read, and its row has no event then."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _hide(said: Said, name: str, versions: Any, deleted: bool) -> None:
    """Remember which versions are deleted; of an event that does not say which, that any of the model may be."""
    for version in _list(versions):
        said.rows.get(("model_versions", f"{name}@{version}"), {})["deleted"] = deleted
    if versions is None:
        for (table, key), event in said.rows.items():
            if table == "model_versions" and key.rpartition("@")[0] == name:
                event.pop("deleted", None)


def _warnings(silent: Sequence[tuple[int, str, list[str]]]) -> list[str]:
    """Say which events say too little to be held against anything."""
    lines = [
        f"Event {seq} ({action}) says too little, without {' and '.join(names)}: nothing can be held against it."
        for seq, action, names in silent[:TOLD]
    ]
    return [*lines, f"So do {len(silent) - TOLD} more."] if len(silent) > TOLD else lines


def _otherwise(said: Said, tables: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Say which row of a table is not what its event says, is missing, or was never an event."""
    there = {(row["table"], row["key"]): row for row in tables}
    for (table, key), event in said.rows.items():
        row = there.get((table, key))
        if row is None and table == "results" and said.is_gone(table, "digest", event.get("digest")):
            continue
        if row is None:
            return _row(table, key, f"its row is missing: event {event['seq']} made it")
        if names := [
            n for n in event if n != "seq" and row.get(n) != event[n] and not said.is_gone(table, n, event[n])
        ]:
            return _row(table, key, f"its {' and '.join(names)} is not what the events say (event {event['seq']})")
    for (table, key), row in sorted(there.items()):
        if row.get("unfit"):
            return _row(table, key, "it is not what its events say")
        if (table, key) not in said.rows:
            return _row(table, key, "no event made this row")
    return None


def _row(table: str, key: str, what: str) -> dict[str, Any]:
    return _fault(None, f"{table} {key}", what)


def sentences(found: Mapping[str, Any]) -> list[str]:
    """Return the verdict as people read it, the verdict itself first, then what is to be looked at."""
    return [*_verdict(found), *found.get("warnings", ())]


def _verdict(found: Mapping[str, Any]) -> list[str]:
    count, to = found["events"], found["proven_to"]
    by = " and ".join(found["proven_by"])
    if found["verdict"] == BROKEN:
        where = " at {}".format(found["where"]) if found["where"] else ""
        lines = ["Broken{}: {}.".format(where, found["what"])]
        return [*lines, f"Up to event {to} it is proven by {by}."] if to else lines
    if found["verdict"] == PROVEN:
        rest = f"Event {count} is" if count == to + 1 else f"Events {to + 1} to {count} are"
        lines = [f"Proven up to event {to}, by {by}."]
        return [*lines, f"{rest} consistent, not proven."] if count > to else lines
    amount = "no event yet" if not count else "1 event" if count == 1 else f"{count:,} events"
    return [
        "Consistent, not proven: {}{}.".format(amount, ", each with the hash of the one before" if count else ""),
        "Nobody outside vouches for it: who may write here could have written all of it again. "
        "Give a head that somebody else holds: --head SEQ:HASH or --head FILE.",
    ]


class Bundle:
    """An exported log: a folder or a zip file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.zip = None if path.is_dir() else zipfile.ZipFile(str(path))
        self.about: dict[str, Any] = _read(self.read("audit.json").decode("utf-8"))
        if not isinstance(self.about, dict):
            raise ValueError("its audit.json is none of nbmlops")
        if self.about.get("format") != FORMAT:
            raise ValueError("it has format {}, and this script reads {}".format(self.about.get("format"), FORMAT))

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        return (self.path / name).read_bytes() if self.zip is None else self.zip.read(name)

    def rows(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a file of JSON lines; a line that cannot be read is a row without anything."""
        with (self.path / name).open("rb") if self.zip is None else self.zip.open(name) as file:
            yield from map(_line, file)

    def check(self, outside: Iterable[Head] = ()) -> dict[str, Any]:
        """Check events, tables and files."""
        events = (tuple(row.get(name) for name in (*FIELDS, "hash")) for row in self.rows("events.jsonl"))
        heads = [*self.about["heads"], *outside]
        if other := next((h for h in heads if h.get("chain_id") not in (None, self.about["chain_id"])), None):
            raise ValueError(f"{other['where']} is of another project's log")
        tables = list(self.rows("tables.jsonl"))
        lost = next((n for n, row in enumerate(tables, 1) if not {"table", "key"} <= set(row)), None)
        found = check(self.about["chain_id"], events, heads, tables if lost is None else None)
        damaged = next((d for d in self.about["artifacts"] if not self._is_whole(d)), None)
        if found["verdict"] != BROKEN and lost is not None:
            found = {**found, **_fault(None, f"line {lost} of tables.jsonl", "it cannot be read"), "verdict": BROKEN}
        if found["verdict"] != BROKEN and damaged:
            fault = _fault(None, f"file artifacts/{damaged}", "its hash is not its name")
            found = {**found, **fault, "verdict": BROKEN}
        return found

    def _is_whole(self, digest: str) -> bool:
        try:
            return hashlib.sha256(self.read("artifacts/" + digest)).hexdigest() == digest
        except (KeyError, OSError):
            return False


def main() -> int:
    """Print the verdict; return the exit code."""
    parser = argparse.ArgumentParser(description="Check an audit log that nbmlops exported.")
    parser.add_argument("bundle", nargs="?", default=str(HERE), help="its folder or zip file")
    parser.add_argument(
        "--head", action="append", default=[], help="SEQ:HASH as somebody else holds it, or a file with one"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    try:
        found = Bundle(Path(asked.bundle)).check([head_of(text) for text in asked.head])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        parser.error(f"this cannot be checked: {error}")
    text = json.dumps(found, ensure_ascii=False) if asked.json else "\n".join(sentences(found))
    sys.stdout.write(text + "\n")
    return 3 if found["verdict"] == BROKEN else 0


if __name__ == "__main__":
    sys.exit(main())
