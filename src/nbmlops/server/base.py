"""What our addresses share: the resource's name, who asks, words of the question and body, errors in one line."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_server.auth import identity
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import ensure_async
from tornado.web import HTTPError

from nbmlops.errors import Invalid, Unavailable
from nbmlops.server import asking, threads
from nbmlops.server.asking import Here
from nbmlops.server.once import HEADER, once

__all__ = ["Handler", "Here", "visitor"]

MOST_BYTES = 1_000_000  # of a body
MOST_DEEP = 50
NO_RIGHT = "Ask who runs this server for the right to do it."
NO_TEXT = re.compile("[\ud800-\udfff]")  # half a character
LONGEST = 4000  # characters of a word in an address, and of a text in a body


class Handler(APIHandler):
    """A thin address: it takes words out of the request and sends what a function answers."""

    auth_resource = "nbmlops"

    @property
    def _track_activity(self) -> bool:  # type: ignore[override]
        """Whether the server counts as used: a panel that asks again and again keeps none awake."""
        return self.request.method != "GET"

    @property
    def root(self) -> Path:
        """The folder the server shows."""
        return Path(self.settings["server_root_dir"]).expanduser()

    def word(self, name: str, usual: str = "", allowed: tuple[str, ...] = ()) -> str:
        """Return a word of the address."""
        found = self.get_query_argument(name, usual, strip=name != "notebook")  # a file's name may begin with a space
        if allowed and found not in allowed:
            raise Invalid(f"{name} is {found[:40]!r}.", f"Allowed: {', '.join(allowed)}.")
        if len(found) > LONGEST:
            raise Invalid(f"{name} has {len(found):,} characters.", f"At most {LONGEST:,}.")
        return found

    def count(self, name: str, usual: int, most: int) -> int:
        """Return a whole number of the address."""
        text = self.word(name, str(usual))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
            raise Invalid(f"{name} is {text[:40]!r}.", f"Write a whole number up to {most:,}.")
        return int(text)

    def body(self, **kinds: type | tuple[type, ...]) -> dict[str, Any]:
        """Return the body's values, each of the kind that is asked for, none where it is absent or null."""
        if len(self.request.body) > MOST_BYTES:
            raise Invalid(f"The body has {len(self.request.body):,} bytes.", f"At most {MOST_BYTES:,}.")
        try:
            found = json.loads(self.request.body or b"{}", parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise Invalid("The body is not JSON.", f"Send an object with {', '.join(kinds)}.") from None
        if not isinstance(found, dict):
            raise Invalid(f"The body is {type(found).__name__}, not an object.", f"It has {', '.join(kinds)}.")
        if strange := sorted(set(found) - set(kinds)):
            raise Invalid(f"The body has {strange[0][:40]!r}.", f"It has {', '.join(kinds) or 'nothing'}.")
        if _is_deep(found):
            raise Invalid(f"The body is more than {MOST_DEEP} lists or objects deep.", "Send something flatter.")
        if NO_TEXT.search(json.dumps(found, ensure_ascii=False)) or "\\u0000" in json.dumps(found):
            raise Invalid("The body has characters that are no text.", "Write plain text.")
        for name, value in found.items():
            if value is not None and not _is(value, kinds[name]):
                raise Invalid(f"{name} is {type(value).__name__}.", f"It should be {_named(kinds[name])}.")
            if isinstance(value, str) and len(value) > LONGEST:
                raise Invalid(f"{name} has {len(value):,} characters.", f"At most {LONGEST:,}.")
        return {name: found.get(name) for name in kinds}

    async def answer(
        self,
        ask: Callable[..., Any],
        words: Callable[[], Mapping[str, Any]] = dict,
        *,
        without: Any = None,
        needs_store: bool = True,
        status: int = 200,
        about: Callable[[], str | None] | None = None,
    ) -> None:
        """Send what a function answers; what goes wrong is said in one line.

        Parameters
        ----------
        ask : callable
            Takes :class:`Here` and the words.
        words : callable
            Takes them out of the request.
        without, needs_store
            As :func:`asking.answered` has them.
        status : int
        about : callable, optional
            Returns the notebook whose project is meant, in place of the address's own.
        """
        try:
            found = await self._done(partial(self.ask, ask, words, without, needs_store, about))
        except HTTPError:
            raise
        except Exception as error:
            self.fault(error)
        else:
            self.set_status(status)
            self.send(found)

    async def ask(
        self,
        ask: Callable[..., Any],
        words: Callable[[], Mapping[str, Any]],
        without: Any = None,
        needs_store: bool = True,
        about: Callable[[], str | None] | None = None,
    ) -> str:
        """Return what a function answers, done on our thread."""
        notebook = (about() if about else None) or self.word("notebook")
        asked = (self.root, notebook, self.visitor(), ask, dict(words()), without, needs_store)
        served: dict[str, Any] = {"base_url": self.base_url, "hidden": self.contents_manager.allow_hidden}
        line = threads.READS if self.request.method == "GET" else threads.CHANGES
        return await _waited(line, partial(asking.answered, *asked, **served))

    async def _done(self, do: Callable[[], Awaitable[str]]) -> str:
        """Return what is answered; what changes something and is sent again with the key it had, is done once."""
        if self.request.method == "GET":
            return await do()
        asked = (self.visitor(), self.request.uri, self.request.body)
        return await once(self.request.headers.get(HEADER), asked, do)

    def visitor(self) -> tuple[str, str] | None:
        """Return (name, how known) of who asks; None where the server has no identity provider of its own."""
        return visitor(self.identity_provider, self.current_user)

    async def may(self, action: str) -> bool:
        """Tell whether who asks has a right to our resource."""
        allowed = self.authorizer.is_authorized(self, self.current_user, action, self.auth_resource)
        return bool(await ensure_async(allowed))

    def send(self, found: str) -> None:
        """Send what was found, as JSON."""
        self.finish(found)

    def fault(self, error: Exception) -> None:
        """Say what went wrong; what nobody foresaw is logged, and its name alone is sent."""
        said = asking.refusal(error, self.root, changes=self.request.method != "GET")
        if said is None:
            self.log.error("nbmlops could not answer %s", self.request.path, exc_info=error)
            message = f"Something went wrong here ({type(error).__name__})."
            said = 500, {"message": message, "hint": "The log of the Jupyter server says what."}
        self.set_status(said[0])
        self.finish(json.dumps(said[1]))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what the server itself refuses in the same form."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        message = self._reason
        if isinstance(error, HTTPError) and error.log_message:
            message = error.log_message % error.args
        hint = NO_RIGHT if str(message).startswith("User is not authorized") else ""
        self.finish(json.dumps({"message": str(message), "hint": hint}))


async def _waited(line: threads.Line, ask: Callable[[], str]) -> str:
    """Return what is answered on a line; nobody waits longer for a store that is read than the line's patience."""
    answer: asyncio.Future[str] = asyncio.wrap_future(line.submit(ask))
    end = time.monotonic() + 0.9 * line.patience_s
    while not (await asyncio.wait({answer}, timeout=line.patience_s / 8))[0]:
        line.look()
        if line.refuses and time.monotonic() > end:
            answer.cancel()
            raise Unavailable(*asking.AWAY)
    return answer.result()


def visitor(provider: Any, user: Any) -> tuple[str, str] | None:
    """Return (name, how known) of who asks, as a real identity provider says; None where that is who runs the server.

    What Jupyter Server itself makes up is nobody; then the server's own process counts, which is one person's.

    Parameters
    ----------
    provider : IdentityProvider
    user : User
    """
    name = str(getattr(user, "username", "") or "")
    own = type(provider).__module__ == identity.__name__
    hub = bool(os.environ.get("JUPYTERHUB_USER"))
    if own and not (hub and isinstance(provider, identity.LegacyIdentityProvider) and not _invented(user)):
        return None
    known_by = "jupyterhub" if own or "jupyterhub" in type(provider).__module__ else "login"
    return (f"Anonymous {name}" if _invented(user) else name), known_by


def _invented(user: Any) -> bool:
    """Tell whether Jupyter Server made up a user: a name of letters and digits nobody chose, or none at all."""
    name = str(getattr(user, "username", "") or "")
    shown = str(getattr(user, "name", "") or "")
    made_up = len(name) == 32 and set(name) <= set("0123456789abcdef")
    return not name or made_up or name.lower().startswith("anonymous") or shown.lower().startswith("anonymous")


def _is(value: Any, kind: type | tuple[type, ...]) -> bool:
    """Tell whether a value is of a kind; true is no number."""
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _no_number(said: str) -> None:
    """Refuse NaN and the infinities, which Python reads and JSON does not know."""
    raise ValueError(said)


def _is_deep(found: Any) -> bool:
    """Tell whether lists and objects lie in each other deeper than anybody means."""
    level = [found]
    for _ in range(MOST_DEEP):
        inside = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [value for values in inside for value in values]
    return bool(level)


def _named(kind: type | tuple[type, ...]) -> str:
    words = {str: "text", bool: "true or false", dict: "an object", list: "a list", int: "a whole number"}
    return " or ".join(words[k] for k in (kind if isinstance(kind, tuple) else (kind,)))
