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
_ANY_BODY: dict[str, Any] = {"type": "object"}


def openapi(routes: Iterable[Route], known: Mapping[str, str]) -> dict[str, Any]:
    """OpenAPI 3.1. `known` gives a value for each placeholder, tried beside arbitrary ones."""
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
        paths.setdefault(_PLACEHOLDER.sub(r"{\1}", route.path), {})[route.method.lower()] = _operation(route, bodies, known)
    return {
        "openapi": "3.1.0",
        "info": {"title": "pushd", "version": "3"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(route: Route, bodies: Mapping[tuple[str, str], Any], known: Mapping[str, str]) -> dict[str, Any]:
    names = _PLACEHOLDER.findall(route.path)
    operation: dict[str, Any] = {
        "operationId": f"{route.method} {route.path}",
        "parameters": [{"name": name, "in": "path", "required": True, "schema": _parameter(name, known)} for name in names],
        "responses": {"default": {"description": "checked by tests/contracts/validate.py"}},
    }
    if route.method in ("POST", "PATCH", "PUT"):
        schema = bodies.get((route.method, _PLACEHOLDER.sub("{}", route.path)), _ANY_BODY)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _parameter(name: str, known: Mapping[str, str]) -> dict[str, Any]:
    anything = {"type": "string", "minLength": 1, "maxLength": 40}
    return {"anyOf": [{"enum": [known[name]]}, anything]} if name in known else anything


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
