"""What one run of this buildpack is given: folders, config vars, and where pushd keeps environments and interpreters."""

import os


class Pack:
    """The arguments of bin/compile, and the variables that pushd adds to Heroku's API.

    `config` holds the app's config vars. They are not in this process's environment: a variable called like one of ours
    (CACHE_DIR, PATH) must not change the build.
    """

    def __init__(self, build, cache, env_dir, environ):
        self.build = build
        self.cache = cache
        self.config = _read_env_dir(env_dir)
        self.environ = environ
        self.stack = environ.get("STACK", "")
        self.uv = environ.get("PUSHD_UV", "uv")
        self.uv_version = environ.get("PUSHD_UV_VERSION", "")
        self.interpreters = [path for path in environ.get("PUSHD_PYTHONS", "").split(":") if path]
        self.environments = environ.get("PUSHD_ENVIRONMENTS") or os.path.join(cache, "environments")
        self.salt = environ.get("PUSHD_SALT", "")  # changes when somebody asked for a build without what earlier ones left
        self.result = environ.get("PUSHD_RESULT", "")

    def path(self, *names):
        return os.path.join(self.build, *names)

    def has(self, *names):
        return os.path.exists(self.path(*names))

    def report(self, name, text):
        """Leave one answer for pushd: `environment`, the folder the slug needs; `suggestion`, for a missing Procfile."""
        if self.result:
            write_whole(os.path.join(self.result, name), text)


def write_whole(path, text):
    """A file that is there with all its text, or not at all."""
    temporary = path + ".new"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def read_text(path, limit=1 << 20):
    """The text of a small file, without a byte order mark; "" if it is not there."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return file.read(limit)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""


def _read_env_dir(folder):
    """Source: the buildpack API; one file per config var, its content the value."""
    if not os.path.isdir(folder):
        return {}
    values = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8", newline="") as file:
            values[name] = file.read()
    return values
