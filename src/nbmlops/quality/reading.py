"""Read files, folders and addresses as frames; what may work a moment later is said to be so."""

from __future__ import annotations

import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nbmlops.errors import Invalid, MissingPackage, NotFound, Unavailable
from nbmlops.quality import look

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "of_address", "of_file", "of_folder"]

FORMATS = ("csv", "parquet", "jsonl")
SUFFIXES = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
TYPES = {"text/csv": "csv", "application/vnd.apache.parquet": "parquet"}
TYPES |= dict.fromkeys(("application/x-ndjson", "application/jsonl", "application/x-jsonlines"), "jsonl")
PACKED = (".gz", ".zip", ".bz2", ".xz")
BLOCK = 1 << 16
AGAIN = (408, 425, 429, 500, 502, 503, 504)  # what a server may answer better a moment later
Read = tuple["pd.DataFrame", int]


def of_file(path: Path, form: str = "") -> Read:
    """Return the rows of a CSV, Parquet or JSON lines file, and its size in bytes.

    Raises
    ------
    NotFound
        There is no such file.
    Invalid
        Its format is not known, or it is damaged.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {str(path)!r}.", "A path is seen from the project's folder.")
    form = form or _format(path.name)
    if not form:
        raise Invalid(f"The format of {path.name!r} is not known.", f"Set format to one of {', '.join(FORMATS)}.")
    return _parsed(path, form), path.stat().st_size


def of_folder(folder: Path, pattern: str = "", form: str = "") -> Read:
    """Return the rows of all files of a folder below each other, in the order of their names.

    Raises
    ------
    NotFound
        There is no such folder, or no file in it that fits.
    Invalid
        Two files have other columns.
    """
    import pandas as pd

    if not folder.is_dir():
        raise NotFound(f"There is no folder {str(folder)!r}.", "A path is seen from the project's folder.")
    paths = [p for p in sorted(folder.glob(pattern or "*")) if p.is_file() and (form or pattern or _format(p.name))]
    if not paths:
        raise NotFound(f"No file in {folder.name} fits.", "It reads CSV, Parquet and JSON lines; or set pattern.")
    read = [of_file(path, form) for path in paths]
    _check_columns(paths, [frame for frame, _ in read])
    return pd.concat([frame for frame, _ in read], ignore_index=True), sum(size for _, size in read)


def of_address(url: str, headers: Mapping[str, str], form: str, timeout_s: float, most_bytes: int) -> Read:
    """Return the rows behind an HTTP address, and how many bytes came.

    Raises
    ------
    Invalid
        No HTTP address, an answer of another kind or larger than allowed, or one that says no.
    Unavailable
        The server does not answer, or asks to come again.
    """
    _check_scheme(url)
    with tempfile.TemporaryDirectory(prefix="nbmlops-") as folder:
        try:
            with _opener().open(urllib.request.Request(url, headers=dict(headers)), timeout=timeout_s) as answer:
                name, kind = Path(urlsplit(url).path).name, answer.headers.get_content_type()
                path = Path(folder) / f"rows{''.join(Path(name).suffixes[-2:])}"
                _save(answer, path, most_bytes)
        except urllib.error.HTTPError as error:
            error.close()
            raise _refused(error.code) from None
        except (OSError, HTTPException) as error:  # URLError, timeouts, an answer cut short
            kind = type(getattr(error, "reason", None) or error).__name__
            raise Unavailable(f"The server does not answer ({kind}).", "Look whether the address is right.") from None
        return of_file(path, form or _format(name) or TYPES.get(kind, ""))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow a redirect to HTTP only, never from HTTPS to HTTP, and give our headers to nobody else."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _check_scheme(newurl)
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if before.scheme == "https" and after.scheme != "https":
            raise Invalid("The server sends from HTTPS to HTTP.", "Name the final address as url.")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and (before.scheme, before.netloc) != (after.scheme, after.netloc):
            request.headers.clear()
        return request


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens HTTP and nothing else: the usual one reads files too."""
    opener = urllib.request.OpenerDirector()
    parts = (
        *(urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler, _Redirects),
        *(urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPErrorProcessor, urllib.request.UnknownHandler),
    )
    for part in parts:
        opener.add_handler(part())
    return opener


def _check_scheme(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid(f"An address of {parts.scheme or 'no scheme'!r} is not read.", "Write https://HOST/PATH.")


def _save(answer: Any, path: Path, most_bytes: int) -> None:
    size = 0
    with path.open("wb") as file:
        while block := answer.read(BLOCK):
            size += len(block)
            if size > most_bytes:
                raise Invalid(
                    f"The answer is larger than {most_bytes / 1e6:,.0f} MB.", "Set max_mb of the source higher."
                )
            file.write(block)


def _refused(code: int) -> Invalid | Unavailable:
    if code in AGAIN:
        return Unavailable(f"The server answers {code} just now.", "Try again later.")
    return Invalid(f"The server answers {code}.", "Look at url and headers of the source.")


def _format(name: str) -> str:
    suffixes = [s.lower() for s in Path(name).suffixes if s.lower() not in PACKED]
    return SUFFIXES.get(suffixes[-1], "") if suffixes else ""


def _parsed(path: Path, form: str) -> pd.DataFrame:
    import pandas as pd

    try:
        if form == "parquet":
            return look.as_frame(pd.read_parquet(path))
        if form == "jsonl":  # what is text there stays text: 007 is no number, and a date no guess
            dates: dict[str, Any] = {} if pd.__version__ >= "3.1" else {"convert_dates": False}
            return look.as_frame(pd.read_json(path, lines=True, dtype=False, **dates))
        return look.as_frame(look.read_csv(path, low_memory=False))
    except ImportError as error:
        raise MissingPackage("Parquet files need pyarrow.", "pip install pyarrow") from error
    except (ValueError, OSError, EOFError) as error:  # a parser's words may quote the data: they are not shown
        raise Invalid(f"{path.name} is no readable {form} ({type(error).__name__}).", "Open it and look.") from None


def _check_columns(paths: list[Path], frames: list[pd.DataFrame]) -> None:
    first = set(frames[0].columns)
    for path, frame in zip(paths, frames, strict=True):
        if odd := sorted(first.symmetric_difference(frame.columns)):
            where = "lacks" if odd[0] in first else "has"
            raise Invalid(
                f"{path.name} {where} the column {odd[0]!r}, unlike {paths[0].name}.",
                "Read them apart: two sources, each with its pattern.",
            )
