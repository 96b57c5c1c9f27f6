"""Every bound of the router once: sizes of heads, and times that are not a setting of the app."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Source: what Heroku's router documents, where it does; the rest keeps memory and patience bounded."""

    request_line_bytes: int = 8192
    header_line_bytes: int = 8192
    headers: int = 1000
    request_head_bytes: int = 262_144
    status_line_bytes: int = 8192
    response_head_bytes: int = 524_288
    cookie_bytes: int = 8192  # one Set-Cookie of a response
    held_bytes: int = 65_536  # of one client, while its request cannot go on: after that we stop reading

    connect_seconds: float = 5.0  # H19
    connect_tries: int = 10  # per request, then H21 or H19
    aside_seconds: float = 5.0  # a target that refused is left alone at most so long
    queue_seconds: float = 75.0  # wait for a target: H20 while the app boots, else H34 or H11
    boot_backlog: int = 1000  # requests of one app that wait for its first target
    head_seconds: float = 30.0  # from a request's first byte to the end of its head
    keepalive_seconds: float = 90.0  # a client's connection between requests
    pool_seconds: float = 60.0  # an idle connection to a target
    fresh_seconds: float = 1.0  # a request that must not be sent twice takes no connection that was idle longer
    linger_seconds: float = 5.0  # after an answer that ends the connection: read on so that the client gets to see it
    tick_seconds: float = 0.5  # how exact the times above are


def limits_from_text(pairs: Sequence[str]) -> Limits:
    """`["queue_seconds=0.2"]` -> Limits. Raises: ValueError naming the pair that does not fit."""
    kinds = {field.name: int if field.type == "int" else float for field in fields(Limits)}
    values: dict[str, float] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            values[name] = kinds[name](value)
        except (KeyError, ValueError):
            raise ValueError(f"{pair!r} is not a limit: write name=number, names are {', '.join(kinds)}") from None
    return Limits(**values)  # type: ignore[arg-type]  # the numbers are what each field's kind made of them
