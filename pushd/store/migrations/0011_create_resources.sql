-- What dynos of a process type, and builds, may take beside their size. Three settings of apps move here.

CREATE TABLE resources (
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    type TEXT NOT NULL,                                 -- process type, or "build"
    name TEXT NOT NULL,                                 -- "memory"
    value TEXT NOT NULL,                                -- as it was written: "512M"
    PRIMARY KEY (app_id, type, name)
) STRICT, WITHOUT ROWID;

INSERT INTO resources
SELECT app_id, type, 'memory', value || 'M'
FROM app_settings JOIN (SELECT app_id, type FROM formation UNION SELECT id, 'run' FROM apps UNION SELECT id, 'release' FROM apps)
USING (app_id)
WHERE name = 'dyno-memory-mb';

INSERT INTO resources
SELECT app_id, 'build', CASE name WHEN 'slug-limit-mb' THEN 'slug' ELSE 'memory' END, value || 'M'
FROM app_settings
WHERE name IN ('build-memory-mb', 'slug-limit-mb')
ON CONFLICT (app_id, type, name) DO UPDATE SET value = excluded.value;

DELETE FROM app_settings WHERE name IN ('dyno-memory-mb', 'build-memory-mb', 'slug-limit-mb');
