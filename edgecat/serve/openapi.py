"""The server's interface in the form that tools read. Source: OpenAPI Specification 3.1.0."""

from collections.abc import Iterable
from typing import Any

from edgecat import __version__
from edgecat.bundle.score import Score
from edgecat.photos.input import InputSpec
from edgecat.runtime.choice import Choice
from edgecat.runtime.prediction import Prediction
from edgecat.serve.schema import JsonSchema, schema_of

_TEXT: JsonSchema = {"type": "string"}
_YES_OR_NO: JsonSchema = {"type": "boolean"}

# Status, code and meaning of every refusal.
_Refusals = Iterable[tuple[int, str, str]]

_ANYWHERE: _Refusals = (
    (400, "bad_request", "no HTTP/1.1 request, or one whose length is not clear"),
    (400, "wrong_host", "a server for this machine only was called by another name"),
    (408, "too_slow", "the head of the request did not arrive in time"),
    (431, "head_too_large", "request line and headers are too large"),
    (500, "internal", "a mistake of the server"),
    (501, "bad_request", "a Transfer-Encoding other than chunked"),
    (503, "too_many_connections", "too many connections are open; come back after Retry-After"),
    (503, "stopping", "the server is being stopped"),
)
_WITHOUT_TOKEN: _Refusals = ((401, "unauthorized", "the server asks for a token"),)
_OF_A_PHOTO: _Refusals = (
    (400, "no_photo", "the body is empty"),
    (400, "bad_query", "a question other than ?heat=1"),
    (400, "bad_form", "the form cannot be read, or is not one with one file"),
    (403, "wrong_origin", "a page of another web site asks a server without a token"),
    (408, "too_slow", "the body did not arrive in time"),
    (413, "too_large", "the body is larger than the server or a photo may have"),
    (415, "unsupported_type", "a Content-Type or Content-Encoding that is not accepted"),
    (415, "unsupported_photo", "a photo in a format that this server cannot read"),
    (422, "not_a_photo", "no photo, a broken one, or one with too many pixels"),
    (500, "no_answer", "the model has no answer to this photo"),
    (501, "no_heat", "the model cannot show where it sees a class"),
    (503, "busy", "too many photos wait; send it again after Retry-After"),
    (503, "made_room", "a slow photo, or the last of many of one client, made room for another"),
    (503, "no_room", "photos under way take too much memory; send it again after Retry-After"),
)


def _ref(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: JsonSchema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _object(**properties: JsonSchema) -> JsonSchema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _operation(
    name: str, summary: str, content: dict[str, Any], *refusals: _Refusals
) -> dict[str, Any]:
    """Return an operation: its name, what it does, what it answers, how it may be refused."""
    by_status: dict[int, dict[str, list[str]]] = {}
    for status, code, meaning in (refusal for group in refusals for refusal in group):
        by_status.setdefault(status, {}).setdefault(code, []).append(meaning)
    responses = {"200": {"description": summary, "content": content}}
    for status in sorted(by_status):
        codes = by_status[status]
        error = _object(code={"enum": list(codes)}, message=_TEXT)
        lines = [f"{code}: {'; or '.join(meanings)}" for code, meanings in codes.items()]
        responses[str(status)] = {
            "description": ". ".join(lines),
            "content": _json(_object(error=error)),
        }
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "responses": responses}
    if _WITHOUT_TOKEN in refusals:
        operation["security"] = [{}, {"token": []}]  # as the server was started
    return operation


_PREDICTION = schema_of(Prediction)
_PREDICTION = {
    **_PREDICTION,
    "properties": {
        "answer": {**_TEXT, "description": "What to tell a person: the label, or unknown."},
        **_PREDICTION["properties"],
        "bundle": {**_TEXT, "description": "The name of the bundle that answered."},
        "variant": {**_TEXT, "description": "The variant in use: <engine>-<precision>."},
        "heat": {
            **_object(label=_TEXT, text=_TEXT, picture=_TEXT),
            "description": "With ?heat=1: the class whose evidence is shown, where most of it lies "
            "in words, and a data: URL of a PNG, what the model saw under the heat.",
        },
    },
    "required": ["answer", *_PREDICTION["required"], "bundle", "variant"],
}

