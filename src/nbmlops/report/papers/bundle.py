"""All the evidence for a version in one zip, which opens without nbmlops: the same facts give the same bytes."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from nbmlops import __version__
from nbmlops.errors import Invalid, NbmlopsError, NotFound
from nbmlops.governance.audit.export import export_audit
from nbmlops.governance.written.policy import ROLES
from nbmlops.hooks import Shown
from nbmlops.records import ModelVersion
from nbmlops.registry.targets import FILE
from nbmlops.report import facts, kept, page, signatures, snapshot
from nbmlops.report.blocks import Block, Missing, Say
from nbmlops.report.gathered import masked
from nbmlops.report.kinds.kind import subject_of
from nbmlops.report.papers.about import named, of_version
from nbmlops.report.papers.datasheet import sheet
from nbmlops.report.papers.model_card import card
from nbmlops.report.text import count, when
from nbmlops.tracking import session

__all__ = ["Bundle", "bundle"]

SUMS, INDEX = "SHA256SUMS", "index.html"
MODEL = {"skops": "model.skops", "pickle": "model.pkl", "rules": "model.yaml", "source": "model.py"}
BEGINNING_OF_ZIP = (1980, 1, 1, 0, 0, 0)
BY_VALUES = ("whole", "segments", "chunks")  # parts of a profile that values of columns may name
Json = Mapping[str, Any]


@dataclass(frozen=True, repr=False)
class Bundle(Shown):
    """A bundle that was written: where, what is in it, and what is missing with whose it is."""

    shows: ClassVar[str] = "bundle"

    path: str
    ref: str
    size_bytes: int
    digest: str
    files: tuple[Mapping[str, Any], ...]  # name, what, size_bytes, sha256
    missing: tuple[Mapping[str, str], ...]  # what, whose, do

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dataclasses.asdict(self) | {
            "files": [dict(f) for f in self.files],
            "missing": [dict(m) for m in self.missing],
        }


@dataclass
class _Folder:
    """Files of a bundle in the order they are put, and what is not there."""

    found: Json
    content: dict[str, tuple[str, bytes]] = dataclasses.field(default_factory=dict)
    missing: list[dict[str, str]] = dataclasses.field(default_factory=list)

    def put(self, name: str, what: str, data: bytes | str) -> None:
        """Take a file in."""
        self.content[name] = (what, data if isinstance(data, bytes) else data.encode("utf-8", "replace"))

    def lack(self, what: str, owner: str, do: str) -> None:
        """Say what is not there."""
        assert owner in ROLES
        self.missing.append({"what": what, "whose": facts.whose(self.found, owner), "do": do})


def bundle(ref: str | ModelVersion, output: str | Path | None = None, model: bool = True) -> Bundle:
    """Write all the evidence for a version as one zip that opens without nbmlops.

    Model card, datasheets of its data, newest report, signatures, charter, evaluation, gates, profile of the reference,
    packages, the model's file, the audit log with its script, ``index.html`` without script, and the SHA-256 of each.

    Parameters
    ----------
    ref : str or ModelVersion
        ``NAME@champion``, ``NAME@3``; of ``NAME`` alone its champion, or the newest version.
    output : str or Path, optional
        The ``.zip`` file or its folder; ``outputs/reports`` of the project when absent.
    model : bool
        Whether the model's file comes along.

    Returns
    -------
    Bundle
        The same facts give the same bytes. Evidence that is not there is under ``missing``, with whose it is.

    Raises
    ------
    NotFound
        No such model, or no such folder.
    Invalid
        The file's name does not end in ``.zip``.

    Examples
    --------
    >>> nb.bundle("late-flights@champion", "evidence.zip").missing  # doctest: +SKIP
    ()
    """
    version = named(ref)
    target = _target(f"bundle-{version.name}-{version.version}", output)
    found = of_version(version)
    folder = _Folder(found)
    folder.put("model_card.md", "the model card", card(version, found))
    for put in (_report, _sheets, _charter, _judged, _profile, _lock):
        put(folder, version)
    if model:
        _model(folder, version)
    _audit(folder)
    folder.put(INDEX, "this page", _index(folder, version))
    data = _zipped(folder)
    page.write(target, data)
    return Bundle(
        str(target),
        version.ref,
        len(data),
        hashlib.sha256(data).hexdigest(),
        tuple(_listed(folder)),
        tuple(folder.missing),
    )


def _target(name: str, output: str | Path | None) -> Path:
    if output is None:
        return page.place_of(name, None).with_name(f"{name}.zip")
    target = Path(output)
    target = target / f"{name}.zip" if target.is_dir() else target
    if not target.parent.is_dir():
        raise NotFound(f"No folder {str(target.parent)!r}.", f"Make it: mkdir -p {target.parent}")
    if target.suffix.lower() != ".zip":
        raise Invalid(f"A bundle is a zip, not {target.suffix or 'a file without an ending'}.", "Name a file .zip.")
    return target


def _report(folder: _Folder, version: ModelVersion) -> None:
    """Put the newest report as page and facts, and the page of who answered it."""
    if version.run_id is None:
        folder.lack("A report: no run made this version", "scientist", "train it in a %%track cell")
        return
    subject = subject_of(version)
    taken = kept.take(subject)
    told = ", some of which has changed since" if taken.stale else ""
    folder.put("report.html", f"report {taken.snapshot['number']} of what was known{told}", _page(taken.snapshot))
    folder.put("report.json", "the facts it is drawn from", snapshot.canonical(taken.snapshot))
    try:
        signed = signatures.signatures(version)
    except NotFound:
        folder.lack("Signatures: the report could not be kept", "software_engineer", taken.unkept or "nbmlops doctor")
        return
    folder.put("signatures.html", "who answered which report", signatures.render(signed.to_dict()))
    folder.put("signatures.json", "the same as data", _json({k: v for k, v in signed.to_dict().items() if k != "path"}))
    for role in signed.missing or ():
        folder.lack("Approval", role if role in ROLES else "manager", f"nbmlops approve {version.ref}")


def _page(taken: Json) -> str:
    try:
        notebook = page.appendix(taken)
    except NbmlopsError:  # lost or damaged: its section says so
        notebook = None
    return page.render(taken, notebook)


def _sheets(folder: _Folder, version: ModelVersion) -> None:
    """Put the datasheet of each version of a data set it was fitted on."""
    from nbmlops.quality.versions import dataset_version

    refs = version.signature.get("datasets") or ()
    for ref in refs:
        try:
            folder.put(f"datasheets/{ref}.md", f"the datasheet of {ref}", sheet(dataset_version(ref)))
        except NotFound as error:
            folder.lack(f"Datasheet of {ref}: {error.message}", "data_engineer", "nbmlops dataset")
    if not refs:
        do = "nb.dataset(NAME, frame) of the very frame a model is fitted on"
        folder.lack("Datasheet: no version of a data set is known to be what it was fitted on", "data_engineer", do)


def _charter(folder: _Folder, version: ModelVersion) -> None:
    path = session.project().root / FILE
    if path.is_file():
        folder.put("charter.yaml", "what was agreed, as it is now", path.read_bytes())
    else:
        folder.lack("Charter", "manager", "nbmlops charter new")


def _judged(folder: _Folder, version: ModelVersion) -> None:
    """Put the evaluation that counts and every gate it was the challenger of, private values left out."""
    from nbmlops.store.runs import results_of

    found = folder.found
    judged = facts.evaluation(found)
    if judged:
        folder.put("evaluation.json", "how good it was on rows it had not seen", _json(judged))
    else:
        folder.lack("Evaluation", "scientist", f"nbmlops evaluate {version.ref} FILE")
    hidden = masked.unsaid(found)
    gates = [r for r in results_of(session.store(), kind="gate") if r["data"].get("challenger") == version.ref]
    if gates:
        folder.put("gates.json", "how it compared with others", _json([masked.masked(g, hidden) for g in gates]))
    else:
        other = "another version" if "champion" in version.aliases else f"{version.name}@champion"
        folder.lack(
            f"Gate: it was not compared with {other}", "scientist", f"nbmlops gate {version.ref} OTHER --on ROWS"
        )


def _profile(folder: _Folder, version: ModelVersion) -> None:
    """Put the profile of the reference: counts, and of private columns nothing."""
    if not version.profile:
        folder.lack("Profile of the reference", "scientist", "evaluate the model before it is registered")
        return
    try:
        state = json.loads(session.artifacts().get(version.profile))
    except NbmlopsError as error:
        folder.lack(f"Profile of the reference: {error.message}", "software_engineer", "nbmlops store verify")
        return
    folder.put("profile.json", "the distributions drift is measured against", _json(_without(state, folder.found)))


def _without(kept_of: Json, found: Json) -> dict[str, Any]:
    """Return a reference without what private columns hold, and what goes with a private target."""
    hidden = masked.unsaid(found)
    if not hidden:
        return dict(kept_of)
    state = kept_of.get("profile") or {}
    relations = {} if kept_of.get("target") in hidden else state.get("relations") or {}
    profile = {
        **{k: v for k, v in state.items() if k not in BY_VALUES},
        "columns": [c for c in state.get("columns") or [] if c["name"] not in hidden],
        "relations": {n: r for n, r in relations.items() if n not in hidden},
    }
    measured = {n: m for n, m in (kept_of.get("metrics") or {}).items() if not masked.tells(n, hidden)}
    return {**kept_of, "profile": profile, "metrics": measured}


def _lock(folder: _Folder, version: ModelVersion) -> None:
    from nbmlops.registry.models import lock

    try:
        folder.put("requirements.txt", "the packages it was registered with", lock(version))
    except NbmlopsError as error:
        folder.lack(f"Packages: {error.message}", "backend_engineer", "register the model again")


def _audit(folder: _Folder) -> None:
    """Put the whole audit log with the script that checks it."""
    with tempfile.TemporaryDirectory(prefix="nbmlops-") as place:
        made = export_audit(Path(place) / "audit")
        for path in sorted(p for p in Path(made.path).rglob("*") if p.is_file()):
            name = path.relative_to(made.path).as_posix()
            folder.put(f"audit/{name}", _of_audit(name), path.read_bytes())


def _of_audit(name: str) -> str:
    told = {
        "events.jsonl": "the audit log of the project, one event a line",
        "tables.jsonl": "rows that repeat what an event said",
        "verify.py": "checks it with Python alone: python verify.py in that folder",
        "README.md": "how to check it, and what that proves",
        "audit.json": "its head",
    }
    return told.get(name, "a charter or report the log names")


def _model(folder: _Folder, version: ModelVersion) -> None:
    name = f"model/{MODEL.get(version.format, 'model.bin')}"
    try:
        folder.put(name, f"the model itself ({version.format})", session.artifacts().get(version.digest))
    except NbmlopsError as error:
        folder.lack(f"The model's file: {error.message}", "ml_engineer", "nbmlops store verify")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, default=str) + "\n"


def _index(folder: _Folder, version: ModelVersion) -> str:
    missing: list[Block] = [Missing(f"{m['what']} ({m['whose']})", m["do"]) for m in folder.missing]
    return (
        page.environment()
        .get_template("bundle.html.j2")
        .render(
            title=f"Evidence for {version.ref}",
            project=session.project().name,
            meta=f"{count(len(folder.content), 'file')}. Nothing of nbmlops is needed to read them.",
            files=[{"name": name, "what": what} for name, (what, _) in folder.content.items()],
            missing=missing or [Say("Nothing is missing.")],
            trust=[Say(line) for line in TRUST],
            css=page.template("page.css"),
            generator=f"nbmlops {__version__}",
            as_of=when(folder.found["as_of"]),
        )
    )


TRUST = (
    "The digests show that the files are those of this bundle, not that the bundle is the one that was made: compare "
    "the SHA-256 of the zip, or the head of the audit log, with one held elsewhere.",
    "Values of private columns are left out of every page. The model's own file may still hold categories it learnt: "
    "hand it on only to whom the data may be shown.",
)


def _zipped(folder: _Folder) -> bytes:
    """Pack the files: names in order, no times, no owners."""
    content = {name: data for name, (_, data) in folder.content.items()}
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(content.items()))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, data in sorted([*content.items(), (SUMS, sums.encode())]):
            about = zipfile.ZipInfo(name, BEGINNING_OF_ZIP)
            about.external_attr, about.compress_type, about.create_system = 0o644 << 16, zipfile.ZIP_DEFLATED, 3
            packed.writestr(about, data)
    return buffer.getvalue()


def _listed(folder: _Folder) -> Iterator[dict[str, Any]]:
    for name, (what, data) in sorted(folder.content.items()):
        yield {"name": name, "what": what, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
