"""Our table of routes as an OpenAPI document: bodies as the published schema has them, path parameters that lead somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pushd.api.routes import Route
from tests.contracts.validate import SCHEMAS

_PLACEHOLDER = re.compile(r"\{(\w+)[^}]*\}")
_HYPER = re.compile(r"\{\([^)]*\)\}")
WITH_BODY = ("POST", "PATCH", "PUT")
_ANY_NAME = {"type": "string", "minLength": 1, "maxLength": 40}
_ANY_BODY: dict[str, Any] = {"type": "object"}


def openapi(routes: Iterable[Route], known: Mapping[str, str]) -> dict[str, Any]:
    """OpenAPI 3.1. `known` says what placeholders stand for where there is a body: else that met a 404, and nobody read it.

    Without a body the path is what is tried, so it is arbitrary; and nothing that others need is removed.
    """
    schemas: dict[str, Any] = {}
    bodies: dict[tuple[str, str], Any] = {}
    for file in SCHEMAS:
        definitions = json.loads(file.read_text())["definitions"]
        schemas |= {name: _as_openapi(each) for name, each in definitions.items()}
        for definition in definitions.values():
            for link in definition.get("links", ()):
                bodies[link["method"], _HYPER.sub("{}", link["href"])] = _as_openapi(link.get("schema", _ANY_BODY))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _PLACEHOLDER.sub(r"{\1}", route.path)
        if route.method in WITH_BODY:
            path = _PLACEHOLDER.sub(lambda found: known.get(found[1], found[0]), path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, _PLACEHOLDER.findall(path), bodies)
    return {
        "openapi": "3.1.0",
        "info": {"title": "pushd", "version": "3"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(route: Route, names: Iterable[str], bodies: Mapping[tuple[str, str], Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.method} {route.path}",
        "parameters": [{"name": name, "in": "path", "required": True, "schema": _ANY_NAME} for name in names],
        "responses": {"default": {"description": "checked by tests/contracts/validate.py"}},
    }
    if route.method in WITH_BODY:
        schema = bodies.get((route.method, _PLACEHOLDER.sub("{}", route.path)), _ANY_BODY)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _as_openapi(node: Any) -> Any:
    """The same schema in the words of JSON Schema 2020-12, its references below `components`."""
    if isinstance(node, list):
        return [_as_openapi(each) for each in node]
    if not isinstance(node, dict):
        return node
    plain = {
        key: _as_openapi(value) for key, value in node.items() if not (key in ("id", "$schema") and isinstance(value, str))
    }
    if isinstance(reference := plain.get("$ref"), str):
        plain["$ref"] = reference.replace("#/definitions/", "#/components/schemas/", 1)
    plain.pop("strictProperties", None)
    return plain
