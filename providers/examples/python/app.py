"""The example provider in Python, with plain generated bindings.

Whatever it needs is imported here at the top: a component has no file system to import from later.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import http, log, types

CONFIG = {
    "type": "object",
    "required": ["apiEndpoint", "apiKey"],
    "additionalProperties": False,
    "properties": {
        "apiEndpoint": {
            "type": "string",
            "format": "uri",
            "maxLength": 8000,
            "title": "API endpoint",
            "description": "Where events are posted to, https://api.example.com/v1/events say. Below it, /health is asked when settings are tried.",
        },
        "apiKey": {
            "type": "string",
            "writeOnly": True,
            "minLength": 1,
            "title": "API key",
            "description": "What the service knows this subscription by; sent as a bearer token.",
        },
        "timeout": {
            "type": "integer",
            "minimum": 1000,
            "maximum": 60000,
            "default": 10000,
            "title": "Timeout",
            "description": "How long to wait for the answer, in milliseconds.",
        },
        "priority": {
            "type": "string",
            "enum": ["low", "medium", "high"],
            "default": "medium",
            "title": "Priority",
            "description": "How urgent the service should take these events.",
        },
    },
}

EXAMPLE = {
    "event_type": "incident.incident.created",
    "timestamp": "2026-01-02T03:04:05.678Z",
    "delivery_id": "the same on every attempt",
    "subscription_name": "On call",
    "priority": "medium",
    "data": {"title": "It burns"},
}


class Provider(exports.Provider):
    def describe(self) -> types.Manifest:
        return types.Manifest(
            id="example-python",
            version="1.0.0",
            display_name="Example in Python",
            description="Posts each event as JSON to a service that knows its callers by an API key.",
            icon="bell",
            supported_events=None,
            config=types.SettingsSchema(version=1, schema=json.dumps(CONFIG)),
            connection=None,
            hosts=["{config.apiEndpoint}"],
            implements=types.Capabilities.TEST_CONNECTION,
            documentation=types.Documentation(
                setup_guide="Make an API key in the service, and enter it here together with the URL that takes events.",
                example_payload=json.dumps(EXAMPLE, indent=2),
                headers=[types.DocumentedHeader("Authorization", "Bearer, and the API key")],
                link=None,
            ),
            rate=None,
        )

    def deliver(self, delivery: types.Delivery) -> types.Receipt:
        config = json.loads(delivery.config)
        # Nothing is given away: where the key should be, a provider sees a placeholder.
        log.write(log.Level.DEBUG, f"delivering {delivery.event.event_type} with {delivery.config}")
        message = {
            "event_type": delivery.event.event_type,
            "timestamp": delivery.event.timestamp,
            "delivery_id": delivery.id,
            "subscription_name": delivery.subscription.name,
            "priority": config["priority"],
            "data": json.loads(delivery.event.payload),
        }
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            answer = request(config, "POST", config["apiEndpoint"], config["timeout"], body)
        except Err as error:
            raise failure(error.value.message)
        if not 200 <= answer.status <= 299:
            raise failure(described(answer))
        return types.Receipt(external_id(answer.body))

    def test_connection(self, settings: types.Settings) -> str:
        config = json.loads(settings.config)
        try:
            answer = request(config, "GET", config["apiEndpoint"] + "/health", 5000)
        except Err as error:
            raise failure(error.value.message)
        if not 200 <= answer.status <= 299:
            raise failure(described(answer))
        return "the service answers"

    # The exports that the manifest does not claim are never called, but have to be there.

    def list_options(self, request: types.OptionsRequest) -> list[types.OptionItem]:
        raise failure("there are no options")

    def migrate_config(self, kind: types.SettingsKind, from_version: int, value: str) -> str:
        raise failure("there is no older version")

    def reconcile(self, delivery: types.Delivery) -> types.Receipt | None:
        return None


def request(config: dict, method: str, url: str, timeout: int, body: bytes | None = None) -> http.Response:
    headers = [http.Header("Authorization", f"Bearer {config['apiKey']}")]
    if body is not None:
        headers.append(http.Header("Content-Type", "application/json"))
    return http.send(http.Request(method, url, headers, body, timeout, redirects=None))


def failure(message: str) -> Err:
    """Whether and when to try again, the host reads from the request and its answer itself."""
    return Err(types.Failure(message, retry=None))


def described(answer: http.Response) -> str:
    return f"the service answered HTTP {answer.status}: {answer.body.decode(errors='replace')[:200]}"


def external_id(body: bytes) -> str | None:
    """What the service calls the thing that it made, if it says so in at most 256 bytes."""
    try:
        found = json.loads(body)["id"]
        return found if 0 < len(found.encode()) <= 256 else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
