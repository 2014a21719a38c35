"""A report as one HTML file: no script, no font, no address outside itself, the same bytes for the same facts."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from nbmlops import __version__
from nbmlops.errors import Conflict, Invalid, NotAllowed, NotFound, tell
from nbmlops.governance.audit import heads
from nbmlops.hooks import Shown
from nbmlops.report import howto, kept, readers, sending, snapshot
from nbmlops.report.address import address
from nbmlops.report.kinds.kind import kind_of, subject_of
from nbmlops.report.text import visible, when
from nbmlops.tracking import session

if TYPE_CHECKING:
    import jinja2

    from nbmlops.records import ModelVersion

__all__ = [
    *("Report", "appendix", "content", "environment", "numbered", "place_of", "render", "rendered", "report"),
    *("template", "write", "written"),
]

PLAIN = ' !"$()*+,-./:;=?@[]^_`{|}~\\'  # what stands in an address as it is; of a text no browser drops blanks
HEADLESS = f"%{ord(heads.WORD[0]):X}{heads.WORD[1:]}"
ENDINGS = ("", ".html", ".htm", ".json", ".md")  # of a file a report is written to


def report(
    ref: Any,
    output: str | Path | None = None,
    role: str | None = None,
    refresh: bool = False,
    send: str | None = None,
) -> Path:
    """Write the report of a run, a model, a comparison or another thing as one file and return its path.

    The first page is the decision: what is asked, whether the model is viable, what it is worth, what was found and who
    decided. The evidence follows. What is not known is shown as missing, with what to do. A report is made once, with a
    number, of what is known then: asking again gives the same bytes, and a warning where more is known by now.

    Parameters
    ----------
    ref : str, Run, ModelVersion, DriftReport or list
        A run (its id, the end of its id, an experiment), a model such as ``"late-flights@champion"`` (the run that
        made this version), a job (its newest run that ended), ``"A..B"`` or a list of two to six runs (a comparison),
        ``"drift:late-flights"`` (its newest drift check), the path of an executed notebook, or ``"project"``.
    output : str or Path, optional
        The file: the facts alone where it ends in ``.json``, Markdown where in ``.md``, HTML where in ``.html``;
        ``.nbmlops/outputs/reports/<end of the run's id>.html`` when absent. An existing file is replaced.
    role : str, optional
        For whom: one of the roles of a charter. What it reads first stands first and open, the rest follows folded.
        ``support`` of a model gets one page that says how to use it (see :func:`how_to`).
    refresh : bool
        Make the next number, of what is known now.
    send : str, optional
        A role to whose people the decision is sent through the channels of alerts, with the hash and where the file is.

    Returns
    -------
    Path

    Raises
    ------
    NotFound
        No such run, model, job, drift check or notebook, or no folder to write into.
    Invalid
        No such role; a file whose ending is that of no form.

    Examples
    --------
    >>> import nbmlops as nb
    >>> nb.report("late-flights@champion", output="report.html")  # doctest: +SKIP
    """
    found = written(ref, output, role, refresh, send)
    for said in (found.note, found.sent and found.sent["words"]):
        if said:
            tell(said)
    return Path(found.path)


@dataclass(frozen=True, repr=False)
class Report(Shown):
    """A report that was written: where it is, the how-manyth it is, and what it says first.

    ``number`` is 0 where it is not kept, ``note`` says why, or that what is known has changed since (``stale``).
    """

    shows: ClassVar[str] = "report"

    path: str
    title: str
    question: str
    answer: str
    because: str
    as_of: str
    digest: str
    run_id: str
    number: int = 0
    stale: bool = False
    note: str = ""
    sent: Mapping[str, Any] | None = None  # to whom it was sent, and what became of that

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON, with its address on the server this kernel runs under."""
        return dataclasses.asdict(self) | {"url": address(self.run_id, self.number)}


def written(
    ref: Any = None,
    output: str | Path | None = None,
    role: str | None = None,
    refresh: bool = False,
    send: str | None = None,
) -> Report:
    """Write a report like :func:`report`, of the last run of this notebook when none is named; say what it says.

    Examples
    --------
    >>> written("forest").answer  # doctest: +SKIP
    'Done'
    """
    readers.known(send)
    found = _made(ref, output, role, refresh)
    return found if send is None else dataclasses.replace(found, sent=sending.send(found, send).to_dict())


