-- Who did what: an entry before it is done, and how it ended behind it. Nothing of this is ever changed or removed. No foreign keys
-- to users, tokens and apps: an entry outlives them.

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    user_email TEXT NOT NULL,
    credential TEXT NOT NULL,                           -- which token or key; never the secret itself
    source TEXT NOT NULL,                               -- the address that they came from
    action TEXT NOT NULL,                               -- "PATCH /apps/{app}/config-vars", "git push"
    app_id TEXT,
    app_name TEXT,                                      -- as it was called then
    created_at TEXT NOT NULL
) STRICT;

CREATE INDEX audit_of_app ON audit (app_id, seq);

CREATE TABLE audit_ends (
    seq INTEGER PRIMARY KEY NOT NULL REFERENCES audit,
    outcome TEXT NOT NULL,                              -- "done", or the reason of a refusal
    details TEXT NOT NULL CHECK (json_type(details) = 'object'),
    ended_at TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_does_not_change BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail does not change');
END;

CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail does not change');
END;

CREATE TRIGGER audit_ends_do_not_change BEFORE UPDATE ON audit_ends
BEGIN
    SELECT RAISE(ABORT, 'the audit trail does not change');
END;

CREATE TRIGGER audit_ends_are_kept BEFORE DELETE ON audit_ends
BEGIN
    SELECT RAISE(ABORT, 'the audit trail does not change');
END;

-- REPLACE would remove a row without asking the triggers of DELETE.
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq OR id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail does not change');
END;

CREATE TRIGGER audit_ends_are_not_replaced BEFORE INSERT ON audit_ends
WHEN EXISTS (SELECT 1 FROM audit_ends WHERE seq = NEW.seq)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail does not change');
END;
