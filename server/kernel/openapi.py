"""OpenAPI 3.1, written from the operations that route: it cannot drift from the server."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from server.kernel.endpoint import JSON, PROBLEM_JSON, Operation
from server.kernel.idempotency import KeyInUse, KeyReused
from server.kernel.problems import (
    Malformed,
    NotAllowed,
    Problem,
    SignInFirst,
    TooMany,
)

_PLACE = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "A refusal (RFC 9457). `reason` is the same word that a channel replies.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string"},
        "request_id": {"type": "string"},
    },
    "required": ["type", "title", "status", "reason"],
}


def document(title: str, version: str, about: str, operations: Sequence[Operation]) -> Any:
    """Write the document of these operations."""
    kinds = [kind for o in operations for kind in (o.body, o.returns) if kind is not None]
    unique = list({id(kind): kind for kind in kinds}.values())
    schemas, components = msgspec.json.schema_components(unique, ref_template=_PLACE)
    by_kind = {id(kind): schema for kind, schema in zip(unique, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = _PARAMETER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _describe(operation, by_kind)
    written = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": about},
        "paths": paths,
        "components": {
            "schemas": components | {"Problem": PROBLEM_SCHEMA},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "access_token"},
            },
        },
    }
    return msgspec.to_builtins(written)


def _describe(operation: Operation, schemas: dict[int, Any]) -> dict[str, Any]:
    summary, _, description = (operation.handler.__doc__ or "").strip().partition("\n")
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.room],
        "summary": summary,
        "description": " ".join(description.split()),
        "parameters": [
            *_in_path(operation.path),
            *_in_query(operation.query),
            *_in_header(operation),
        ],
        "responses": _responses(operation, schemas),
    }
    if operation.access != "anyone":
        described["security"] = [{"bearer": []}, {"cookie": []}]
    if operation.body is not None:
        content = {JSON: {"schema": schemas[id(operation.body)]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _in_path(path: str) -> Iterable[dict[str, Any]]:
    for name in _PARAMETER.findall(path):
        kind = {"type": "string", "format": "uuid"} if name == "id" else {"type": "string"}
        yield {"name": name, "in": "path", "required": True, "schema": kind}


def _in_query(kind: type | None) -> Iterable[dict[str, Any]]:
    if kind is None:
        return
    (schema,), components = msgspec.json.schema_components([kind], ref_template=_PLACE)
    described = components[schema["$ref"].rsplit("/", 1)[1]]
    for name, value in described.get("properties", {}).items():
        required = name in described.get("required", [])
        yield {"name": name, "in": "query", "required": required, "schema": value}


def _in_header(operation: Operation) -> Iterable[dict[str, Any]]:
    if operation.takes_key:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": operation.needs_key,
            "description": "For a day, the same key here is the same request: it is done once.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        }


def _responses(operation: Operation, schemas: dict[int, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "Done."}
    if operation.returns is not None:
        answer["content"] = {JSON: {"schema": schemas[id(operation.returns)]}}
    responses = {str(operation.status): answer}
    if operation.etag or operation.public:
        responses["304"] = {"description": "Nothing has changed since the ETag that was sent."}
    for problem in _problems_of(operation):
        refused = responses.setdefault(str(problem.status), {"description": ""})
        said = f"{problem.title()} (`{problem.reason()}`)"
        refused["description"] = f"{refused['description']} {said}".strip()
        refused["content"] = {PROBLEM_JSON: {"schema": {"$ref": _PLACE.format(name="Problem")}}}
    return responses


def _problems_of(operation: Operation) -> list[type[Problem]]:
    # Whoever shows a token that has ended is told so, even where nobody need show one.
    implied: list[type[Problem]] = [TooMany, SignInFirst]
    if operation.body is not None or operation.query is not None or "{id}" in operation.path:
        implied.append(Malformed)
    if operation.access == "admin":
        implied.append(NotAllowed)
    if operation.takes_key:
        implied += [KeyInUse, KeyReused, Malformed]
    return list(dict.fromkeys([*operation.problems, *implied]))
