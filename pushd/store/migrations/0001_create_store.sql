-- Times are UTC text with microseconds and "+00:00", so that they sort as text. Ids are UUIDs as text. Yes and no are 1 and 0.

CREATE TABLE users (
    id TEXT PRIMARY KEY NOT NULL,
    email TEXT NOT NULL UNIQUE COLLATE NOCASE,
    is_operator INTEGER NOT NULL CHECK (is_operator IN (0, 1)),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX one_operator ON users (is_operator) WHERE is_operator = 1;

CREATE TABLE authorizations (
    id TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    description TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32), -- SHA-256; the token itself is never stored
    token_hint TEXT NOT NULL,                                        -- first and last characters, to tell tokens apart
    from_file INTEGER NOT NULL CHECK (from_file IN (0, 1)),          -- the one that the file admin.token holds
    created_at TEXT NOT NULL,
    expires_at TEXT
) STRICT;

CREATE INDEX authorizations_of_user ON authorizations (user_id, created_at);

CREATE TABLE apps (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 3 AND 30),
    owner_id TEXT NOT NULL REFERENCES users,
    maintenance INTEGER NOT NULL DEFAULT 0 CHECK (maintenance IN (0, 1)),
    restarts INTEGER NOT NULL DEFAULT 0 CHECK (restarts >= 0),
    repo_size_bytes INTEGER NOT NULL DEFAULT 0 CHECK (repo_size_bytes >= 0),
    slug_size_bytes INTEGER NOT NULL DEFAULT 0 CHECK (slug_size_bytes >= 0),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    released_at TEXT
) STRICT;

CREATE TABLE slugs (
    id TEXT PRIMARY KEY NOT NULL,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    checksum TEXT NOT NULL,
    environment TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    commit_description TEXT NOT NULL,
    process_types TEXT NOT NULL CHECK (json_type(process_types) = 'object'),
    buildpack_description TEXT NOT NULL,
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    created_at TEXT NOT NULL,
    UNIQUE (app_id, id)
) STRICT;

CREATE INDEX slugs_by_checksum ON slugs (checksum);

CREATE TABLE releases (
    id TEXT PRIMARY KEY NOT NULL,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number >= 1),
    slug_id TEXT,                                       -- NULL: v1, or the slug is no longer kept
    process_types TEXT NOT NULL CHECK (json_type(process_types) = 'object'),
    config BLOB NOT NULL,                               -- all config vars, encrypted; those of the highest number are the app's
    description TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed', 'expired')),
    phase_passed INTEGER NOT NULL CHECK (phase_passed IN (0, 1)),
    has_output INTEGER NOT NULL DEFAULT 0 CHECK (has_output IN (0, 1)),
    user_id TEXT NOT NULL REFERENCES users,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (app_id, number),
    UNIQUE (app_id, id),
    FOREIGN KEY (app_id, slug_id) REFERENCES slugs (app_id, id)
) STRICT;

CREATE INDEX releases_of_slug ON releases (slug_id);
CREATE INDEX releases_pending ON releases (status) WHERE status = 'pending';

CREATE TRIGGER releases_do_not_change
BEFORE UPDATE OF app_id, number, process_types, config, description, user_id, created_at ON releases
BEGIN
    SELECT RAISE(ABORT, 'a release does not change');
END;

CREATE TRIGGER releases_only_lose_a_slug
BEFORE UPDATE OF slug_id ON releases WHEN NEW.slug_id IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a release does not change');
END;

CREATE TABLE builds (
    id TEXT PRIMARY KEY NOT NULL,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users,
    status TEXT NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    commit_id TEXT NOT NULL,
    branch TEXT NOT NULL,
    buildpacks TEXT NOT NULL CHECK (json_type(buildpacks) = 'array'),
    slug_id TEXT,
    release_id TEXT,
    reason TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    FOREIGN KEY (app_id, slug_id) REFERENCES slugs (app_id, id),
    FOREIGN KEY (app_id, release_id) REFERENCES releases (app_id, id)
) STRICT;

CREATE INDEX builds_of_app ON builds (app_id, created_at);
CREATE INDEX builds_of_slug ON builds (slug_id);
CREATE INDEX builds_of_release ON builds (release_id);
CREATE INDEX builds_pending ON builds (status) WHERE status = 'pending';

CREATE TABLE formation (
    id TEXT PRIMARY KEY NOT NULL,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    type TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity BETWEEN 0 AND 100),
    size TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (app_id, type)
) STRICT;

CREATE TABLE app_settings (
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (app_id, name)
) STRICT;

CREATE TABLE changes (
    id TEXT PRIMARY KEY NOT NULL,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed')),
    release_number INTEGER,
    reason TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX changes_of_app ON changes (app_id, created_at);
CREATE INDEX changes_pending ON changes (state) WHERE state = 'pending';

-- What runs on this machine. No foreign keys: a process stays known until it has ended, even when its app is gone.
CREATE TABLE dynos (
    id TEXT PRIMARY KEY NOT NULL,
    app_id TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    release_id TEXT NOT NULL,
    release_number INTEGER NOT NULL,
    restarts INTEGER NOT NULL,
    port INTEGER CHECK (port BETWEEN 1 AND 65535),
    identity TEXT NOT NULL,
    started_at TEXT NOT NULL
) STRICT;

CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT;
