"""Pushes with the real git over HTTP."""

from __future__ import annotations

from tests.receiver.conftest import Git, Server


async def test_a_push_deploys_and_moves_the_ref(server: Server, git: Git) -> None:
    commit = await git.commit({"app.py": "print(1)\n", "bin/run": "#!/bin/sh\n"}, "First words\n\nand more")
    ran = await git("push", server.url, "master")
    assert ran.code == 0, ran.err
    assert "remote: -----> Building" in ran.err
    assert await server.refs() == {"refs/heads/master": commit}
    (deployed,) = server.deploys.done
    assert (deployed.commit, deployed.description, deployed.branch) == (commit, "First words", "master")
    assert (deployed.folder / "app.py").read_text() == "print(1)\n"
    await server.assert_clean()
