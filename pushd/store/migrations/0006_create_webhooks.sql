-- Webhooks. Triggers write what happens into `webhook_events` in the transaction in which it happens, so that no way to change
-- something forgets to tell and no crash comes in between. Nothing is written for an app that nobody listens to.

CREATE TABLE webhooks (
    id TEXT PRIMARY KEY NOT NULL,
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    level TEXT NOT NULL CHECK (level IN ('notify', 'sync')),
    sealed BLOB NOT NULL,                               -- url, secret, authorization; encrypted
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX webhooks_of_app ON webhooks (app_id, created_at);

CREATE TABLE webhook_includes (
    webhook_id TEXT NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    include TEXT NOT NULL,                              -- "api:release"
    UNIQUE (webhook_id, include)
) STRICT;

CREATE TABLE webhook_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE DEFAULT (lower(
        hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
        || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    app_id TEXT NOT NULL REFERENCES apps ON DELETE CASCADE,
    include TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('create', 'update', 'destroy')),
    actor_id TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    data TEXT NOT NULL CHECK (json_type(data) = 'object'),
    previous_data TEXT NOT NULL DEFAULT '{}' CHECK (json_type(previous_data) = 'object'),
    created_at TEXT NOT NULL
) STRICT;

CREATE INDEX webhook_events_of_app ON webhook_events (app_id, seq);

CREATE TABLE webhook_deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE DEFAULT (lower(
        hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
        || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    event_seq INTEGER NOT NULL REFERENCES webhook_events ON DELETE CASCADE,
    webhook_id TEXT NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'retrying', 'succeeded', 'failed')),
    num_attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TEXT,                               -- NULL: it has ended
    attempt_id TEXT,                                    -- the last attempt, once there was one
    attempt_code INTEGER,
    attempt_error TEXT,
    attempt_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE INDEX webhook_deliveries_of_event ON webhook_deliveries (event_seq);
CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (webhook_id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

-- Who listens to what; an app that is just being destroyed tells nothing any more.
CREATE VIEW webhook_listeners AS
SELECT webhooks.id AS webhook_id, webhooks.app_id, webhook_includes.include
FROM webhooks
JOIN webhook_includes ON webhook_includes.webhook_id = webhooks.id
JOIN apps ON apps.id = webhooks.app_id;

CREATE TRIGGER webhook_events_are_delivered AFTER INSERT ON webhook_events
BEGIN
    INSERT INTO webhook_deliveries (event_seq, webhook_id, next_attempt_at, created_at, updated_at)
    SELECT NEW.seq, webhook_id, NEW.created_at, NEW.created_at, NEW.created_at
    FROM webhook_listeners WHERE app_id = NEW.app_id AND include = NEW.include;
END;

-- What listeners read of each thing: the fields that the API gives, without URLs of this server, whose name they may not know.

CREATE VIEW webhook_apps AS
SELECT apps.id, json_object(
    'id', apps.id, 'name', apps.name, 'maintenance', json(iif(maintenance, 'true', 'false')),
    'owner', json_object('id', users.id, 'email', users.email),
    'repo_size', repo_size_bytes, 'slug_size', slug_size_bytes,
    'released_at', strftime('%Y-%m-%dT%H:%M:%SZ', released_at),
    'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', apps.created_at),
    'updated_at', strftime('%Y-%m-%dT%H:%M:%SZ', apps.updated_at)) AS data
FROM apps JOIN users ON users.id = apps.owner_id;

CREATE VIEW webhook_releases AS
SELECT releases.id, json_object(
    'id', releases.id, 'version', number, 'description', description, 'status', status,
    'current', json(iif(status = 'succeeded' AND NOT EXISTS (
        SELECT 1 FROM releases AS newer
        WHERE newer.app_id = releases.app_id AND newer.number > releases.number AND newer.status = 'succeeded'),
        'true', 'false')),
    'app', json_object('id', apps.id, 'name', apps.name),
    'slug', json(iif(slugs.id IS NULL, 'null', json_object(
        'id', slugs.id, 'commit', slugs.commit_id, 'commit_description', slugs.commit_description))),
    'user', json_object('id', users.id, 'email', users.email),
    'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', releases.created_at),
    'updated_at', strftime('%Y-%m-%dT%H:%M:%SZ', releases.updated_at)) AS data
