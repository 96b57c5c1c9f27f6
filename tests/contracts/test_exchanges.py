"""What the Heroku CLI sends is asked of our API word for word, and the fields that it reads are there."""

from __future__ import annotations

import re
import tomllib
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.api.conftest import TOKEN, Answer, Api, running_api
from tests.pki import issue

EXCHANGES: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "exchanges.toml").read_text())["exchange"]
WORDS = {"what", "ask", "headers", "body", "status", "needs", "never", "keep", "length", "error", "resource", "type", "answer",
         "holds", "send"}  # fmt: skip
TYPES: dict[str, Any] = {
    "string": str, "number": (int, float), "boolean": bool, "object": dict, "array": list, "null": type(None),
}  # fmt: skip


@dataclass
class Replay:
    """Asks one exchange after the other and remembers what later ones refer to."""

    api: Api
    kept: dict[str, Any] = field(default_factory=dict)

    async def ask(self, exchange: dict[str, Any]) -> list[str]:
        """Everything that is wrong with the answer."""
        method, _, path = self._filled(exchange["ask"]).partition(" ")
        headers = {"Accept": "application/vnd.heroku+json; version=3", **self._filled(exchange.get("headers", {}))}
        token = None if headers.get("Authorization") == "" else TOKEN
        headers = {name: value for name, value in headers.items() if (name, value) != ("Authorization", "")}
        body, sent = self._filled(exchange.get("body")), self._filled(exchange.get("send"))
        answer = await self.api.request(method, path, body, data=sent and sent.encode(), headers=headers, token=token)
        if answer.status != exchange.get("status", 200):
            return [f"{answer.status} {answer.text}"]
        kind = answer.headers["Content-Type"].partition(";")[0]
        if kind != exchange.get("type", "application/json"):
            return [f"is {kind}"]
        wrong = [
            f"header {name} is {answer.headers.get(name)}"
            for name, pattern in exchange.get("answer", {}).items()
            if not re.fullmatch(pattern, answer.headers.get(name, ""))
        ]
        return wrong if "type" in exchange else [*wrong, *self._look_at(exchange, answer)]

    def _look_at(self, exchange: dict[str, Any], answer: Answer) -> Iterator[str]:
        value = answer.json
        for wanted in exchange.get("needs", ()):
            where, _, kinds = wanted.rpartition(": ")
            found = list(at(value, where))
            if not found:
                yield f"{where} is not there: {answer.text[:300]}"
            yield from (f"{where} is {each!r}, not {kinds}" for each in found if not is_one_of(each, kinds))
        yield from (f"{name} is there" for name in exchange.get("never", ()) if list(at(value, name)))
        for where, pattern in exchange.get("holds", {}).items():
            yield from (f"{where} is {each!r}" for each in at(value, where) if not re.fullmatch(pattern, each))
        if "length" in exchange and len(value) != exchange["length"]:
            yield f"{len(value)} elements"
        if "error" in exchange and (value["id"], value.get("resource")) != (exchange["error"], exchange.get("resource")):
            yield f"is refused as {value}"
        for name, where in exchange.get("keep", {}).items():
            self.kept[name] = next(at(value, where))

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        if isinstance(value, str):
            if whole := re.fullmatch(r"\{(\w+)\}", value):
                return self.kept[whole[1]]
            return re.sub(r"\{(\w+)\}", lambda found: str(self.kept[found[1]]), value)
        return value


def at(value: Any, where: str) -> Iterator[Any]:
    """Every value at `[].user.email`; nothing where a step is missing, in one element too."""
    if not where:
        yield value
        return
    step, _, rest = where.partition(".")
    if step == "[]":
        below = [list(at(each, rest)) for each in value]
        if all(below):
            yield from (each for found in below for each in found)
    elif isinstance(value, dict) and step in value:
        yield from at(value[step], rest)


def is_one_of(value: Any, kinds: str) -> bool:
    return any(
        isinstance(value, TYPES[kind]) and (kind != "number" or not isinstance(value, bool)) for kind in kinds.split("|")
    )


def known() -> dict[str, Any]:
    """What is there before the first exchange."""
    certificate = issue("www.example.com")
    basic = {
        "token_as_password": f":{TOKEN}",
        "email_and_token": f"admin@localhost:{TOKEN}",
        "email_and_nonsense": "admin@localhost:x",
    }
    return {
        **{name: b64encode(text.encode()).decode() for name, text in basic.items()},
        "token": TOKEN,
        "none": None,
        "chain": certificate.pem,
        "private_key": certificate.key_pem,
        "long_request_id": ",".join(str(uuid4()) for _ in range(190)),  # 7 KiB: where the CLI begins anew
    }


async def test_every_exchange_gets_what_the_cli_reads(tmp_path: Path) -> None:
    wrong = []
    async with running_api(tmp_path) as api:
        await api.deployed("shop")
        replay = Replay(api, known())
        for exchange in EXCHANGES:
            wrong += [f"{exchange['what']} ({exchange['ask']}): {each}" for each in await replay.ask(exchange)]

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=[each["what"] for each in EXCHANGES])
def test_an_exchange_says_what_it_expects(exchange: dict[str, Any]) -> None:
    assert set(exchange) <= WORDS
    assert {"needs", "error", "type", "keep"} & set(exchange) or exchange.get("status", 200) == 200


@pytest.mark.parametrize(
    ("value", "where", "found"),
    [
        ({"a": {"b": None}}, "a.b", [None]),
        ({"a": 1}, "a.b", []),
        ([{"a": 1}, {"a": 2}], "[].a", [1, 2]),
        ([{"a": 1}, {}], "[].a", []),
        ([], "[].a", []),
        ({"a": [{"b": 1}]}, "a.[].b", [1]),
    ],
)
def test_looking_into_an_answer(value: Any, where: str, found: list[Any]) -> None:
    assert list(at(value, where)) == found