def _made(ref: Any, output: str | Path | None, role: str | None, refresh: bool) -> Report:
    """Take the snapshot and write its file."""
    if readers.known(role) == "support" and (version := howto.meant(ref)) is not None:
        return _manual(version, output)
    subject = subject_of(ref)
    found = kept.take(subject, refresh)
    taken = found.snapshot
    number = taken["number"]
    target = place_of("-".join(filter(None, (subject.name, str(number) if number > 1 else "", role))), output)
    write(target, content(taken, _appendix(taken), target.suffix, role))
    kind = kind_of(subject.kind)
    first = kind.decide(taken)
    says = visible(first.question), visible(first.answer.word), visible(first.because)
    about = when(taken["as_of"]), snapshot.digest(taken), kept.run_of(taken)
    return Report(str(target), visible(kind.head(taken).title), *says, *about, number, found.stale, _note(found))


def _note(found: kept.Taken) -> str:
    if found.unkept:
        return f"This report is not kept, so it has no number: {found.unkept}"
    number = found.snapshot["number"]
    return f"What is known has changed since: --refresh makes report {number + 1}." if found.stale else ""


def content(taken: Mapping[str, Any], notebook: bytes | None, suffix: str, role: str | None = None) -> bytes:
    """Return the bytes of a report's file, in the form its name asks for.

    Parameters
    ----------
    taken : mapping
        See :func:`nbmlops.report.snapshot.build`.
    notebook : bytes or None
        The executed notebook.
    suffix : str
        ``.json`` for the facts alone, ``.md`` for Markdown; HTML for any other.
    role : str, optional
    """
    if suffix.lower() == ".json":
        return snapshot.canonical(taken)
    if suffix.lower() == ".md":
        from nbmlops.report import as_markdown

        return as_markdown.render(taken, notebook, role).encode("utf-8")
    return render(taken, notebook, role).encode("utf-8")


def render(taken: Mapping[str, Any], notebook: bytes | None = None, role: str | None = None) -> str:
    """Return the page of a snapshot.

    Parameters
    ----------
    taken : mapping
        See :func:`nbmlops.report.snapshot.build`.
    notebook : bytes, optional
        The executed notebook, whose digest is in the snapshot.
    role : str, optional
        For whom.

    Returns
    -------
    str
        HTML; the same for the same facts.
    """
    kind = kind_of(taken["kind"])
    head = kind.head(taken)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            title=head.title,
            overline=f"{taken['project']} · {numbered(taken, head.over)}",
            generator=f"nbmlops {__version__}",
            role=role or "",
            meta=head.meta,
            decision=kind.decide(taken),
            sections=readers.arranged(kind.sections(taken, notebook), role),
            ordered=readers.ordered_for(role),
            css=styles(),
            as_of=when(taken["as_of"]),
            mark=heads.of(taken),
            ending=_ending(taken["subject"]),
            digest=snapshot.digest(taken),
            embedded=embedded(snapshot.canonical(taken)),
        )
    )


def embedded(facts: bytes) -> str:
    """Return facts as the address of a link to save them, free of quotes and markup: as text, or in base64 if shorter.

    >>> embedded(b'{"n":"<1 km"}')
    'data:text/plain,{"n":"%3C1 km"}'
    """
    plain = quote(facts, safe=PLAIN).replace(heads.WORD, HEADLESS)  # what people said is no head of the log
    coded = base64.b64encode(facts).decode()
    return f"data:text/plain,{plain}" if len(plain) <= len(coded) else f"data:application/json;base64,{coded}"


def numbered(taken: Mapping[str, Any], about: str) -> str:
    """Return what a report is of, with its number."""
    number = taken["number"]
    return f"Report {number} of {about}" if number else f"A report of {about} that is not kept"


def appendix(taken: Mapping[str, Any]) -> bytes | None:
    """Return the executed notebook a snapshot names by its digest, None where it names none."""
    notebook = taken.get("notebook")
    return session.artifacts().get(notebook["digest"]) if notebook else None


def _appendix(taken: Mapping[str, Any]) -> bytes | None:
    """Return the executed notebook; None also where it is lost or damaged: its section says so."""
    try:
        return appendix(taken)
    except (NotFound, Conflict):
        return None


