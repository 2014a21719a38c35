"""Whatever a client makes up from the description of the service: no answer is a fault of ours."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

READ = [(path, GenerationMode.POSITIVE) for path in ("/health", "/metrics", "/model")]
SENT = [(path, mode) for path in ("/predict", "/explain", "/feedback") for mode in GenerationMode]
EXAMPLES = {"/predict": 100, "/feedback": 60, "/explain": 15}
KNOWN = {200, 400, 404, 405, 413, 415, 422, 503}


@pytest.mark.parametrize(("path", "mode"), [*SENT, *READ], ids=lambda value: getattr(value, "value", value))
def test_no_request_is_a_fault(service, path, mode):
    schema = schemathesis.openapi.from_asgi("/openapi.json", service.app)
    operation = next(o.ok() for o in schema.get_all_operations() if o.ok().path == path)
    checks = [CHECKS.get_one(name) for name in ("not_a_server_error", "content_type_conformance")]
    answered = set()

    @settings(
        max_examples=EXAMPLES.get(path, 3),
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        answer = case.call()
        answered.add(answer.status_code)
        case.validate_response(answer, checks=checks)

    ask()
    assert answered <= KNOWN
    if path == "/predict" and mode is GenerationMode.POSITIVE:
        assert 200 in answered
