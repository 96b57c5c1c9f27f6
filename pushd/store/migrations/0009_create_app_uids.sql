-- The number of each app among the uids of apps. No reference to `apps`: an app's files, and with them its uid, outlive its row.
CREATE TABLE app_uids (
    app_id TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE CHECK (number >= 0)
) STRICT;
