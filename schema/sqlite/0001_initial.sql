-- 0001: users, items, interactions, contexts, and the log of changes by which other processes catch up.
-- A change number rises with every write that answers depend on and is never used twice (AUTOINCREMENT); a row's
-- revision is the number of its last change. Texts are UTF-8; an embedding is little-endian float32.

CREATE TABLE users (
    user_key INTEGER PRIMARY KEY,
    id       TEXT    NOT NULL UNIQUE CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 256),
    profile  TEXT,                               -- a JSON object
    revision INTEGER NOT NULL
) STRICT;

CREATE TABLE items (
    item_key   INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 256),
    title      TEXT,
    categories TEXT,                             -- a JSON array of strings
    metadata   TEXT,                             -- a JSON object
    revision   INTEGER NOT NULL
) STRICT;

CREATE TABLE interactions (
    user_key  INTEGER NOT NULL REFERENCES users (user_key) ON DELETE CASCADE,
    item_key  INTEGER NOT NULL REFERENCES items (item_key),
    weight    REAL    NOT NULL CHECK (weight > 0),
    rating    REAL,
    timestamp INTEGER NOT NULL,                  -- seconds since 1970 UTC, or any rising order; 0: not known
    position  INTEGER NOT NULL,                  -- order of arrival, for equal timestamps
    PRIMARY KEY (user_key, item_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE contexts (
    context_key   INTEGER PRIMARY KEY,
    model         TEXT    NOT NULL,
    model_version TEXT    NOT NULL,
    kind          TEXT    NOT NULL CHECK (kind IN ('user', 'task')),
    id            TEXT    NOT NULL,
    revision      INTEGER NOT NULL,              -- the user's or task's revision it was made from
    given         INTEGER NOT NULL CHECK (given IN (0, 1)),
    embedding     BLOB    NOT NULL,
    UNIQUE (id, kind, model, model_version)
) STRICT;

CREATE TABLE changes (
    change INTEGER PRIMARY KEY AUTOINCREMENT,
    kind   TEXT    NOT NULL CHECK (kind IN ('user', 'item', 'all')),
    id     TEXT    NOT NULL
) STRICT;