def _ending(key: str) -> str:
    """Return the end of a subject's key, fit for a file's name."""
    return re.sub(r"[^A-Za-z0-9@.-]+", "-", key.partition(":")[2] or key)[-6:]


def rendered(data: Mapping[str, Any]) -> str:
    """Return the page of :func:`how_to`: HTML, the same for the same facts.

    Parameters
    ----------
    data : mapping
        The facts as JSON.
    """
    facts = {"how": data, "css": template("page.css"), "digest": howto.digest(data), "as_of": when(data["as_of"])}
    return environment().get_template("how_to.html.j2").render(facts)


def _manual(version: ModelVersion, output: str | Path | None) -> Report:
    """Write the page for who supports a model's users."""
    found = howto.how_to(version)
    data = found.to_dict()
    target = place_of(f"how-to-{version.name}-{version.version}", output)
    write(target, _manual_as(target.suffix, data))
    title = f"How to use {found.ref}"
    about = title, title, found.state, found.because, when(found.as_of), howto.digest(data)
    return Report(str(target), *about, version.run_id or "")


def _manual_as(suffix: str, data: Mapping[str, Any]) -> bytes:
    """Return the page for support in the form a file's name asks for (see :func:`content`)."""
    if suffix.lower() == ".json":
        return snapshot.canonical(data)
    if suffix.lower() == ".md":
        from nbmlops.report import as_markdown

        return as_markdown.manual(data).encode("utf-8")
    return rendered(data).encode("utf-8")


def template(name: str) -> str:
    """Return a file of the report's templates; it works installed and from a clone."""
    return resources.files("nbmlops").joinpath("templates", "report", name).read_text(encoding="utf-8")


@cache
def styles() -> str:
    """Return the style of a page without the comments and blanks that only its authors read."""
    bare = re.sub(r"/\*.*?\*/", "", template("page.css"), flags=re.DOTALL)
    return re.sub(r"\s*([{};,])\s*", r"\1", re.sub(r"\s+", " ", bare)).strip()


@cache
def environment() -> jinja2.Environment:
    """Return the one way pages are made: everything escaped, nothing hidden, nothing undefined."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_seen,
        trim_blocks=False,
        keep_trailing_newline=True,
    )


def _seen(value: Any) -> Any:
    """Make hidden characters visible in whatever text reaches the page; markup of our templates passes."""
    return visible(value) if type(value) is str else value


def place_of(name: str, output: str | Path | None) -> Path:
    """Return where a page is written to: the file or into the folder named, else among the project's reports."""
    if output is not None:
        target = Path(output)
        if not target.parent.is_dir():
            raise NotFound(f"No folder {str(target.parent)!r}.", f"Make it: mkdir -p {target.parent}")
        if target.is_dir():
            return target / f"{name}.html"
        if target.suffix.lower() not in ENDINGS:
            raise Invalid(f"No report is written as {target.suffix}.", f"Name a file with {', '.join(ENDINGS[1:])}.")
        return target
    from nbmlops.store.journal import prepare

    home = session.project().home
    folder = home / "outputs" / "reports"
    try:
        prepare(home)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return folder / f"{name}.html"


def _unwritable(folder: Path, error: OSError) -> NotAllowed:
    return NotAllowed(f"No report can be written into {folder} ({error.strerror}).", "Name another: --output FILE.")


def write(target: Path, content: bytes) -> None:
    """Write the file whole or not at all, where a link leads to; into a screen or pipe straight."""
    import os
    import stat

    try:
        mode = target.stat().st_mode if target.exists() else stat.S_IFREG
        if stat.S_ISREG(mode):
            _replace(Path(os.path.realpath(target)), content)
        elif stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            target.write_bytes(content)
        else:
            raise Invalid(f"{target} is no file.", "Name one: --output FILE.")
    except OSError as error:
        raise _unwritable(target.parent, error) from error


def _replace(target: Path, content: bytes) -> None:
    """Put a new file in the place of the one that is there."""
    import os
    import tempfile

    handle, partial = tempfile.mkstemp(dir=target.parent, suffix=".html")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(partial).chmod(0o644)
        Path(partial).replace(target)
    finally:
        Path(partial).unlink(missing_ok=True)
