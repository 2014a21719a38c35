"""``nbmlops serve``: a registered model as a service."""

from __future__ import annotations

import re

import click

from nbmlops.errors import Invalid, MissingPackage
from nbmlops.hooks import service

__all__ = ["serve"]

SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[KMG]?)i?B?", re.IGNORECASE)


@click.command()
@click.argument("model")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; elsewhere it needs a token.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--log",
    default="fast",
    show_default=True,
    type=click.Choice(["fast", "audit", "off"]),
    help="Answer when the record survives the process, or also a loss of power; or record nothing.",
)
@click.option("--no-log", is_flag=True, help="Record nothing: no ids, no outcome can come back, drift sees nothing.")
@click.option("--token-env", multiple=True, metavar="NAME", help="An environment variable with a token; may be many.")
@click.option("--allowed-host", multiple=True, metavar="HOST", help="What Host may say, such as models.example.org.")
@click.option("--max-rows", default=10_000, show_default=True, help="Rows in one request.")
@click.option("--max-bytes", default="10MB", show_default=True, help="Bytes of one request.")
def serve(
    model: str,
    host: str,
    port: int,
    log: str,
    no_log: bool,
    token_env: tuple[str, ...],
    allowed_host: tuple[str, ...],
    max_rows: int,
    max_bytes: str,
) -> None:
    """Serve a MODEL over HTTP: predict, explain, feedback, health, metrics, model.

    It answers with the version the name means now; an alias that moves counts at the next start.

    Example: nbmlops serve late-flights@champion --log audit
    """
    try:
        start = service("serving.command", "serve")
    except ModuleNotFoundError as error:
        raise MissingPackage(f"The service needs {error.name}.", "Type: pip install 'nbmlops[serve]'") from error
    start(
        model,
        host=host,
        port=port,
        log="off" if no_log else log,
        token_env=token_env,
        allowed_hosts=allowed_host,
        max_rows=max_rows,
        max_bytes=_bytes(max_bytes),
    )


def _bytes(text: str) -> int:
    found = SIZE.fullmatch(text.strip())
    if not found:
        raise Invalid(f"{text!r} is no size.", "Write 10MB or 500K.")
    return int(float(found["number"]) * 1024 ** " KMG".index(found["unit"].upper() or " "))