FROM releases
JOIN apps ON apps.id = releases.app_id
JOIN users ON users.id = releases.user_id
LEFT JOIN slugs ON slugs.id = releases.slug_id;

CREATE VIEW webhook_builds AS
SELECT builds.id, json_object(
    'id', builds.id, 'status', status,
    'app', json_object('id', apps.id, 'name', apps.name),
    'release', json(iif(release_id IS NULL, 'null', json_object('id', release_id))),
    'slug', json(iif(slug_id IS NULL, 'null', json_object('id', slug_id, 'commit', commit_id))),
    'source_blob', json_object('version', commit_id, 'version_description', branch),
    'user', json_object('id', users.id, 'email', users.email),
    'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', builds.created_at),
    'updated_at', strftime('%Y-%m-%dT%H:%M:%SZ', builds.updated_at)) AS data
FROM builds JOIN apps ON apps.id = builds.app_id JOIN users ON users.id = builds.user_id;

CREATE VIEW webhook_formation AS
SELECT formation.id, json_object(
    'id', formation.id, 'type', type, 'quantity', quantity, 'size', size,
    'app', json_object('id', apps.id, 'name', apps.name),
    'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', formation.created_at),
    'updated_at', strftime('%Y-%m-%dT%H:%M:%SZ', formation.updated_at)) AS data
FROM formation JOIN apps ON apps.id = formation.app_id;

CREATE VIEW webhook_dynos AS
SELECT dynos.id, json_object(
    'id', dynos.id, 'name', dynos.name, 'type', type, 'state', 'starting',
    'app', json_object('id', apps.id, 'name', apps.name),
    'release', json_object('id', release_id, 'version', release_number),
    'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', started_at),
    'updated_at', strftime('%Y-%m-%dT%H:%M:%SZ', started_at)) AS data
FROM dynos JOIN apps ON apps.id = dynos.app_id;

CREATE VIEW webhook_domains AS
SELECT domains.id, json_object(
    'id', domains.id, 'hostname', hostname, 'kind', 'custom', 'status', 'succeeded',
    'app', json_object('id', apps.id, 'name', apps.name),
    'sni_endpoint', json(iif(sni_endpoint_id IS NULL, 'null', json_object('id', sni_endpoint_id))),
    'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', domains.created_at),
    'updated_at', strftime('%Y-%m-%dT%H:%M:%SZ', domains.updated_at)) AS data
FROM domains JOIN apps ON apps.id = domains.app_id;

CREATE VIEW webhook_collaborators AS
SELECT collaborators.id, json_object(
    'id', collaborators.id, 'role', 'collaborator',
    'app', json_object('id', apps.id, 'name', apps.name),
    'user', json_object('id', users.id, 'email', users.email),
    'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', collaborators.created_at),
    'updated_at', strftime('%Y-%m-%dT%H:%M:%SZ', collaborators.updated_at)) AS data
FROM collaborators JOIN apps ON apps.id = collaborators.app_id JOIN users ON users.id = collaborators.user_id;

CREATE VIEW webhook_sni_endpoints AS
SELECT sni_endpoints.id, json_object(
    'id', sni_endpoints.id, 'name', sni_endpoints.name,
    'app', json_object('id', apps.id, 'name', apps.name),
    'ssl_cert', json_object(
        'cert_domains', json(cert_domains), 'issuer', issuer, 'subject', subject,
        'expires_at', strftime('%Y-%m-%dT%H:%M:%SZ', expires_at)),
    'created_at', strftime('%Y-%m-%dT%H:%M:%SZ', sni_endpoints.created_at),
    'updated_at', strftime('%Y-%m-%dT%H:%M:%SZ', sni_endpoints.updated_at)) AS data
