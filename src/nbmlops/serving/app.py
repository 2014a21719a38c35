"""The addresses: predict, explain, feedback, health, metrics, model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response

from nbmlops import __version__
from nbmlops.errors import NbmlopsError
from nbmlops.serving import about, returned, schema
from nbmlops.serving.answering import predicted
from nbmlops.serving.auth import Door
from nbmlops.serving.errors import Refused, answer, problem, refusal_of, refuse, report
from nbmlops.serving.log import Log
from nbmlops.serving.metrics import Measured, Metrics
from nbmlops.serving.served import Served

__all__ = ["Service", "make_app"]

MOST_WAITING = 256  # requests that wait for the model; more are told to come again
MOST_BESIDE = 32  # that wait for an explanation or the database
MOST_BODIES = 16  # of the largest size, held at once
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Service:
    """One version that is served, and what goes with it.

    Parameters
    ----------
    served : Served
    log : Log
    tokens : mapping
        Name to token; without any, everybody may ask.
    hosts : tuple of str
        What ``Host`` may say.
    max_rows, max_bytes : int
        Of one request.
    """

    served: Served
    log: Log
    tokens: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ("*",)
    max_rows: int = 10_000
    max_bytes: int = 10 * 2**20

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.served.version.name, self.served.version.version)
        # Two threads: what asks the model for an answer waits for no explanation and no database.
        self.asking = ThreadPoolExecutor(1, "nbmlops-model", initializer=pinned)
        self.beside = ThreadPoolExecutor(1, "nbmlops-beside", initializer=pinned)
        self.waiting = {self.asking: 0, self.beside: 0}
        self.held_bytes = 0

    async def run(self, pool: ThreadPoolExecutor, work: Callable[..., Any], *words: Any) -> Any:
        """Do work in a thread, unless too much waits for that one."""
        if self.waiting[pool] >= (MOST_WAITING if pool is self.asking else MOST_BESIDE):
            raise _busy()
        self.waiting[pool] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work, *words)
        finally:
            self.waiting[pool] -= 1

    async def content(self, request: Request) -> bytes:
        """Return a request's body, if it may be JSON and is not too large."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(415, [problem("content_type", "The body is not sent as application/json.")])
        size = request.headers.get("content-length", "0")
        if size.isdecimal() and int(size[:20]) > self.max_bytes:
            raise self._too_large()
        body = bytearray()
        request.state.held_bytes = 0
        async for part in request.stream():
            body += part
            self.held_bytes += len(part)
            request.state.held_bytes += len(part)
            if len(body) > self.max_bytes:
                raise self._too_large()
            if self.held_bytes > MOST_BODIES * self.max_bytes:
                raise _busy()
        return bytes(body)

    def let_go(self, request: Request) -> None:
        """Forget the body of a request that is answered."""
        self.held_bytes -= getattr(request.state, "held_bytes", 0)

    def close(self) -> None:
        """End the threads; requests that have begun are answered first."""
        self.asking.shutdown()
        self.beside.shutdown()
        self.log.close()

    def _too_large(self) -> Refused:
        return Refused(413, [problem("too_large", f"More than {self.max_bytes:,} bytes.")], "Send fewer rows at once.")


def _busy() -> Refused:
    return Refused(503, [problem("busy", "Too many requests wait.")], "Try again.", {"Retry-After": "1"})


def pinned() -> None:
    """Let this thread's numerics use one core: many requests share them."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threadpool_limits(limits=1)


def make_app(service: Service) -> FastAPI:
    """Return the application of a service.

    Parameters
    ----------
    service : Service
    """

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    version = service.served.version
    # No page with scripts from elsewhere: openapi.json is read with whatever reads it.
    app = FastAPI(title=version.ref, version=__version__, docs_url=None, redoc_url=None, lifespan=life)
    app.add_exception_handler(HTTPException, _http)
    for path, work, summary, takes in (
        ("/predict", _predict, "Predict rows", schema.predict(service.served)),
        ("/explain", _explain, "Explain one row, or a prediction by its id", schema.explain(service.served)),
        ("/feedback", _feedback, "Take in outcomes, opinions and flags", schema.feedback()),
        ("/health", _health, "Whether it lives and is ready", None),
        ("/metrics", _metrics, "Counts, as Prometheus reads them", None),
        ("/model", _model, "What the model is for, its limits and its state", None),
    ):
        app.add_api_route(
            path,
            _answering(service, work, path),
            methods=["POST" if takes else "GET"],
            operation_id=path[1:],
            summary=summary,
            responses=schema.ANSWERS,
            response_class=PlainTextResponse if work is _metrics else JSONResponse,
            openapi_extra=takes,
        )
    app.add_middleware(Door, tokens=service.tokens, hosts=service.hosts)
    app.add_middleware(Measured, metrics=service.metrics)
    return app


Work = Callable[[Service, Request], Any]


def _answering(service: Service, work: Work, path: str) -> Callable[[Request], Any]:
    """Return an endpoint in which every error becomes the one body errors have."""

    async def endpoint(request: Request) -> Response:
        try:
            found: Response = await work(service, request)
            return found
        except Refused as refused:
            return refuse(refused)
        except NbmlopsError as error:
            return refuse(refusal_of(error))
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            return refuse(report(error, path))
        finally:
            service.let_go(request)

    return endpoint


async def _predict(service: Service, request: Request) -> Response:
    body = await service.content(request)
    caller = request.state.caller
    done = await service.run(service.asking, predicted, service.served, service.log, body, caller, service.max_rows)
    await service.log.settled()
    service.metrics.predicted(len(done.content["predictions"]), done.unknown)
    return answer(done.content)


async def _explain(service: Service, request: Request) -> Response:
    body = await service.content(request)
    return answer(await service.run(service.beside, about.explained, service.served, body))


async def _feedback(service: Service, request: Request) -> Response:
    body = await service.content(request)
    received = await service.run(
        service.beside, returned.received, service.served, body, request.state.caller, service.max_rows
    )
    await service.log.settled()
    return answer(received)


async def _health(service: Service, _request: Request) -> Response:
    version, log = service.served.version, service.log.state()
    ready = not (log["mode"] == "audit" and log["state"] != "ok")
    content = {"live": True, "ready": ready, "model": version.name, "version": version.version, "log": log}
    return answer(content, 200 if ready else 503)


async def _metrics(service: Service, _request: Request) -> Response:
    return Response(service.metrics.text(service.log.state()), media_type=TEXT)


async def _model(service: Service, _request: Request) -> Response:
    return answer(await service.run(service.beside, about.model, service.served))


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "There is no such address.", 405: "The address does not take this method."}
    said = problem("http", words.get(error.status_code, str(error.detail)))
    return refuse(Refused(error.status_code, [said], "See /openapi.json.", error.headers))
