-- 0005: the log of changes names nobody.
-- It kept the ids of people who were forgotten. Now it has the key of the row that changed, which is a number and means nothing when
-- the row is gone; 'gone' says so. Numbers go on where they were, so a revision never comes back; what was in the log goes, and
-- who follows it reads all anew once.

CREATE TABLE nameless_changes (
    change  INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT    NOT NULL CHECK (kind IN ('user', 'gone', 'item', 'all')),
    row_key INTEGER NOT NULL                     -- of users, of items; 0: none
) STRICT;
INSERT INTO sqlite_sequence (name, seq) SELECT 'nameless_changes', seq FROM sqlite_sequence WHERE name = 'changes';
DROP TABLE changes;
ALTER TABLE nameless_changes RENAME TO changes;
