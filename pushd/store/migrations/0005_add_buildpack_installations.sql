CREATE TABLE buildpack_installations (
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
    url TEXT NOT NULL,
    PRIMARY KEY (app_id, ordinal),
    UNIQUE (app_id, url)
) STRICT;

-- A build of an uploaded or fetched source says where that came from; '' for a push.
ALTER TABLE builds ADD COLUMN source_url TEXT NOT NULL DEFAULT '';
ALTER TABLE builds ADD COLUMN source_checksum TEXT NOT NULL DEFAULT '';
ALTER TABLE builds ADD COLUMN description TEXT NOT NULL DEFAULT '';

-- A slug may be made elsewhere and be uploaded after its row was made; its archive then has a checksum of its own.
ALTER TABLE slugs ADD COLUMN state TEXT NOT NULL DEFAULT 'built' CHECK (state IN ('awaited', 'uploaded', 'built'));
ALTER TABLE slugs ADD COLUMN archive_checksum TEXT NOT NULL DEFAULT '';
