CREATE TABLE pipelines (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL CHECK (length(name) BETWEEN 3 AND 30),
    owner_id TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (owner_id, name)
) STRICT;

CREATE TABLE pipeline_couplings (
    id TEXT PRIMARY KEY NOT NULL,
    app_id TEXT NOT NULL UNIQUE REFERENCES apps ON DELETE CASCADE, -- an app is in one pipeline at most
    pipeline_id TEXT NOT NULL REFERENCES pipelines ON DELETE CASCADE,
    stage TEXT NOT NULL CHECK (stage IN ('test', 'review', 'development', 'staging', 'production')),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX pipeline_couplings_of_pipeline ON pipeline_couplings (pipeline_id);

CREATE TABLE promotions (
    id TEXT PRIMARY KEY NOT NULL,
    pipeline_id TEXT NOT NULL REFERENCES pipelines ON DELETE CASCADE,
    source_app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    source_release_id TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX promotions_of_pipeline ON promotions (pipeline_id, created_at);
CREATE INDEX promotions_of_source ON promotions (source_app_id);

-- How a target fares is what became of its release; `error` says why there is none, or why it failed.
CREATE TABLE promotion_targets (
    id TEXT PRIMARY KEY NOT NULL,
    promotion_id TEXT NOT NULL REFERENCES promotions ON DELETE CASCADE,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    slug_id TEXT,    -- set before the release is made: by it a restarted daemon finds the release
    release_id TEXT,
    error TEXT NOT NULL DEFAULT '',
    UNIQUE (promotion_id, app_id)
) STRICT;

CREATE INDEX promotion_targets_of_app ON promotion_targets (app_id);
