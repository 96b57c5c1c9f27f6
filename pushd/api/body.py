"""Bodies: the one place that answers 400 for what is no JSON, 413 for too much, and 422 for a value of the wrong type.

No other place of the API reads one: what comes slowly outlasts the right to send it, so the door asks again at its end.
"""

from __future__ import annotations

import asyncio
import functools
import json
import types
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from aiohttp import web

from pushd.api.audited import note
from pushd.api.needs import BODY, SITE, STILL, STRANGERS, UPLOADS, USER
from pushd.api.shown import shown_of
from pushd.errors import BadRequest, InvalidParams, TooLarge
from pushd.story.uploads import too_large

B = TypeVar("B")

_WITHIN_SECONDS = 60.0  # for a whole body
_CHUNK_BYTES = 1 << 18
_STRANGERS_BYTES = 16_384  # of who has shown no token: an address and a password

_WORDS: Mapping[Any, str] = {str: "a string", int: "an integer", bool: "true or false", types.NoneType: "null"}


async def parse_body(request: web.Request, shape: type[B]) -> B:
    """The request's JSON object as the dataclass `shape`; keys that it does not have are ignored, as Heroku does.

    Fields may be str, int, bool, None, unions of these, another such dataclass, tuple[T, ...] and Mapping[str, T].
    Raises: BadRequest (no JSON object), TooLarge, InvalidParams naming the field. No text repeats a value.
    """
    values = await read_object(request)
    note(request, shown_of(values, shape))
    body: B = _object(values, shape, "")
    return body


async def read_object(request: web.Request) -> Mapping[str, Any]:
    """The request's JSON object, {} for an empty body; the audit trail learns nothing of it. Raises: BadRequest, TooLarge."""
    text = await read_body(request)
    if not text.strip():
        return {}
    try:
        value = json.loads(text.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.", remedy="Send JSON in UTF-8.") from None
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            remedy='Send an object such as {"name": "value"}.',
        ) from None
    except (ValueError, RecursionError):
        raise BadRequest("The body is not JSON that we read: a number or its nesting is out of bounds.") from None
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.", remedy='Send an object such as {"name": "value"}.')
    return value


def wrong_type(where: str, wanted: str) -> InvalidParams:
    """The 422 for one field."""
    return InvalidParams(f"{where} must be {wanted}.", remedy="Correct the request's body.")


async def take_body(request: web.Request) -> None:
    """For the door: have the whole body in, before the handler asks for it. Raises: TooLarge, BadRequest."""
    request[BODY] = await read_body(request)


async def read_body(request: web.Request) -> bytes:
    """The whole body, never more than the limit in memory.

    Raises: TooLarge, and BadRequest when it does not come or is packed.
    """
    if BODY in request:
        return request[BODY]
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadRequest("Bodies are not unpacked here.", remedy="Send it as it is, without Content-Encoding.")
    limit_bytes, read = request.app[SITE].body_limit_bytes, bytearray()
    remedy = "Send less, or raise the setting body_limit_bytes."
    if USER not in request:
        limit_bytes, remedy = min(limit_bytes, _STRANGERS_BYTES), "Send less."
    if (request.content_length or 0) <= limit_bytes:
        try:
            async with _in_time(request):
                async for chunk in request.content.iter_any():
                    read += chunk
                    if len(read) > limit_bytes:
                        break
                else:
                    return bytes(read)
        except TimeoutError:
            raise BadRequest(f"The body did not come within {_WITHIN_SECONDS:g} seconds.", remedy="Send it again.") from None
    raise TooLarge(f"The body is larger than {limit_bytes} bytes.", remedy=remedy)


@asynccontextmanager
async def _in_time(request: web.Request) -> AsyncIterator[None]:
    """For a whole body. Raises: TimeoutError."""
    with nullcontext() if USER in request else request.app[STRANGERS].waiting(request, 2 * _WITHIN_SECONDS):
        async with asyncio.timeout(_WITHIN_SECONDS):
            yield


def body_of(request: web.Request) -> AsyncIterator[bytes]:
    """A body that goes to the disk as it comes; it has no end unless whoever was let in may still be here by then.

    Raises: TooLarge at once if the client says that it will be; the iterator: what the door raises.
    """
    limit = request.app[UPLOADS].limit_bytes
    if (request.content_length or 0) > limit:
        raise too_large(limit)
    return _stream(request)


async def _stream(request: web.Request) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
        yield chunk
    await request[STILL]()


def _object(values: Mapping[str, Any], shape: Callable[..., Any], where: str) -> Any:
    arguments: dict[str, Any] = {}
    for name, hint, required in _fields_of(shape):
        if name in values:
            arguments[name] = _converted(values[name], hint, f"{where}{name}")
        elif required:
            raise InvalidParams(f"{where}{name} is missing.", remedy="Add it to the request's body.")
    return shape(**arguments)


@functools.cache  # a list may hold ten thousands of one shape
def _fields_of(shape: Callable[..., Any]) -> tuple[tuple[str, Any, bool], ...]:
    assert is_dataclass(shape)
    hints = get_type_hints(shape)
    return tuple(
        (field.name, hints[field.name], field.default is MISSING and field.default_factory is MISSING)
        for field in fields(shape)
    )


def _converted(value: Any, hint: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _one_of(value, get_args(hint), where)
    if origin is tuple:
        if not isinstance(value, list):
            raise wrong_type(where, "a list")
        return tuple(_converted(each, get_args(hint)[0], f"{where}[{index}]") for index, each in enumerate(value))
    if origin is not None:  # Mapping[str, T]
        if not isinstance(value, dict):
            raise wrong_type(where, "an object")
        return {_text(key, where): _converted(each, get_args(hint)[1], f"{where}.{key[:64]}") for key, each in value.items()}
    if isinstance(hint, type) and is_dataclass(hint):
        if not isinstance(value, dict):
            raise wrong_type(where, "an object")
        return _object(value, hint, f"{where}.")
    if hint is bool and _is_binary(value):
        return bool(value)
    if type(value) is not hint:  # a bool is no int here
        raise wrong_type(where, _WORDS[hint])
    return _text(value, where) if hint is str else value


def _text(value: str, where: str) -> str:
    """JSON can name half a character, which no store, file or process can hold. Raises: InvalidParams."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise wrong_type(where, "valid Unicode") from None
    return value


def _one_of(value: Any, hints: tuple[Any, ...], where: str) -> Any:
    """A union: the plain types by their own; otherwise its only structured member tells what is wrong."""
    if type(value) in hints:
        return _text(value, where) if isinstance(value, str) else value
    if bool in hints and _is_binary(value):
        return bool(value)
    structured = [hint for hint in hints if hint not in _WORDS]
    if structured:
        return _converted(value, structured[0], where)
    raise wrong_type(where, " or ".join(_WORDS[hint] for hint in hints))


def _is_binary(value: Any) -> bool:
    """0 and 1 stand for false and true: heroku3, the Python package, sends them."""
    return type(value) is int and value in (0, 1)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
