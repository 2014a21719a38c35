"""Who may ask: a token off this machine, and no website through a browser on it."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Mapping
from hmac import compare_digest

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from nbmlops.errors import Invalid, NotAllowed
from nbmlops.serving.errors import Refused, problem, refuse

__all__ = ["Door", "hosts_for", "is_loopback", "tokens_of"]

OPEN = "/health"
LEAST = 16  # characters of a token
CALLER = "x-caller"
LONGEST = 100
HERE = ("localhost", "127.0.0.1", "[::1]")


class Door:
    """Refuse who has no token, or calls this place by another name; note who calls.

    A page in a browser can reach loopback under a name of its own; it cannot send one of ours as ``Host``.

    Parameters
    ----------
    app : callable
    tokens : mapping
        Name to token; without any, everybody may ask.
    hosts : iterable of str
        What ``Host`` may say, ``*`` for anything.
    """

    def __init__(self, app: ASGIApp, tokens: Mapping[str, str], hosts: Iterable[str]) -> None:
        self.app, self.hosts = app, frozenset(name.lower() for name in hosts)
        self.tokens = {name: token.encode() for name, token in tokens.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        if "*" not in self.hosts and _host(headers.get("host", "")) not in self.hosts:
            refused = Refused(400, [problem("host", "The service is not called by this name.")], "See --allowed-host.")
            return await refuse(refused)(scope, receive, send)
        name = self._name(headers) if self.tokens else "http"
        if name is None and scope["path"] != OPEN:
            return await refuse(_nobody())(scope, receive, send)
        said = "".join(c for c in headers.get(CALLER, "")[:LONGEST] if c.isprintable())
        scope.setdefault("state", {})["caller"] = f"{name}/{said}" if said else name
        return await self.app(scope, receive, send)

    def _name(self, headers: Headers) -> str | None:
        """Return the name of the token that was sent; each is compared, and in full."""
        kind, _, sent = headers.get("authorization", "").partition(" ")
        given = sent.strip().encode("utf-8", "replace") if kind.lower() == "bearer" else b""
        found = [name for name, token in self.tokens.items() if compare_digest(token, given)]
        return found[0] if found else None


def tokens_of(names: Iterable[str], host: str) -> dict[str, str]:
    """Return the tokens that environment variables hold, by the variable's name.

    Raises
    ------
    NotAllowed
        The service listens off this machine, and there is none.
    Invalid
        A variable is empty, or short enough to be guessed.
    """
    found = {name: os.environ.get(name, "").strip() for name in names}
    if not found and not is_loopback(host):
        raise NotAllowed(
            f"{host} can be reached from other machines, and there is no token.",
            "Put one into the environment and name it: --token-env NBMLOPS_TOKEN.",
        )
    for name, token in found.items():
        if len(token) < LEAST:
            raise Invalid(
                f"The environment variable {name} holds no token of {LEAST} characters or more.",
                "Make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'.",
            )
    return found


def hosts_for(host: str, allowed: Iterable[str]) -> tuple[str, ...]:
    """Return what ``Host`` may say: loopback's names on loopback, else what is allowed or, unsaid, anything."""
    named = tuple(allowed)
    return (*HERE, *named) if is_loopback(host) else named or ("*",)


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _host(sent: str) -> str:
    """Return a ``Host`` without its port."""
    return (sent.partition("]")[0] + "]" if sent.startswith("[") else sent.partition(":")[0]).lower()


def _nobody() -> Refused:
    return Refused(
        401,
        [problem("token", "A token is needed.")],
        "Send the header Authorization: Bearer TOKEN.",
        {"WWW-Authenticate": "Bearer"},
    )