FROM sni_endpoints JOIN apps ON apps.id = sni_endpoints.app_id;

-- What is told. Where a row does not say who changed it, it is the owner of the app.

CREATE TRIGGER webhooks_hear_of_app_update AFTER UPDATE OF name, maintenance ON apps
WHEN (NEW.name, NEW.maintenance) IS NOT (OLD.name, OLD.maintenance)
    AND EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = NEW.id AND include = 'api:app')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, previous_data, created_at)
    VALUES (NEW.id, 'api:app', 'update', NEW.owner_id, (SELECT data FROM webhook_apps WHERE id = NEW.id),
            json_object('name', OLD.name, 'maintenance', json(iif(OLD.maintenance, 'true', 'false'))), NEW.updated_at);
END;

CREATE TRIGGER webhooks_hear_of_release_create AFTER INSERT ON releases
WHEN EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = NEW.app_id AND include = 'api:release')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, created_at)
    VALUES (NEW.app_id, 'api:release', 'create', NEW.user_id, (SELECT data FROM webhook_releases WHERE id = NEW.id),
            NEW.created_at);
END;

CREATE TRIGGER webhooks_hear_of_release_update AFTER UPDATE OF status ON releases
WHEN NEW.status <> OLD.status
    AND EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = NEW.app_id AND include = 'api:release')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, previous_data, created_at)
    VALUES (NEW.app_id, 'api:release', 'update', NEW.user_id, (SELECT data FROM webhook_releases WHERE id = NEW.id),
            json_object('status', OLD.status), NEW.updated_at);
END;

CREATE TRIGGER webhooks_hear_of_build_create AFTER INSERT ON builds
WHEN EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = NEW.app_id AND include = 'api:build')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, created_at)
    VALUES (NEW.app_id, 'api:build', 'create', NEW.user_id, (SELECT data FROM webhook_builds WHERE id = NEW.id), NEW.created_at);
END;

CREATE TRIGGER webhooks_hear_of_build_update AFTER UPDATE OF status ON builds
WHEN NEW.status <> OLD.status
    AND EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = NEW.app_id AND include = 'api:build')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, previous_data, created_at)
    VALUES (NEW.app_id, 'api:build', 'update', NEW.user_id, (SELECT data FROM webhook_builds WHERE id = NEW.id),
            json_object('status', OLD.status), NEW.updated_at);
END;

CREATE TRIGGER webhooks_hear_of_formation_update AFTER UPDATE OF quantity ON formation
WHEN NEW.quantity <> OLD.quantity
    AND EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = NEW.app_id AND include = 'api:formation')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, previous_data, created_at)
    SELECT NEW.app_id, 'api:formation', 'update', apps.owner_id, webhook_formation.data,
           json_object('quantity', OLD.quantity), NEW.updated_at
    FROM webhook_formation JOIN apps ON apps.id = NEW.app_id WHERE webhook_formation.id = NEW.id;
END;

CREATE TRIGGER webhooks_hear_of_dyno_create AFTER INSERT ON dynos
WHEN EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = NEW.app_id AND include = 'api:dyno')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, created_at)
    SELECT NEW.app_id, 'api:dyno', 'create', apps.owner_id, webhook_dynos.data, NEW.started_at
    FROM webhook_dynos JOIN apps ON apps.id = NEW.app_id WHERE webhook_dynos.id = NEW.id;
END;

CREATE TRIGGER webhooks_hear_of_domain_create AFTER INSERT ON domains
WHEN EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = NEW.app_id AND include = 'api:domain')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, created_at)
    SELECT NEW.app_id, 'api:domain', 'create', apps.owner_id, webhook_domains.data, NEW.created_at
    FROM webhook_domains JOIN apps ON apps.id = NEW.app_id WHERE webhook_domains.id = NEW.id;
END;

