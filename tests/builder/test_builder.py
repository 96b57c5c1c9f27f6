"""From a commit to a slug, with the real sandbox, the real uv and a package index on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from pushd.builder.builder import BuildLimits
from pushd.builder.workshop import Workshop
from pushd.errors import BuildFailed, DiskFull
from pushd.kit import procfs
from pushd.kit.disk import Room
from pushd.layout import Layout
from pushd.model.procfile import ProcfileError
from pushd.sandbox.sandbox import Sandbox
from tests.builder.conftest import COMMIT, FIXTURE_APPS, Files, Workplace, check_golden, make_app

REQUIREMENTS = {"requirements.txt": "greeter==1.0\n", "Procfile": "web: greeter\nworker: python work.py\n", "work.py": "1\n"}


@pytest.fixture
def no_more_installs(workplace: Workplace, tmp_path: Path) -> None:
    """From now on every start of the installer fails the build."""
    fake = tmp_path / "uv"
    fake.write_text("#!/bin/sh\necho started the installer; exit 9\n")
    fake.chmod(0o755)
    workplace.tools = replace(workplace.tools, uv=fake)


async def test_a_slug_is_the_tree_at_its_checksum_and_its_environment_holds_what_was_asked_for(workplace: Workplace) -> None:
    built = await workplace.build(Files(files=REQUIREMENTS))

    slug = built.slug
    assert built.buildpacks == ("python",)
    assert slug.process_types == {"web": "greeter", "worker": "python work.py"}
    assert (slug.commit, slug.commit_description, slug.buildpack_description) == (COMMIT, "Say hello", "Python")
    assert workplace.slugs.stored == [slug]
    folder = workplace.folder(built)
    assert sorted(path.name for path in folder.iterdir()) == [".profile.d", "Procfile", "requirements.txt", "work.py"]
    assert slug.size_bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    environment = workplace.environment(built)
    assert list(environment.glob("lib/*/site-packages/__pycache__/greeter.*.pyc")), "bytecode is compiled"
    assert f"{environment}/bin/python" in (environment / "bin" / "greeter").read_text(), "it stays where it was made"
    workplace.check_clean()
    check_golden("first.txt", workplace.said)


async def test_code_only_change_starts_no_installer(workplace: Workplace, request: pytest.FixtureRequest) -> None:
    first = await workplace.build(Files(files=REQUIREMENTS))
    request.getfixturevalue("no_more_installs")
    workplace.builder = workplace.new_builder()

    second = await workplace.build(Files(files=REQUIREMENTS | {"work.py": "2\n"}))

    assert second.slug.environment == first.slug.environment
    assert second.slug.checksum != first.slug.checksum
    check_golden("code_only.txt", workplace.said)


async def test_the_same_tree_gives_the_same_slug_folder(workplace: Workplace) -> None:
    first = await workplace.build(Files(files=REQUIREMENTS))
    inode = workplace.folder(first).stat().st_ino

    second = await workplace.build(Files(files=REQUIREMENTS, commit="f" * 40))

    assert second.slug.checksum == first.slug.checksum
    assert second.slug.id != first.slug.id
    assert workplace.folder(second).stat().st_ino == inode
    workplace.check_clean()


@pytest.mark.parametrize(
    "change",
    [
        {"requirements.txt": "greeter==2.0\n"},
        {"requirements.txt": "-r base.txt\n", "base.txt": "greeter==1.0\n"},
        {"requirements.txt": "greeter\n-c pins.txt\n", "pins.txt": "greeter==1.0\n"},
        {"pyproject.toml": "[tool.uv]\n"},
    ],
)
async def test_changed_inputs_make_another_environment(workplace: Workplace, change: dict[str, str]) -> None:
    first = await workplace.build(Files(files=REQUIREMENTS))

    second = await workplace.build(Files(files=REQUIREMENTS | change))

    assert second.slug.environment != first.slug.environment
    assert workplace.environment(first).is_dir(), "the running release goes on with its own"


async def test_a_file_that_a_constraint_reaches_counts_too(workplace: Workplace) -> None:
    files = REQUIREMENTS | {"requirements.txt": "-r deep/a.txt\n", "deep/a.txt": "-c b.txt\ngreeter\n"}
    first = await workplace.build(Files(files=files | {"deep/b.txt": "greeter==1.0\n"}))

    second = await workplace.build(Files(files=files | {"deep/b.txt": "greeter==2.0\n"}))

    assert second.slug.environment != first.slug.environment
    assert "greeter==2.0" in workplace.said


async def test_index_settings_count_too(workplace: Workplace, package_index: str) -> None:
    first = await workplace.build(Files(files=REQUIREMENTS))

    second = await workplace.build(Files(files=REQUIREMENTS), config={"PIP_EXTRA_INDEX_URL": package_index + "/"})

    assert second.slug.environment != first.slug.environment


async def test_no_cache_makes_everything_anew_and_leaves_what_runs(workplace: Workplace) -> None:
    first = await workplace.build(Files(files=REQUIREMENTS))

    second = await workplace.build(Files(files=REQUIREMENTS), no_cache=True)
    third = await workplace.build(Files(files=REQUIREMENTS))

    assert second.slug.environment != first.slug.environment
    assert third.slug.environment == second.slug.environment
    assert (workplace.environment(first) / ".complete").exists()


async def test_two_apps_share_no_environment(workplace: Workplace) -> None:
    one = await workplace.build(Files(files=REQUIREMENTS))
    two = await workplace.build(Files(files=REQUIREMENTS), app=make_app(2))

    library = "lib/*/site-packages/greeter.py"
    (file_one,) = workplace.environment(one).glob(library)
    (file_two,) = workplace.environment(two).glob(library)
    assert file_one.stat().st_ino != file_two.stat().st_ino


async def test_an_environment_without_its_mark_is_made_anew(workplace: Workplace) -> None:
    first = await workplace.build(Files(files=REQUIREMENTS))
    environment = workplace.environment(first)
    (environment / ".complete").unlink()  # as if killed just before the end
    (environment / "bin" / "greeter").unlink()

    again = await workplace.build(Files(files=REQUIREMENTS))

    made = workplace.environment(again)
    assert (made / "bin" / "greeter").exists()
    if workplace.sandbox.way.own_users:  # a slug needs it: it stays as it is, and nobody's to make anew
        assert (made.name, environment.stat().st_uid) == (f"{environment.name}x", 0)
        assert not (environment / "bin" / "greeter").exists()
        await workplace.build(Files(files=REQUIREMENTS | {"more": "1"}))
        assert "Reusing the installed dependencies" in workplace.said


TAKE_OVER = """#!/bin/sh
cd "${VIRTUAL_ENV%/*}" || exit
for each in *; do
    [ "$each" = "${VIRTUAL_ENV##*/}" ] && continue
    [ -e "$each/.complete" ] || echo "finds $each without its mark"
    mv "$each" "$each.taken" 2>/dev/null && echo "has $each"
