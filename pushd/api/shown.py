"""What of a request's body may stand in the audit trail: values of fields that are declared so, of all else the names.

Nothing is ever removed from the trail, so a field is hidden until somebody has thought about it. Names that users make up
themselves (of config vars, of process types) say nothing about what stands behind them.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_SHOWN = "its value is no secret"
HIDDEN = "..."

Shown = Annotated[T, _SHOWN]  # the field of a body whose value everybody may read who may read the trail


def shown_of(values: Mapping[str, Any], shape: Callable[..., Any]) -> dict[str, Any]:
    """The part of a JSON object that the dataclass `shape` has; the values need not be of its types yet."""
    return {name: _of_field(values[name], hint) for name, hint in _hints_of(shape) if name in values}


def names_of(values: Iterable[str]) -> dict[str, str]:
    """Of a mapping whose keys are the user's own."""
    return dict.fromkeys(values, HIDDEN)


@functools.cache
def _hints_of(shape: Callable[..., Any]) -> tuple[tuple[str, Any], ...]:
    assert is_dataclass(shape)
    hints = get_type_hints(shape, include_extras=True)
    return tuple((field.name, hints[field.name]) for field in fields(shape))


def _of_field(value: Any, hint: Any) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _plain(value) if _SHOWN in inner else _of_field(value, inner[0])
    if origin in (Union, types.UnionType):
        structured = [each for each in inner if get_origin(each) is not None or is_dataclass(each)]
        return _of_field(value, structured[0]) if structured else HIDDEN
    if origin is tuple and isinstance(value, list):
        return [_of_field(each, inner[0]) for each in value]
    if isinstance(hint, type) and is_dataclass(hint) and isinstance(value, Mapping):
        return shown_of(value, hint)
    if origin is not None and origin is not tuple and isinstance(value, Mapping):
        return names_of(value)
    return HIDDEN


def _plain(value: Any) -> Any:
    """What such a field may be, or a list of it; nothing that has names of its own."""
    if isinstance(value, list):
        return [each if _is_plain(each) else HIDDEN for each in value]
    return value if _is_plain(value) else HIDDEN


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)
