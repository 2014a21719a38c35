"""What the service refuses: one body for every error, all problems in it, nothing of this machine."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import Response

from nbmlops.errors import NbmlopsError, NotAllowed, NotFound, Unavailable
from nbmlops.records import new_id

__all__ = ["Refused", "answer", "problem", "refusal_of", "refuse", "report"]

Json = dict[str, Any]
MOST = 1_000  # problems in one answer
STATUS = ((NotFound, 404), (NotAllowed, 403), (Unavailable, 503))


class Refused(Exception):
    """A request that is not answered: the status, every problem, and what to send instead."""

    def __init__(
        self, status: int, problems: Iterable[Json], hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.status, self.problems, self.hint, self.headers = status, list(problems), hint, headers


def problem(code: str, message: str, row: int | None = None, column: str | None = None) -> Json:
    """Return one problem as it is sent."""
    return {"row": row, "column": column, "code": code, "message": message}


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return plain values as a JSON response; text that no encoding holds goes out escaped."""
    body = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Response(body, status, headers, media_type="application/json")


def refuse(refused: Refused) -> Response:
    """Return the one body every error has."""
    more = len(refused.problems) - MOST
    hint = f"{refused.hint} {more} more problems are not listed.".strip() if more > 0 else refused.hint
    return answer({"detail": refused.problems[:MOST], "hint": hint}, refused.status, refused.headers)


def refusal_of(error: NbmlopsError) -> Refused:
    """Return what an error of ours means to a client; what it says of this machine's store stays here."""
    status = next((s for kind, s in STATUS if isinstance(error, kind)), 422)
    if status == 503:
        return Refused(503, [problem("unavailable", "The project's store cannot be reached.")], "Try again later.")
    return Refused(status, [problem(type(error).__name__.lower(), error.message)], error.hint)


def report(error: BaseException, where: str) -> Refused:
    """Write what went wrong to the server's own output, without the message: it may hold values of rows.

    Returns
    -------
    Refused
        With a number by which the two are matched.
    """
    number = new_id()[-12:]
    steps = "".join(traceback.format_tb(error.__traceback__))
    print(f"nbmlops: {where} failed with {type(error).__name__} ({number})\n{steps}", file=sys.stderr)  # noqa: T201
    return Refused(500, [problem("failed", f"The service failed ({type(error).__name__}, number {number}).")])