done
true
"""


async def test_no_build_gets_an_environment_back_by_what_an_earlier_one_left_in_it(workplace: Workplace) -> None:
    """Its mark is a link into what stays the build's; without the mark it was the build's again, and so its place was."""
    if not workplace.sandbox.way.own_users:
        pytest.skip("apps have no users of their own here")
    hooks = [
        "#!/bin/sh\ncd $VIRTUAL_ENV && touch lib/mark && rm .complete && ln -s lib/mark .complete\n",
        "#!/bin/sh\nrm -v ${VIRTUAL_ENV%/*}/*/lib/mark\n",
        TAKE_OVER,
    ]
    needed = []
    for number, hook in enumerate(hooks):
        requirements = REQUIREMENTS["requirements.txt"] + "# changed\n" * (number == 2)
        files = REQUIREMENTS | {"requirements.txt": requirements, "bin/post_compile": hook}
        built = await workplace.build(Files(files=files, executable=["bin/post_compile"]))
        needed.append(workplace.environment(built))

    assert f"finds {needed[0].name} without its mark" in workplace.said
    assert "has " not in workplace.said
    assert {environment.lstat().st_uid for environment in needed} == {0}
    assert all(environment.is_dir() and not environment.is_symlink() for environment in needed)


def test_config_vars_lie_open_to_the_build_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    layout.make()
    workshop = Workshop(layout, make_app().id)
    workshop.open()
    workshop.furnish([], {"SECRET_KEY": "top secret"})
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (workshop.top, workshop.env_dir / "SECRET_KEY")]
    assert modes == [0o700, 0o600]


async def test_what_a_killed_build_left_is_cleared_away(workplace: Workplace) -> None:
    left = workplace.layout.slugs / ".builds" / str(workplace.app.id) / "app"
    left.mkdir(parents=True)
    (left / "stale.py").write_text("1")

    built = await workplace.build(Files(files=REQUIREMENTS))

    assert not (workplace.folder(built) / "stale.py").exists()
    workplace.check_clean()


async def test_links_exec_bits_and_odd_names_come_through(workplace: Workplace) -> None:
    odd = "späße\n" + "x" * 200
    source = Files(
        files=REQUIREMENTS | {"run.sh": "#!/bin/sh\n", odd: "1", "deep/a/b": "2"},
        links={"link": "work.py", "dangling": "nowhere", "outside": "/etc/passwd", "folder": "deep"},
        executable=["run.sh"],
    )

    folder = workplace.folder(await workplace.build(source))

    assert (folder / odd).read_text() == "1"
    assert os.access(folder / "run.sh", os.X_OK)
    assert not os.access(folder / "work.py", os.X_OK)
    assert {name: os.readlink(folder / name) for name in source.links} == source.links


async def test_slugignore_applies_before_the_build(workplace: Workplace) -> None:
    ignored = {
        ".slugignore": "# notes\n*.psd\n/docs\n\nbuild/\n",
        "a.psd": "",
        "deep/b.psd": "",
        "docs/x": "",
        "deep/docs/y": "",
    }

    folder = workplace.folder(await workplace.build(Files(files=REQUIREMENTS | ignored | {"build/z": ""})))

    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if ".profile.d" not in str(path)}
    assert names == {".slugignore", "deep", "deep/docs", "deep/docs/y", *REQUIREMENTS}


async def test_hooks_run_with_config_vars_that_the_installer_does_not_see(workplace: Workplace) -> None:
    built = await workplace.build(
        Files("python_hooks"), config={"GREETING": "hi", "PATH": "/nowhere", "PUSHD_UV": "/bin/false"}
    )

    assert {"made-before", "made-after"} <= {path.name for path in workplace.folder(built).iterdir()}
    check_golden("python_hooks.txt", workplace.said)


async def test_a_config_var_is_no_variable_of_the_build_but_a_file(workplace: Workplace, tmp_path: Path) -> None:
    workplace.buildpacks = _pack(tmp_path, compile='echo "seen: ${COLOUR-nothing}"; printf "file: %s\\n" "$(cat "$3/COLOUR")"')
    workplace.builder = workplace.new_builder()

    await workplace.build(Files(files={"Procfile": "web: x"}), config={"COLOUR": "red"})

    assert "seen: nothing\nfile: red\n" in workplace.said


async def test_a_build_sees_the_documented_variables_and_nothing_of_the_daemon(workplace: Workplace, tmp_path: Path) -> None:
    workplace.buildpacks = _pack(
        tmp_path, compile='env; cd "$1"; pwd; ls -a "$2" "$3"; touch /tmp/mark; ls "$PUSHD_RESULT/../tmp"'
    )
    workplace.passthrough["SSL_CERT_FILE"] = "/etc/ssl/certs/ca-certificates.crt"
    workplace.builder = workplace.new_builder()

    await workplace.build(Files(files={"Procfile": "web: x"}))

    lines = workplace.said.splitlines()
    assert {"STACK=heroku-24", f"SOURCE_VERSION={COMMIT}", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"} <= set(lines)
    names = {line.partition("=")[0] for line in lines if line[:1].isupper() and "=" in line}
    assert not {name for name in names if name.startswith(("PYTEST", "GIT_"))}
    if workplace.sandbox.protections[0].on:
        assert "HOME=/app" in lines
        assert "mark" in lines, "/tmp is a folder of this build, on the disk"
        assert "/app" in lines


async def test_secrets_do_not_reach_the_output(workplace: Workplace, tmp_path: Path) -> None:
    workplace.buildpacks = _pack(
        tmp_path, compile='cat "$3/TOKEN"; echo; echo " !     cannot use $(cat "$3/TOKEN")"; echo "at $INDEX_URL"; exit 1'
    )
    workplace.passthrough["INDEX_URL"] = "https://me:s3cr3t@index.example/simple"
    workplace.builder = workplace.new_builder()

    error = await workplace.refused(Files(files={"Procfile": "web: x"}), config={"TOKEN": "abcdefgh12345"})

    assert "abcdefgh12345" not in workplace.said + error.text
    assert "s3cr3t" not in workplace.said
    assert error.message == "cannot use [TOKEN]"
    assert "at https://****@index.example/simple" in workplace.said


DJANGO = {
    "requirements.txt": "django==1.0\n",
    "Procfile": "web: x\n",
    "site/manage.py": "import os, sys\nprint(*sys.argv[1:], os.environ['STATIC'])\nsys.exit(os.environ['STATIC'] == 'bad')\n",
    "site/shop/settings.py": "INSTALLED_APPS = ['django.contrib.staticfiles']\n",
}


async def test_static_files_of_django_are_collected(workplace: Workplace) -> None:
    await workplace.build(Files(files=DJANGO), config={"STATIC": "good"})

    heading = "-----> python site/manage.py collectstatic --noinput\n"
    assert f"{heading}       collectstatic --noinput good\n" in workplace.said


async def test_static_files_that_cannot_be_collected_fail_the_build_unless_switched_off(workplace: Workplace) -> None:
    error = await workplace.refused(Files(files=DJANGO), config={"STATIC": "bad"})
    await workplace.build(Files(files=DJANGO), config={"STATIC": "bad", "DISABLE_COLLECTSTATIC": "1"})

    assert error.message == "Django's collectstatic failed; its own message is above"


async def test_without_a_sandbox_the_app_builds_too(workplace: Workplace) -> None:
    workplace.sandbox = await Sandbox.probe(workplace.layout.slugs, "off")
    workplace.builder = workplace.new_builder()

    built = await workplace.build(Files("python_hooks"), config={"GREETING": "hi"})

    assert "       after: hello 1.0, hi\n" in workplace.said
    assert (workplace.folder(built) / "made-after").exists()
    workplace.check_clean()


async def test_larger_sources_are_compiled_into_the_slug(workplace: Workplace) -> None:
    built = await workplace.build(Files(files=REQUIREMENTS | {"large.py": "value = 'x'\n" * 20_000}))

    (bytecode,) = workplace.folder(built).glob("__pycache__/large.*.pyc")
    assert bytecode.read_bytes()[4:8] == b"\3\0\0\0", "checked by hash, as PEP 552 numbers it"


async def test_a_full_disk_is_told(workplace: Workplace) -> None:
    class Full(Files):
        async def checkout(self, folder: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    error = await workplace.refused(Full())

    assert isinstance(error, DiskFull)
    assert error.remedy


async def test_sweep_clears_what_killed_builds_left(workplace: Workplace) -> None:
    left = workplace.layout.slugs / ".builds" / str(make_app(3).id) / "app"
    left.mkdir(parents=True)

    await workplace.builder.sweep()

    workplace.check_clean()


async def test_uv_lock(workplace: Workplace) -> None:
    built = await workplace.build(Files("python_uv_lock"))

    assert list(workplace.environment(built).glob("lib/*/site-packages/greeter.py"))
    check_golden("python_uv_lock.txt", workplace.said)


async def test_editable_requirements_hold_at_run_time_also_when_nothing_is_installed(
    workplace: Workplace, request: pytest.FixtureRequest
) -> None:
    first = await workplace.build(Files("python_editable"))
    request.getfixturevalue("no_more_installs")
    workplace.builder = workplace.new_builder()

    again = await workplace.build(Files("python_editable"))

    assert again.slug.environment == first.slug.environment
    assert (workplace.folder(again) / "made_by_build.py").exists(), "what the installation wrote into the app is there again"
    (link,) = workplace.environment(first).glob("lib/*/site-packages/greeter.pth")
    if workplace.sandbox.protections[0].on:
        assert link.read_text() == "/app\n"


async def test_changed_content_of_an_editable_package_is_installed_again(workplace: Workplace) -> None:
    first = await workplace.build(Files("python_editable"))

    second = await workplace.build(Files("python_editable", files={"greeter.py": 'GREETING = "hi"\n'}))

    assert second.slug.environment != first.slug.environment


async def test_requirements_beside_other_lock_files_are_used_and_that_is_said(workplace: Workplace) -> None:
    await workplace.build(Files(files=REQUIREMENTS | {"poetry.lock": "", "pyproject.toml": "", "uv.lock": ""}))

    assert "       requirements.txt is used; uv.lock and poetry.lock beside it are not.\n" in workplace.said


async def test_a_committed_virtualenv_is_warned_of(workplace: Workplace) -> None:
    await workplace.build(Files(files=REQUIREMENTS | {"venv/pyvenv.cfg": "home = /elsewhere\n"}))

    assert " !     Warning: the folder venv/ is a virtual environment that was committed to git.\n" in workplace.said


async def test_the_profile_puts_the_environment_first(workplace: Workplace) -> None:
    built = await workplace.build(Files(files=REQUIREMENTS))

    profile = (workplace.folder(built) / ".profile.d" / "python.sh").read_text()

    assert f"export PATH='{workplace.environment(built)}/bin':\"$PATH\"\n" in profile


async def test_what_a_hook_leaves_running_neither_holds_up_the_build_nor_outlives_it(workplace: Workplace) -> None:
    mark = f"{os.getpid()}.5"  # another run of this test on the machine has sleepers of its own
    hook = f"#!/bin/sh\necho first\nsleep 3271{mark} &\n(setsid sleep 3272{mark} &)\nprintf last\n"
    source = Files(files=REQUIREMENTS | {"bin/post_compile": hook})

    await workplace.build(source)

    assert "       first\n       last\n" in workplace.said
    assert not [name for name in map(_command_line, procfs.pids()) if name.startswith(b"sleep") and mark.encode() in name]


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


BAD_APPS = {
    "python_no_procfile": (BuildFailed, "There is no Procfile", "web: gunicorn shop:application"),
    "python_bad_requirement": (BuildFailed, "Cannot install the dependencies in requirements.txt", ""),
    "python_missing_version": (BuildFailed, "Python 3.99.1 is not installed", ""),
    "python_misspelt": (BuildFailed, "There is no requirements.txt, but a file called Requirements.txt", ""),
    "python_bad_procfile": (ProcfileError, "Procfile line 2 cannot be read", "web: gunicorn hello:app"),
}


@pytest.mark.parametrize("name", BAD_APPS)
async def test_bad_apps_are_refused_with_what_to_do(workplace: Workplace, name: str) -> None:
    kind, message, remedy = BAD_APPS[name]

    error = await workplace.refused(Files(name))

    assert isinstance(error, kind)
    assert message in error.message
    assert remedy in error.remedy
    assert "\n" not in error.message
    check_golden(f"{name}.txt", f"{workplace.said}--- {error.text}\n")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"runtime.txt": "3.11\n"}, "runtime.txt says '3.11', which names no Python version"),
        ({".python-version": "3.11\n3.12\n"}, ".python-version says '3.11, 3.12', which is not one Python version"),
        ({".python-version": "myenv\n"}, ".python-version says 'myenv', which is not one Python version"),
        ({".python-version": "\n"}, ".python-version says nothing, which is not one Python version"),
        ({"requirements.txt": None, "Pipfile.lock": "{}"}, "no uv.lock; Pipfile.lock alone cannot be installed yet"),
        ({"requirements.txt": None, "poetry.lock": ""}, "no uv.lock; poetry.lock alone cannot be installed yet"),
        ({"requirements.txt": None, "setup.py": ""}, "no uv.lock; setup.py alone cannot be installed yet"),
        ({"requirements.txt": None, "uv.lock": ""}, "There is a uv.lock but no pyproject.toml"),
        ({"requirements.txt": None, "requirements/prod.txt": ""}, "no requirements.txt at the root of the repository"),
        ({"requirements.txt": "greeter\n".encode("utf-16")}, "requirements.txt is saved as UTF-16"),
        ({"requirements.txt": "-r missing.txt\n"}, "Cannot install the dependencies in requirements.txt"),
        ({"requirements.txt": "greeter==1.0\ngreeter==2.0\n"}, "Cannot install the dependencies in requirements.txt"),
        ({"requirements.txt": "nothing-like-this\n"}, "Cannot install the dependencies in requirements.txt"),
        ({"requirements.txt": "what is this\n"}, "Cannot install the dependencies in requirements.txt"),
        ({"bin/pre_compile": "#!/bin/sh\necho bad luck; exit 3\n"}, "bin/pre_compile ended with exit code 3"),
        ({"bin/post_compile": "#!/no/such/program\n"}, "bin/post_compile cannot be started"),
        ({"Procfile": "\n"}, "The Procfile names no process type"),
        ({"Procfile": None, "procfile": "web: x\n"}, "There is no Procfile, but a file called procfile"),
        ({"requirements.txt": None, "work.py": None}, "no buildpack fits this app"),
    ],
)
async def test_bad_files_are_refused_with_what_to_do(
    workplace: Workplace, files: dict[str, str | bytes | None], message: str
) -> None:
    before = {name: text for name, text in REQUIREMENTS.items() if not (name in files and files[name] is None)}
    added = {name: content for name, content in files.items() if content is not None}

    error = await workplace.refused(Files(files={**before, **added}))

    assert message in error.message
    assert error.remedy or " !     " in workplace.said
    assert "Traceback" not in workplace.said


async def test_what_uv_says_is_shown_before_what_we_say(workplace: Workplace) -> None:
    await workplace.refused(Files("python_bad_requirement"))

    said, ours = workplace.said.split(" !     Cannot install the dependencies in requirements.txt; uv says why above.\n")
    assert "greeter==9.9" in said
    assert ours == " !     That version was never published, or not for this Python: change it in requirements.txt.\n\n"


async def test_uv_lock_that_does_not_fit_is_refused(workplace: Workplace) -> None:
    project = (FIXTURE_APPS / "python_uv_lock" / "pyproject.toml").read_text()

    await workplace.refused(Files("python_uv_lock", files={"pyproject.toml": project.replace('["greeter"]', "[]")}))

    assert "run `uv lock` and commit uv.lock" in workplace.said


async def test_a_build_ends_at_its_deadline_with_all_that_it_started(workplace: Workplace, tmp_path: Path) -> None:
    workplace.buildpacks = _pack(tmp_path, compile="sleep 1000 & setsid sleep 1001 & echo waiting; sleep 1002")
    workplace.limits = BuildLimits(source_seconds=60, compile_seconds=0.5)
    workplace.builder = workplace.new_builder()

    error = await workplace.refused(Files(files={"Procfile": "web: x"}))

    assert error.message == "the buildpacks did not end within 0.5 seconds and were stopped"
    assert "waiting" in workplace.said


async def test_a_checkout_has_a_deadline_of_its_own(workplace: Workplace) -> None:
    workplace.limits = BuildLimits(source_seconds=0.1, compile_seconds=60)
    workplace.builder = workplace.new_builder()

    @dataclass
    class Slow(Files):
        async def checkout(self, folder: Path) -> None:
            await asyncio.Event().wait()

    error = await workplace.refused(Slow())

    assert error.message == "the checkout of the source did not end within 0.1 seconds and was stopped"
    assert "source_timeout_seconds" in error.remedy


async def test_the_reading_of_what_was_built_has_a_deadline_too(workplace: Workplace) -> None:
    """Whoever builds says how large their slug may be, and a file of a terabyte takes no room if it is all holes."""
    workplace.limits = BuildLimits(source_seconds=5, compile_seconds=60)
    workplace.builder = workplace.new_builder()
    files = REQUIREMENTS | {"bin/post_compile": "#!/bin/sh\ntruncate -s 900G holes\n"}

    error = await workplace.refused(Files(files=files, executable=["bin/post_compile"]), limits={"slug": "1000000M"})

    assert error.message == "the reading of the slug did not end within 5 seconds and was stopped"
    workplace.check_clean()


async def test_a_build_that_forks_without_end_is_ended_and_told(workplace: Workplace, tmp_path: Path) -> None:
    workplace.buildpacks = _pack(tmp_path, compile="echo bang; for n in $(seq 1000); do sleep 1000 & done; wait")
    workplace.builder = workplace.new_builder()

    error = await workplace.refused(Files(files={"Procfile": "web: x"}), limits={"processes": "100"})

    assert error.message == "the build ran more than 100 processes and threads, and was ended"
    assert "bang" in workplace.said


async def test_a_build_that_fills_memory_is_ended_and_told(workplace: Workplace, tmp_path: Path) -> None:
    fill = "python3 -c 'import time; held = bytearray(b\"x\") * (60 << 20); time.sleep(1000)'"
    workplace.buildpacks = _pack(tmp_path, compile=f"{fill} & {fill} & {fill} & wait")  # none of them is over its own limit
    workplace.builder = workplace.new_builder()

    error = await workplace.refused(Files(files={"Procfile": "web: x"}), limits={"memory": "128M"})

    assert error.message == "the build took more than 128 MB of memory, and was ended"
    assert "resources:set build memory=" in error.remedy


async def test_a_build_that_fills_the_disk_is_stopped_with_all_that_it_started(workplace: Workplace, tmp_path: Path) -> None:
    """How much is free is what this test says: the disk of the machine is not filled for it."""

    def look(folder: Path) -> Room:
        has_written = any(folder.glob("slugs/.builds/*/app/large"))
        return Room(free_bytes=1_000_000 if has_written else 1 << 40, size_bytes=1 << 40, free_files=None)

    half_made = workplace.layout.environment(workplace.app.id, "f" * 32)
    compile = f"mkdir {half_made}; echo fills the disk; echo x >$1/large; setsid sleep 1001 & sleep 1000"
    workplace.buildpacks = _pack(tmp_path, compile=compile)
    workplace.look, workplace.reserve_bytes = look, 50_000_000
    workplace.builder = workplace.new_builder()

    error = await workplace.refused(Files(files={"Procfile": "web: x"}))

    assert isinstance(error, DiskFull)
    assert "The build was stopped: the disk of the server is nearly full (1 MB are free, 50 MB are needed)." in error.message
    assert "fills the disk" in workplace.said
    assert not half_made.exists()
    workplace.buildpacks = _pack(tmp_path / "again", compile="true")
    workplace.builder = workplace.new_builder()
    assert (await workplace.build(Files(files={"Procfile": "web: x"}))).slug in workplace.slugs.stored


async def test_a_build_without_room_does_not_begin(workplace: Workplace) -> None:
    workplace.reserve_bytes = 1 << 60
    workplace.builder = workplace.new_builder()

    assert isinstance(await workplace.refused(Files(files=REQUIREMENTS)), DiskFull)
    assert workplace.said == ""


async def test_a_failed_build_keeps_finished_environments_and_no_others(workplace: Workplace) -> None:
    environments = workplace.layout.environments(workplace.app.id)
    used = await workplace.build(Files(files=REQUIREMENTS))
    for name in ("whole", "half", "used"):
        (environments / name).mkdir()
    (environments / "whole" / ".complete").touch()
    workplace.slugs.stored.append(replace(used.slug, id=uuid4(), environment="used"))

    await workplace.refused(Files(files=REQUIREMENTS | {"requirements.txt": "greeter==9.9\n"}))

    assert {path.name for path in environments.glob("[!.]*")} == {"whole", "used", used.slug.environment}


async def test_caches_over_their_limit_are_emptied_and_environments_stay(workplace: Workplace) -> None:
    built = await workplace.build(Files(files=REQUIREMENTS))
    caches = [workplace.layout.cache(workplace.app.id), workplace.layout.environments(workplace.app.id) / ".cache"]
    (caches[0] / "large").write_bytes(bytes(3_000_000))
    files = {path for path in workplace.environment(built).rglob("*") if path.is_file()}
    workplace.caches_kept_bytes = 50_000_000
    await workplace.new_builder().prune(workplace.app, keep_environments={built.slug.environment})
    assert all(any(each.iterdir()) for each in caches)

    workplace.caches_kept_bytes = 2_000_000
    await workplace.new_builder().prune(workplace.app, keep_environments={built.slug.environment})

    assert not any(each.exists() for each in caches)
    assert {path for path in workplace.environment(built).rglob("*") if path.is_file()} == files
    again = await workplace.build(Files(files=REQUIREMENTS | {"requirements.txt": "greeter==2.0\n"}))
    assert workplace.environment(again).is_dir()


async def test_a_slug_that_is_damaged_on_the_shelf_is_replaced_by_the_next_build(workplace: Workplace) -> None:
    built = await workplace.build(Files(files=REQUIREMENTS))
    (workplace.folder(built) / "work.py").write_text("")

    again = await workplace.build(Files(files=REQUIREMENTS))

    assert again.slug.checksum == built.slug.checksum
    assert (workplace.folder(again) / "work.py").read_text() == "1\n"
    workplace.check_clean()


async def test_a_cancelled_build_leaves_nothing(workplace: Workplace, tmp_path: Path) -> None:
    started = asyncio.Event()
    async with await asyncio.start_server(lambda _, writer: (started.set(), writer.close()), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        workplace.buildpacks = _pack(tmp_path, compile=f"exec 3<>/dev/tcp/127.0.0.1/{port}; sleep 1000")
        workplace.builder = workplace.new_builder()
        build = asyncio.ensure_future(workplace.build(Files(files={"Procfile": "web: x"})))
        await started.wait()
        build.cancel()
        with pytest.raises(asyncio.CancelledError):
            await build

    workplace.check_clean()


async def test_a_slug_over_its_limit_is_refused(workplace: Workplace) -> None:
    error = await workplace.refused(Files(files=REQUIREMENTS | {"big": b"x" * 1_200_000}), limits={"slug": "1M"})

    assert "the slug takes 1.1 MB, more than the 1.0 MB that it may take" in error.message


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        ("truncate -s 1T holes", "the slug takes 1.0 TB, more than the 1.0 GB that it may take"),
        ("for _ in $(seq 300); do mkdir d && cd d; done", "folders that are nested more than 200 deep"),
    ],
    ids=["holes", "depth"],
)
async def test_a_tree_that_nobody_could_read_is_refused_unread(workplace: Workplace, hook: str, told: str) -> None:
    files = REQUIREMENTS | {"bin/post_compile": f"#!/bin/sh\n{hook}\n"}
    error = await workplace.refused(Files(files=files, executable=["bin/post_compile"]))

    assert told in error.message
    assert error.remedy
    workplace.check_clean()


async def test_a_procfile_link_to_the_daemons_files_is_no_procfile(workplace: Workplace) -> None:
    (workplace.layout.data / "secret.key").write_text("web: top secret")

    error = await workplace.refused(
        Files(files={"requirements.txt": ""}, links={"Procfile": str(workplace.layout.data / "secret.key")})
    )

    assert "secret" not in error.text


async def test_prune_keeps_what_is_named_and_what_was_built_last(workplace: Workplace) -> None:
    built = [await workplace.build(Files(files=REQUIREMENTS | {"work.py": str(number)})) for number in range(4)]
    other = await workplace.build(Files(files=REQUIREMENTS), app=make_app(2))
    orphan = workplace.layout.slug("0" * 64)
    orphan.mkdir()
    half_built = workplace.layout.environment(workplace.app.id, "f" * 32)
    half_built.mkdir()

    await workplace.builder.prune(workplace.app, keep_checksums={built[1].slug.checksum}, keep_environments=())

    assert workplace.slugs.stored == [built[1].slug, built[3].slug, other.slug]
    assert not orphan.exists()
    assert not half_built.exists()
    assert workplace.environment(built[1]).is_dir()
    workplace.check_clean()


async def test_destroy_leaves_nothing_of_an_app(workplace: Workplace) -> None:
    await workplace.build(Files(files=REQUIREMENTS))
    other = await workplace.build(Files(files=REQUIREMENTS), app=make_app(2))
    workplace.slugs.stored.remove(workplace.slugs.stored[0])

    await workplace.builder.destroy(workplace.app.id)

    assert not workplace.layout.environments(workplace.app.id).exists()
    assert not workplace.layout.cache(workplace.app.id).exists()
    assert workplace.folder(other).is_dir()
    workplace.check_clean()


async def test_several_buildpacks_run_in_order_and_hand_on_what_they_export(workplace: Workplace, tmp_path: Path) -> None:
    _pack(tmp_path, "one", compile='echo "export COLOUR=red" >"${0%/*}/../export"')
    workplace.buildpacks = _pack(
        tmp_path, "two", compile='echo "colour $COLOUR"', release="echo 'default_process_types: {web: ./two}'"
    )
    workplace.builder = workplace.new_builder()

    built = await workplace.build(Files(files={"file": ""}), buildpacks=["one", "two"])

    assert built.buildpacks == ("one", "two")
    assert built.slug.process_types == {"web": "./two"}
    assert "colour red\n" in workplace.said
    assert "       Default types -> web\n" in workplace.said


async def test_a_buildpack_that_we_do_not_have_is_refused(workplace: Workplace) -> None:
    error = await workplace.refused(Files(files=REQUIREMENTS), buildpacks=["urn:buildpack:heroku/fortran"])

    assert error.message == "cannot use the buildpack heroku/fortran: this server does not have it"
    assert error.remedy == "Installed: heroku/python."


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("file:///etc/pack", "file:// is not fetched, only https:// and http://"),
        ("ssh://git@example.com/pack", "ssh:// is not fetched, only https:// and http://"),
        ("https://example.com/pack#--upload-pack=touch", "what follows the # is no branch"),
        ("https:///pack", "it names no host"),
        ("http://127.0.0.1:1/pack.git", "127.0.0.1 is no public address"),
        ("http://user:secret@127.0.0.1:1/pack.tgz", "127.0.0.1 is no public address"),
    ],
)
async def test_a_buildpack_that_is_not_fetched_is_refused(workplace: Workplace, url: str, told: str) -> None:
    error = await workplace.refused(Files(files=REQUIREMENTS), buildpacks=[url])

    assert told in error.message
    assert "secret" not in error.text + workplace.said


@pytest.mark.parametrize(
    ("release", "fault"),
    [
        ("echo 'default_process_types: [web'", "it is not YAML"),
        ("head -c 50000 /dev/zero | tr '\\0' '['", "it is not YAML"),
        ("head -c 100000 /dev/zero | tr '\\0' '['", "it is longer than 65536 characters"),
        ("echo 'default_process_types: {web: !!bool maybe}'", "default_process_types must map names to commands"),
        ("echo 'default_process_types: {<<: {web: x}}'", "default_process_types must map names to commands"),
        ("echo 'default_process_types: {../../../evil: x}'", "default_process_types cannot be written as a Procfile"),
        (r"""echo 'default_process_types: {"\e]0;title\a": x}'""", "default_process_types cannot be written as a Procfile"),
        (r"""echo 'default_process_types: {web: "x\0y"}'""", "default_process_types cannot be written as a Procfile"),
    ],
    ids=["no YAML", "deep", "long", "a tag", "a merge", "a way out", "a title", "a NUL"],
)
async def test_a_buildpack_whose_release_cannot_be_read_is_refused(
    workplace: Workplace, tmp_path: Path, release: str, fault: str
) -> None:
    workplace.buildpacks = _pack(tmp_path, compile=":", release=release)
    workplace.builder = workplace.new_builder()

    error = await workplace.refused(Files(files={"file": ""}))

    assert error.message == f"bin/release of the pack buildpack cannot be read: {fault}"


@pytest.mark.parametrize(
    "release",
    [
        r"printf -- 'addons:\n- x\nconfig_vars:\n  WORKERS: 2\ndefault_process_types:\n  web: >\n    ./run\n    $PORT\n'",
        r"printf -- '---\nline: &1 ./run $PORT\ndefault_process_types:\n  web: *1\n'",
        """echo '{"addons": [], "config_vars": [], "default_process_types": {"web": "./run $PORT"}}'""",
    ],
    ids=["folded", "an alias", "JSON"],
)
async def test_what_buildpacks_say_of_process_types_is_taken(workplace: Workplace, tmp_path: Path, release: str) -> None:
    workplace.buildpacks = _pack(tmp_path, compile=":", release=release)
    workplace.builder = workplace.new_builder()

    assert (await workplace.build(Files(files={"file": ""}))).slug.process_types == {"web": "./run $PORT"}


@pytest.mark.parametrize(
    ("detect", "shown"), [(r"printf ' PHP\t8.3 \nwith composer\n'", "PHP 8.3"), ("echo ' '", "pack")], ids=["PHP", "blank"]
)
async def test_what_a_buildpack_calls_the_app_is_one_line(
    workplace: Workplace, tmp_path: Path, detect: str, shown: str
) -> None:
    workplace.buildpacks = _pack(tmp_path, compile=":", release="echo 'default_process_types: []'", detect=detect)
    workplace.builder = workplace.new_builder()

    await workplace.build(Files(files={"Procfile": "web: x\n"}))

    assert f"-----> {shown} app detected\n" in workplace.said


@pytest.mark.parametrize("overwrite", ["rm *", "echo pack >detected", ">detected", r"printf 'a\tb\tc\n' >detected"])
async def test_a_build_that_overwrites_the_answers_of_its_buildpacks_is_told_so(
    workplace: Workplace, tmp_path: Path, overwrite: str
) -> None:
    workplace.buildpacks = _pack(tmp_path, compile=":", release=f'cd "${{0%/*}}/../../../result" && {overwrite}; true')
    workplace.builder = workplace.new_builder()

    error = await workplace.refused(Files(files={"Procfile": "web: x\n"}))

    assert error.message == "the build has removed or overwritten the answers of its buildpacks"


def _pack(folder: Path, name: str = "pack", *, compile: str, release: str = "echo '--- {}'", detect: str | None = None) -> Path:
    """A buildpack of three shell scripts; gives the folder that holds it."""
    shelf = folder / "packs"
    scripts = {"detect": detect or f"echo {name}", "compile": compile, "release": release}
    (shelf / name / "bin").mkdir(parents=True)
    for step, script in scripts.items():
        path = shelf / name / "bin" / step
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
    return shelf
