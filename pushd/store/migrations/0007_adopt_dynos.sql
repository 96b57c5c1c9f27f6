-- What the next daemon must know of a running dyno to go on with it instead of ending it.
ALTER TABLE dynos ADD COLUMN command TEXT NOT NULL DEFAULT '';
ALTER TABLE dynos ADD COLUMN role TEXT NOT NULL DEFAULT 'formation' CHECK (role IN ('formation', 'detached', 'attended'));
ALTER TABLE dynos ADD COLUMN ready_at TEXT;
ALTER TABLE dynos ADD COLUMN leaving_at TEXT;

-- Names of the dynos that a restart is to replace, with commas; '' for a change that concerns all.
ALTER TABLE changes ADD COLUMN dynos TEXT NOT NULL DEFAULT '';

-- Of one-offs that an older daemon started nobody knows whether a client waits for them.
UPDATE dynos SET role = 'attended' WHERE type IN ('run', 'release');