CREATE TRIGGER webhooks_hear_of_domain_update AFTER UPDATE OF sni_endpoint_id ON domains
WHEN NEW.sni_endpoint_id IS NOT OLD.sni_endpoint_id
    AND EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = NEW.app_id AND include = 'api:domain')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, previous_data, created_at)
    SELECT NEW.app_id, 'api:domain', 'update', apps.owner_id, webhook_domains.data,
           json_object('sni_endpoint', json(iif(OLD.sni_endpoint_id IS NULL, 'null', json_object('id', OLD.sni_endpoint_id)))),
           strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')
    FROM webhook_domains JOIN apps ON apps.id = NEW.app_id WHERE webhook_domains.id = NEW.id;
END;

CREATE TRIGGER webhooks_hear_of_domain_destroy BEFORE DELETE ON domains
WHEN EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = OLD.app_id AND include = 'api:domain')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, created_at)
    SELECT OLD.app_id, 'api:domain', 'destroy', apps.owner_id, webhook_domains.data,
           strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')
    FROM webhook_domains JOIN apps ON apps.id = OLD.app_id WHERE webhook_domains.id = OLD.id;
END;

CREATE TRIGGER webhooks_hear_of_collaborator_create AFTER INSERT ON collaborators
WHEN EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = NEW.app_id AND include = 'api:collaborator')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, created_at)
    SELECT NEW.app_id, 'api:collaborator', 'create', apps.owner_id, webhook_collaborators.data, NEW.created_at
    FROM webhook_collaborators JOIN apps ON apps.id = NEW.app_id WHERE webhook_collaborators.id = NEW.id;
END;

CREATE TRIGGER webhooks_hear_of_collaborator_destroy BEFORE DELETE ON collaborators
WHEN EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = OLD.app_id AND include = 'api:collaborator')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, created_at)
    SELECT OLD.app_id, 'api:collaborator', 'destroy', apps.owner_id, webhook_collaborators.data,
           strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')
    FROM webhook_collaborators JOIN apps ON apps.id = OLD.app_id WHERE webhook_collaborators.id = OLD.id;
END;

CREATE TRIGGER webhooks_hear_of_sni_endpoint_create AFTER INSERT ON sni_endpoints
WHEN EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = NEW.app_id AND include = 'api:sni-endpoint')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, created_at)
    SELECT NEW.app_id, 'api:sni-endpoint', 'create', apps.owner_id, webhook_sni_endpoints.data, NEW.created_at
    FROM webhook_sni_endpoints JOIN apps ON apps.id = NEW.app_id WHERE webhook_sni_endpoints.id = NEW.id;
END;

CREATE TRIGGER webhooks_hear_of_sni_endpoint_update AFTER UPDATE OF certificate_chain ON sni_endpoints
WHEN EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = NEW.app_id AND include = 'api:sni-endpoint')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, previous_data, created_at)
    SELECT NEW.app_id, 'api:sni-endpoint', 'update', apps.owner_id, webhook_sni_endpoints.data,
           json_object('ssl_cert', json_object('expires_at', strftime('%Y-%m-%dT%H:%M:%SZ', OLD.expires_at))), NEW.updated_at
    FROM webhook_sni_endpoints JOIN apps ON apps.id = NEW.app_id WHERE webhook_sni_endpoints.id = NEW.id;
END;

CREATE TRIGGER webhooks_hear_of_sni_endpoint_destroy BEFORE DELETE ON sni_endpoints
WHEN EXISTS (SELECT 1 FROM webhook_listeners WHERE app_id = OLD.app_id AND include = 'api:sni-endpoint')
BEGIN
    INSERT INTO webhook_events (app_id, include, action, actor_id, data, created_at)
    SELECT OLD.app_id, 'api:sni-endpoint', 'destroy', apps.owner_id, webhook_sni_endpoints.data,
           strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')
    FROM webhook_sni_endpoints JOIN apps ON apps.id = OLD.app_id WHERE webhook_sni_endpoints.id = OLD.id;
END;
