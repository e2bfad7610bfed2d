-- 0009: kinds of events: a user may have viewed an item, and bought it, and neither takes the other's place.
-- Kinds are numbered and never go; number 0 is what has no kind, as all that was there before. An interaction says how often it
-- came and when first. Events that carry an id are counted once: the ids of the newest events are kept.

CREATE TABLE kinds (
    kind     INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL UNIQUE,
    weight   REAL    NOT NULL CHECK (weight >= 0),
    negative INTEGER NOT NULL CHECK (negative IN (0, 1)),
    unseen   INTEGER NOT NULL CHECK (unseen IN (0, 1)), -- 1: an item that somebody has by this kind alone may be recommended
    ttl      INTEGER CHECK (ttl > 0)                    -- seconds that it is kept; NULL: always
) STRICT;
INSERT INTO kinds (kind, name, weight, negative, unseen) VALUES
    (0, 'interaction', 1.0, 0, 0),
    (1, 'view',        0.2, 0, 0),
    (2, 'like',        1.0, 0, 0),
    (3, 'purchase',    1.0, 0, 0),
    (4, 'dislike',     1.0, 1, 0),
    (5, 'shown',       0.0, 0, 1);

DROP TABLE IF EXISTS interactions_next;                 -- what a load of before left
DROP TABLE IF EXISTS interactions_old;
CREATE TABLE interactions_by_kind (
    user_key   INTEGER NOT NULL REFERENCES users (user_key) ON DELETE CASCADE,
    item_key   INTEGER NOT NULL REFERENCES items (item_key),
    kind       INTEGER NOT NULL DEFAULT 0,              -- of kinds; not checked at each row
    weight     REAL    NOT NULL CHECK (weight > 0),
    rating     REAL,
    timestamp  INTEGER NOT NULL,                        -- of the last: seconds since 1970 UTC, or any rising order; 0: not known
    position   INTEGER NOT NULL,                        -- order of arrival, for equal timestamps
    followed   INTEGER NOT NULL DEFAULT 1 CHECK (followed IN (0, 1)),
    count      INTEGER NOT NULL DEFAULT 1 CHECK (count > 0),
    first_time INTEGER NOT NULL DEFAULT 0,              -- of the first; 0: as of the last
    PRIMARY KEY (user_key, item_key, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO interactions_by_kind (user_key, item_key, weight, rating, timestamp, position, followed)
    SELECT user_key, item_key, weight, rating, timestamp, position, followed FROM interactions ORDER BY user_key, item_key;
DROP TABLE interactions;
ALTER TABLE interactions_by_kind RENAME TO interactions;
CREATE INDEX interactions_by_item ON interactions (item_key, timestamp) WHERE followed = 1;

CREATE TABLE event_ids (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,         -- order of arrival: the oldest go when there are too many
    user_key INTEGER NOT NULL REFERENCES users (user_key) ON DELETE CASCADE,
    id       TEXT    NOT NULL,
    UNIQUE (user_key, id)
) STRICT;
