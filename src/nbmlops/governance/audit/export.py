"""Write the audit log as a file that can be checked without nbmlops: the same log gives the same bytes."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

from nbmlops.errors import Conflict, NbmlopsError, NotAllowed, NotFound
from nbmlops.governance.audit import heads
from nbmlops.governance.audit.verify import AuditCheck, checked
from nbmlops.hooks import Shown
from nbmlops.store.audited import FIELDS, Chain, reading
from nbmlops.tracking import session

__all__ = ["AuditExport", "export_audit"]

FORMAT = 1
LARGEST = 1_000_000  # bytes of a file that comes along
# Files of these alone come along: what was agreed and what was signed, never rows or models.
NAMED = {"charter": ("digest", "before"), "approve": ("report", "policy_digest")}
BEGINNING_OF_ZIP = (1980, 1, 1, 0, 0, 0)
MANY = 5_000


@dataclass(frozen=True, repr=False)
class AuditExport(Shown):
    """An export that was written: where, how much, and the verdict on the log in it."""

    shows: ClassVar[str] = "audit_export"

    path: str
    events: int
    head: str
    files: int
    not_there: tuple[str, ...]  # digests the log names whose files are gone, or too large to come along
    verdict: str
    says: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**dataclasses.asdict(self), "not_there": list(self.not_there), "says": list(self.says)}


def export_audit(path: str | Path) -> AuditExport:
    """Write the audit log as a zip file or a new folder that Python's standard library can check.

    It holds every event as a line of JSON, the charters and reports they name, and ``verify.py``, which gives the
    verdict of :func:`nbmlops.verify_audit` without nbmlops. A broken log is written as it is: it may be evidence.

    Parameters
    ----------
    path : str or Path
        A file that ends in ``.zip``, or a folder. Neither may exist.

    Returns
    -------
    AuditExport

    Raises
    ------
    Conflict
        There is something of that name.
    NotFound
        No folder to write into.

    Examples
    --------
    >>> import nbmlops as nb
    >>> nb.export_audit("audit.zip").head  # doctest: +SKIP
    '12:9f1c...'
    """
    target = Path(path).absolute()
    if target.exists():
        raise Conflict(f"{path} is there already.", "Choose another name: an export is never written over.")
    if not target.parent.is_dir():
        raise NotFound(f"No folder {str(target.parent)!r}.", f"Make it: mkdir -p {target.parent}")
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise NotAllowed(f"{target.parent} cannot be written ({error.strerror}).", "Choose another folder.") from None
    try:
        made = _write(partial / "audit")
        whole = _zipped(partial / "audit") if target.suffix.lower() == ".zip" else partial / "audit"
        whole.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return dataclasses.replace(made, path=str(target))


def _write(folder: Path) -> AuditExport:
    """Write the files of an export into a new folder."""
    folder.mkdir()
    with reading(session.project()) as chain:
        known = list(heads.inside(chain))
        found, named = checked(chain, known), _named(chain)
        count = _lines(folder / "events.jsonl", (dict(zip(FIELDS, row, strict=True)) for row in chain.events()))
        _lines(folder / "tables.jsonl", sorted(chain.repeated(), key=lambda row: (row["table"], row["key"])))
        head = chain.head()
    kept = {digest: words for digest, words in named.items() if _copied(folder / "artifacts", digest)}
    not_there = tuple(digest for digest in named if digest not in kept)
    about = {
        "format": FORMAT,
        "project": session.project().name,
        "chain_id": found.chain_id,
        "head": {"chain_id": found.chain_id, "seq": head[0], "hash": head[1]} if head else None,
        "heads": known,
        "artifacts": kept,
        "not_there": not_there,
    }
    _text(folder / "audit.json", json.dumps(about, ensure_ascii=False, sort_keys=True, indent=1) + "\n")
    _text(folder / "README.md", _readme(found, about))
    _text(folder / "verify.py", _template("verify.py"))
    return AuditExport("", count, found.head, len(kept), not_there, found.verdict, found.says)


def _named(chain: Chain) -> dict[str, str]:
    """Return the digests of files that come along, with what they are."""
    found: dict[str, str] = {}
    for action, keys in NAMED.items():
        for event in chain.found(action=action):
            digests = (str(event["data"].get(key) or "") for key in keys)
            found |= {d: f"{action} of {event['subject']}" for d in digests if len(d) == 64}
    return dict(sorted(found.items()))


def _copied(folder: Path, digest: str) -> bool:
    """Copy a file of the store, if it is there, whole and small."""
    try:
        content = session.artifacts().get(digest)
    except (NbmlopsError, LookupError):
        return False
    if len(content) > LARGEST:
        return False
    folder.mkdir(exist_ok=True)
    (folder / digest).write_bytes(content)
    return True


def _lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as lines of JSON; return how many."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n", errors="surrogatepass") as file:
        for count, row in enumerate(rows, 1):  # noqa: B007
            file.write(json.dumps(row, ensure_ascii=False, default=repr) + "\n")
    return count


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _zipped(folder: Path) -> Path:
    """Pack a folder: names in order, no times, no owners, so that the same files give the same bytes."""
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as packed:
        for path in _files(folder):
            about = zipfile.ZipInfo(path.relative_to(folder).as_posix(), BEGINNING_OF_ZIP)
            about.external_attr, about.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            about.create_system = 3  # whatever system packs it
            packed.writestr(about, path.read_bytes())
    return target


def _files(folder: Path) -> Iterator[Path]:
    return iter(sorted(p for p in folder.rglob("*") if p.is_file()))


def _readme(found: AuditCheck, about: Mapping[str, Any]) -> str:
    text = _template("README.md")
    for name, value in {"project": about["project"], "chain_id": found.chain_id, "head": found.head}.items():
        text = text.replace(f"[{name}]", str(value))
    return text


def _template(name: str) -> str:
    return resources.files("nbmlops").joinpath("templates", "audit", name).read_text(encoding="utf-8")