_MODEL = _object(
    name=_TEXT,
    arch=_TEXT,
    labels={"type": "array", "items": _TEXT, "description": "In the order of the model's output."},
    variant=_TEXT,
    choice={**schema_of(Choice), "description": "Why this variant answers, and with what."},
    precision={
        "anyOf": [_TEXT, {"type": "null"}],
        "description": "What another device than the CPU says that it computes in.",
    },
    says_unknown={**_YES_OR_NO, "description": "Whether it can tell photos of nothing it knows."},
    versions={
        "type": "object",
        "additionalProperties": _TEXT,
        "description": "Of edgecat and the engine that answer.",
    },
    schema_version={"type": "integer", "description": "Of the bundle's manifest."},
    input=schema_of(InputSpec),
    score={
        "anyOf": [schema_of(Score), {"type": "null"}],
        "description": "Measured at export; null where no photos were left to measure it on.",
    },
)

_HEALTH = _object(
    status={"const": "ok"},
    bundle=_TEXT,
    variant=_TEXT,
    refused_reload={**_YES_OR_NO, "description": "Whether a new bundle was refused; see the log."},
)

_PHOTO = {
    "required": True,
    "description": "The photo's bytes, whose content says what it is, or a form with one file.",
    "content": {
        "image/*": {},
        "application/octet-stream": {},
        "multipart/form-data": {
            "schema": _object(photo={"type": "string", "contentMediaType": "image/*"})
        },
    },
}

_HEAT = {
    "name": "heat",
    "in": "query",
    "required": False,
    "schema": {"const": "1"},
    "description": "Show where in the photo the evidence lies, too.",
}

_PATHS: dict[str, dict[str, dict[str, Any]]] = {
    "/v1/predict": {
        "post": _operation(
            "predict", "Say what a photo shows.", _json(_ref("Prediction")),
            _ANYWHERE, _WITHOUT_TOKEN, _OF_A_PHOTO,
        ) | {"requestBody": _PHOTO, "parameters": [_HEAT]}
    },
    "/v1/model": {
        "get": _operation(
            "showModel", "Describe the model in use.", _json(_ref("Model")),
            _ANYWHERE, _WITHOUT_TOKEN,
        )
    },
    "/healthz": {
        "get": _operation(
            "showHealth", "Say that the server is well, and what it serves.",
            _json(_ref("Health")), _ANYWHERE,
        )
    },
    "/metrics": {
        "get": _operation(
            "showMetrics", "Show counters in Prometheus's text format.",
            {"text/plain": {"schema": _TEXT}}, _ANYWHERE, _WITHOUT_TOKEN,
        )
    },
    "/openapi.json": {
        "get": _operation("showApi", "Show this document.", _json({"type": "object"}), _ANYWHERE)
    },
    "/": {
        "get": _operation(
            "showPage", "Show a page for people.", {"text/html": {"schema": _TEXT}}, _ANYWHERE
        )
    },
}  # fmt: skip

#: The whole document, as GET /openapi.json answers it.
API: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "edgecat serve",
        "version": __version__,
        "description": "A photo classifier behind HTTP. Every refusal is JSON: a code for "
        "machines, and a message that says what is accepted.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "servers": [{"url": "/"}],
    "paths": _PATHS,
    "components": {
        "schemas": {"Prediction": _PREDICTION, "Model": _MODEL, "Health": _HEALTH},
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    },
}

#: All there is, as a refusal lists it.
ADDRESSES = ", ".join(f"{method.upper()} {path}" for path in _PATHS for method in _PATHS[path])
