"""Start the service and serve until it is told to stop."""

from __future__ import annotations

import signal
import socket
import sys
import warnings
from collections.abc import Iterable
from typing import Any

from nbmlops.config import disabled
from nbmlops.errors import Invalid
from nbmlops.monitoring.predicting.recorder import keeps_inputs
from nbmlops.serving.auth import hosts_for, tokens_of
from nbmlops.serving.log import Log, Mode
from nbmlops.serving.served import Served, resolve
from nbmlops.tracking import session

__all__ = ["serve"]

KEEP_ALIVE_S = 65  # longer than the proxies before it, which would else find a connection closed


def serve(
    ref: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    log: Mode = "fast",
    token_env: Iterable[str] = (),
    allowed_hosts: Iterable[str] = (),
    max_rows: int = 10_000,
    max_bytes: int = 10 * 2**20,
) -> None:
    """Serve a registered model over HTTP until SIGTERM or Ctrl-C.

    Parameters
    ----------
    ref : str
        ``NAME@champion``, ``NAME@3``, or ``NAME`` for the newest; resolved now, an alias that moves counts at the
        next start.
    host : str
    port : int
        0 for a free one.
    log : {"fast", "audit", "off"}
    token_env : iterable of str
        Environment variables with a token each; its name is the caller's.
    allowed_hosts : iterable of str
        What ``Host`` may say; loopback's names are allowed on loopback.
    max_rows, max_bytes : int
        Of one request.

    Raises
    ------
    NotFound
        No such model.
    NotAllowed
        The model is a program nobody has reviewed, or there is no token off loopback.
    """
    from nbmlops.serving.app import Service, make_app

    tokens = tokens_of(token_env, host)
    if max_rows < 1 or max_bytes < 1:
        raise Invalid("A request holds one row and one byte at least.", "Give --max-rows and --max-bytes above 0.")
    served = resolve(ref)
    warnings.filterwarnings("ignore", "X does not have valid feature names")  # it was tried that they do not matter
    record = Log("off" if disabled() else log, keeps_inputs())
    service = Service(served, record, tokens, hosts_for(host, allowed_hosts), max_rows, max_bytes)
    _run(make_app(service), served, record, host, port)


def _run(app: Any, served: Served, log: Log, host: str, port: int) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws="none",
    )
    taken = _bound(host, port)
    said, number = taken.getsockname()[:2]
    place = f"[{said}]" if ":" in said else said
    print(f"Serving {served.version.ref} at http://{place}:{number} ({_recorded(log)})", flush=True)  # noqa: T201
    before = signal.signal(signal.SIGTERM, _end)
    try:
        uvicorn.Server(config).run([taken])
    except KeyboardInterrupt:
        pass  # uvicorn has answered what had begun
    finally:
        signal.signal(signal.SIGTERM, before)
        session.drain()


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket at an address.

    Raises
    ------
    Invalid
        It is another's, or none of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, reuse_port=False)
    except OSError as error:
        raise Invalid(f"{host} port {port} cannot be taken: {error.strerror}.", "Name another: --port 0.") from error


def _end(_number: int, _frame: Any) -> None:
    """Be what SIGTERM does after the service has stopped: it was told to, so nothing failed."""
    sys.exit(0)


def _recorded(log: Log) -> str:
    what = {"fast": "predictions are recorded", "audit": "predictions are on the disk before they are answered"}
    cost = "nothing is recorded: answers have no ids, no outcome can come back, drift and support see nothing"
    return what.get(log.mode, cost)
