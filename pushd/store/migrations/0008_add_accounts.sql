-- Accounts for several people: who is an admin, passwords, invitations, and tokens that reach one app alone.

ALTER TABLE users ADD COLUMN is_admin INTEGER NOT NULL DEFAULT 0 CHECK (is_admin IN (0, 1)); -- by an admin's word; the operator is one anyway
ALTER TABLE users ADD COLUMN password_hash TEXT; -- NULL: none was set. Argon2id, with its salt and its costs (PHC string format)
ALTER TABLE users ADD COLUMN removed_at TEXT;    -- NULL: the account is there. The row stays: releases and builds name who made them

ALTER TABLE authorizations ADD COLUMN app_id TEXT REFERENCES apps ON DELETE CASCADE; -- NULL: all apps; the token ends with its app

CREATE INDEX authorizations_of_app ON authorizations (app_id) WHERE app_id IS NOT NULL;

-- With one a person sets the password of an account, once; a user has one at most.
CREATE TABLE invitations (
    user_id TEXT PRIMARY KEY NOT NULL REFERENCES users ON DELETE CASCADE,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32), -- SHA-256; the token itself is never stored
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
