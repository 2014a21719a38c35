"""A model that is served, asked without a port."""

from __future__ import annotations

import httpx
import pytest

import nbmlops as nb
from nbmlops.serving.app import Service, make_app
from nbmlops.serving.log import Log
from nbmlops.serving.served import resolve


@pytest.fixture
def late(project, model, held_out):
    nb.evaluate(model, held_out, target="late")
    return nb.register(model, "late", background=held_out[["age", "city", "noise"]])


@pytest.fixture
def serving(late):
    """Return a client of a service, made with what differs: ``serving(tokens={"ci": "..."})``."""
    made = []

    def start(ref="late", log="fast", inputs=True, **more):
        service = Service(resolve(ref), Log(log, inputs), **more)
        made.append(service)
        return Client(service)

    yield start
    for service in made:
        service.close()


class Client:
    """Asks an application from the same process; each call has an event loop of its own."""

    def __init__(self, service):
        self.service, self.app = service, make_app(service)

    def __call__(self, method, path, **more):
        import asyncio

        return asyncio.run(self.ask(method, path, **more))

    async def ask(self, method, path, **more):
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **more)

    def predict(self, content, **more):
        return self("POST", "/predict", json=content, **more)


@pytest.fixture
def service(serving):
    return serving()
