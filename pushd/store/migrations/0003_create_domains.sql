-- What an app has beside its releases, and the keys of its users. All of it goes with the app or the user.

CREATE TABLE collaborators (
    id TEXT PRIMARY KEY NOT NULL,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (app_id, user_id)                            -- the owner has no row
) STRICT;

CREATE INDEX collaborators_of_user ON collaborators (user_id);

CREATE TABLE ssh_keys (
    id TEXT PRIMARY KEY NOT NULL,
    user_id TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    public_key TEXT NOT NULL,                           -- "type base64 comment"
    key_hash BLOB NOT NULL UNIQUE CHECK (length(key_hash) = 32), -- SHA-256 of the key alone: one key, one user
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX ssh_keys_of_user ON ssh_keys (user_id, created_at);

CREATE TABLE sni_endpoints (
    id TEXT PRIMARY KEY NOT NULL,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 3 AND 30),
    certificate_chain TEXT NOT NULL,                    -- PEM, the app's own certificate first
    private_key BLOB NOT NULL,                          -- PEM, encrypted
    cert_domains TEXT NOT NULL CHECK (json_type(cert_domains) = 'array'),
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    starts_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    self_signed INTEGER NOT NULL CHECK (self_signed IN (0, 1)),
    ca_signed INTEGER NOT NULL CHECK (ca_signed IN (0, 1)),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX sni_endpoints_of_app ON sni_endpoints (app_id);

CREATE TABLE domains (
    id TEXT PRIMARY KEY NOT NULL,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    hostname TEXT NOT NULL UNIQUE,                      -- ASCII, lower case
    sni_endpoint_id TEXT REFERENCES sni_endpoints ON DELETE SET NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX domains_of_app ON domains (app_id);
CREATE INDEX domains_of_sni_endpoint ON domains (sni_endpoint_id);

CREATE TABLE drains (
    id TEXT PRIMARY KEY NOT NULL,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    url BLOB NOT NULL,                                  -- encrypted: it often holds a password
    token TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX drains_of_app ON drains (app_id, created_at);
