"""All that decides what an environment holds, as one name: equal names, equal environments, nothing installed twice."""

import hashlib
import os

from manager import REQUIREMENTS

NAME_LENGTH = 32
_FORMAT = "1"  # raise it when this buildpack begins to make environments differently

# Variables for the installer that are worth passing on; they may be config vars or the server's own.
_PASSED_PREFIXES = ("UV_INDEX", "UV_NO_B", "UV_CONCURRENT_", "UV_HTTP_")
_PASSED = {
    "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INSECURE_HOST", "UV_KEYRING_PROVIDER", "UV_NATIVE_TLS",
    "UV_NO_INDEX", "UV_OFFLINE", "UV_PRERELEASE", "UV_RESOLUTION", "UV_EXCLUDE_NEWER", "UV_TORCH_BACKEND", "UV_REQUEST_TIMEOUT",
}  # fmt: skip
# pip's names for the same; Heroku passes PIP_EXTRA_INDEX_URL on.
_PIP_NAMES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL": "UV_EXTRA_INDEX_URL", "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST", "PIP_NO_INDEX": "UV_NO_INDEX",
}  # fmt: skip


class Inputs:
    """Files and variables that one installation reads. `local_paths`: folders and archives of the app that it installs."""

    def __init__(self, pack, tool):
        self._pack = pack
        self.files = []
        self.local_paths = []
        self.variables = index_variables(pack)
        if tool == REQUIREMENTS:
            self._read_requirements(pack.path(REQUIREMENTS))
        else:
            self._read_lock(pack.path(tool))
        self.files += [path for path in map(pack.path, ("pyproject.toml", "uv.toml")) if os.path.isfile(path)]

    def name(self, python):
        """The environment's name. `python` is what it runs on: another patch version makes another environment."""
        digest = hashlib.sha256()
        pack = self._pack
        _feed(digest, _FORMAT, os.path.realpath(python.path), python.version, pack.uv_version, pack.stack, pack.salt)
        for name, value in sorted(self.variables.items()):
            _feed(digest, name, value)
        for path in self.files:
            _feed(digest, os.path.relpath(path, pack.build))
            _feed_file(digest, path)
        for path in self.local_paths:
            _feed(digest, os.path.relpath(path, pack.build))
            _feed_tree(digest, path)
        return digest.hexdigest()[:NAME_LENGTH]

    def _read_requirements(self, path):
        """Follow -r and -c; note -e, local paths and ${VARIABLES}. Source: pip's requirements file format."""
        if path in self.files or not os.path.isfile(path):
            return  # read already; or missing: the installer says so in its own words
        self.files.append(path)
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            text = file.read()
        self._note_variables(text)
        for line in text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
            words = line.split(" #")[0].split()
            if words and not words[0].startswith("#"):
                self._read_requirement(words, os.path.dirname(path))

    def _read_requirement(self, words, folder):
        option, value = _option_and_value(words)
        if option in ("-r", "--requirement", "-c", "--constraint"):
            self._read_requirements(os.path.normpath(os.path.join(folder, value)))
        elif option in ("-e", "--editable", "-f", "--find-links") or (not option and _is_path(value)):
            self._note_local(value, folder)

    def _note_local(self, target, folder):
        """`./lib`, `file:./lib`, `lib @ file:lib`, `./lib[extra]`: content of the app itself, if that is what it names."""
        target = target.removeprefix("file://").removeprefix("file:").split("#")[0].split("[")[0].split(";")[0]
        if not target or "://" in target:
            return
        for base in (self._pack.build, folder):  # pip starts at the working folder, some tools at the file's
            path = os.path.normpath(os.path.join(base, target))
            inside = path == self._pack.build or path.startswith(self._pack.build + os.sep)
            if inside and os.path.exists(path) and path not in self.local_paths:
                self.local_paths.append(path)

    def _read_lock(self, path):
        """uv.lock names its local sources like this: source = { editable = "." }"""
        self.files.append(path)
        with open(path, encoding="utf-8") as file:
            for line in file:
                for kind in ("editable", "directory", "path"):
                    _, found, rest = line.partition(f'= {{ {kind} = "')
                    if found:
                        self._note_local("./" + rest.partition('"')[0], self._pack.build)

    def _note_variables(self, text):
        """${NAME} in a requirements file stands for a config var: its value decides what is installed."""
        for piece in text.split("${")[1:]:
            name = piece.partition("}")[0]
            if name in self._pack.config:
                self.variables[name] = self._pack.config[name]


def index_variables(pack):
    """Where packages come from: the server's settings, config vars over them, pip's names as uv's."""
    found = {}
    for source in (pack.environ, pack.config):
        for name, value in source.items():
            if name in _PIP_NAMES and _PIP_NAMES[name] not in source:
                found[_PIP_NAMES[name]] = value
            elif name in _PASSED or name.startswith(_PASSED_PREFIXES):
                found[name] = value
    links = [each for each in found.pop("UV_FIND_LINKS", "").replace(",", " ").split() if "://" in each or os.path.isdir(each)]
    if links:  # a folder of the server that a build cannot see would stop uv
        found["UV_FIND_LINKS"] = ",".join(links)
    return found


def _option_and_value(words):
    """("-r", "base.txt") of `-r base.txt`, `-rbase.txt`, `--requirement=base.txt`; ("", "./lib") of a plain requirement."""
    first = words[0]
    if not first.startswith("-"):
        return "", words[words.index("@") + 1] if "@" in words[:-1] else first.partition("@file:")[2] or first
    option, equals, value = first.partition("=")
    if equals:
        return option, value
    if not first.startswith("--") and len(first) > 2:
        return first[:2], first[2:]
    return first, words[1] if len(words) > 1 else ""


def _is_path(target):
    """A bare name is a package, even if the app has a folder of that name."""
    return "/" in target or target.startswith((".", "file:"))


def _feed(digest, *texts):
    for text in texts:
        data = text.encode("utf-8", "surrogateescape")
        digest.update(b"%d:%b" % (len(data), data))


def _feed_file(digest, path):
    with open(path, "rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())


def _feed_tree(digest, top):
    if not os.path.isdir(top):
        _feed_file(digest, top)
        return
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if name not in (".git", "__pycache__"))
        for name in sorted(names):
            path = os.path.join(folder, name)
            _feed(digest, os.path.relpath(path, top))
            if os.path.islink(path):
                _feed(digest, "link", os.readlink(path))
            elif os.path.isfile(path):
                _feed(digest, "executable" if os.access(path, os.X_OK) else "file")
                _feed_file(digest, path)
