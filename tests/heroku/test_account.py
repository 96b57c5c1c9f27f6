"""Who one is, and the tokens by which the server knows it."""

from __future__ import annotations

from tests.heroku.harness import Heroku


def test_whoami(heroku: Heroku) -> None:
    assert heroku("auth:whoami") == heroku("whoami") == "admin@localhost\n"


def test_a_token_that_the_server_does_not_know(heroku: Heroku) -> None:
    result = heroku.fails("apps", HEROKU_API_KEY="wrong")

    assert "token provided to HEROKU_API_KEY is invalid" in result.stderr


def test_token(heroku: Heroku) -> None:
    assert heroku("auth:token").strip() == heroku.server.token
