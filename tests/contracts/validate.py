"""Holds every JSON answer of ours against the published schemas, with the listed exceptions and no others."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from jsonschema import Draft4Validator, FormatChecker
from jsonschema.exceptions import ValidationError

HERE = Path(__file__).parent
SCHEMAS = (HERE / "heroku" / "schema.json", HERE / "pushd" / "schema.json")
DEVIATIONS = HERE / "deviations.toml"

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_PLACEHOLDER = re.compile(r"\{\([^)]*\)\}")
_ERROR = {
    "type": "object",
    "required": ["id", "message"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z_]+$"},
        "message": {"type": "string", "minLength": 1},
        "resource": {"type": "string", "pattern": "^[a-z_]+$"},
    },
}
formats = FormatChecker(formats=())


@formats.checks("date-time")
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or _DATE_TIME.fullmatch(value) is not None


@formats.checks("email")
def _is_email(value: object) -> bool:
    return not isinstance(value, str) or _EMAIL.fullmatch(value) is not None


@formats.checks("uuid", raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or str(UUID(value)) == value


@dataclass(frozen=True)
class Link:
    """One documented call: which paths it is for, and what its answer looks like."""

    resource: str
    method: str
    path: re.Pattern[str]
    literals: int  # the more of the path is fixed, the better it fits
    validator: Draft4Validator


class ContractChecker:
    """`check` raises on an undocumented answer; `used` collects the exceptions that were needed."""

    def __init__(self) -> None:
        self.links = [link for schema in SCHEMAS for link in _links_of(json.loads(schema.read_text()))]
        self.deviations = listed_deviations()
        self.used: set[str] = set()
        self.visited: set[str] = set()

    def check(self, method: str, path: str, status: int, body: Any) -> None:
        """Hold one JSON answer against the schema. Raises: AssertionError with every difference that is not listed."""
        path = path.partition("?")[0]
        if status >= 400:
            problems = [_told(error) for error in Draft4Validator(_ERROR).iter_errors(body)]
        else:
            problems = list(self._differences(method, path, body))
        assert not problems, f"{method} {path} -> {status} differs from the schema:\n  " + "\n  ".join(problems)

    def _differences(self, method: str, path: str, body: Any) -> Iterator[str]:
        link = self._find(method, path)
        if link is None:
            yield from self._unless_listed(f"{method} {path}", "no such call in the schemas")
            return
        self.visited.add(f"{method} {link.path.pattern}")
        for error in link.validator.iter_errors(body):
            for name in _names(link.resource, error):
                yield from self._unless_listed(name, _told(error))

    def _unless_listed(self, name: str, told: str) -> Iterator[str]:
        if name in self.deviations:
            self.used.add(name)
        else:
            yield f"{name}: {told}"

    def _find(self, method: str, path: str) -> Link | None:
        fitting = (link for link in self.links if link.method == method and link.path.fullmatch(path))
        return max(fitting, key=lambda link: link.literals, default=None)


def listed_deviations() -> Mapping[str, str]:
    """Name of each exception -> its reason."""
    rows = tomllib.loads(DEVIATIONS.read_text())["deviation"]
    return {row["what"]: row["reason"] for row in rows}


def _links_of(schema: dict[str, Any]) -> Iterator[Link]:
    definitions = {name: _strict(each) for name, each in schema["definitions"].items()}
    for resource, definition in definitions.items():
        for link in definition.get("links", ()):
            parts = _PLACEHOLDER.split(link["href"])
            yield Link(
                resource=resource,
                method=link["method"],
                path=re.compile("[^/]+".join(re.escape(part) for part in parts)),
                literals=sum(map(len, parts)),
                validator=Draft4Validator(
                    {"definitions": definitions, "allOf": [link.get("targetSchema", {})]}, format_checker=formats
                ),
            )


def _strict(node: Any) -> Any:
    """The same schema in the words of Draft 4: `strictProperties` asks for all properties and allows no other.

    The `id`s of the definitions go: they would move the base of each "#/definitions/..." away from this document.
    """
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _strict(value) for key, value in node.items() if not (key == "id" and isinstance(value, str))}
    if plain.pop("strictProperties", False) and "properties" in plain:
        plain["required"] = sorted(plain["properties"])
        plain["additionalProperties"] = False
    return plain


def _names(resource: str, error: ValidationError) -> Iterator[str]:
    """What a difference is called in deviations.toml: `app.git_url pattern`, `app.create_status added`."""
    where = ".".join([resource, *(str(step) for step in error.absolute_path if isinstance(step, str))])
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        assert isinstance(error.schema, dict)
        known = set(error.schema.get("properties", ()))
        yield from (f"{where}.{name} added" for name in sorted(set(instance) - known))
    elif error.validator == "required":
        asked: Any = error.validator_value
        yield from (f"{where}.{name} missing" for name in asked if name not in instance)
    else:
        yield f"{where} {error.validator}"


def _told(error: ValidationError) -> str:
    return f"{error.json_path}: {error.message[:300]}"
