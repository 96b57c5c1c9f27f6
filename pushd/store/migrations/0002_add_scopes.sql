-- What a token allows, in Heroku's words, and the name that a user goes by.

ALTER TABLE authorizations ADD COLUMN scope TEXT NOT NULL DEFAULT 'global'; -- one or more, with commas between them
ALTER TABLE authorizations ADD COLUMN updated_at TEXT;                      -- NULL: not changed since it was made
ALTER TABLE users ADD COLUMN name TEXT;
