-- 0007: tasks: what has a model of its own, made of labelled rows, as a shop, a meter or a patient has.
-- Its contexts (kind 'task') are in the table of contexts. The log of changes gets two kinds more, and keeps what it has and its numbers.
-- A task's counter stands before its profile: who counts reads no profiles.

CREATE TABLE tasks (
    task_key   INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 256),
    revision   INTEGER NOT NULL,
    keeps_rows INTEGER NOT NULL CHECK (keeps_rows IN (0, 1)), -- 0: rows are forgotten once they are in its contexts
    n_rows     INTEGER NOT NULL,                 -- rows stored
    profile    TEXT                              -- a JSON object
) STRICT;

CREATE TABLE task_rows (
    task_key INTEGER NOT NULL REFERENCES tasks (task_key) ON DELETE CASCADE,
    number   INTEGER NOT NULL,                   -- order of arrival: 1, 2, ..
    content  TEXT    NOT NULL,                   -- a JSON object, the target among its names
    PRIMARY KEY (task_key, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE changes_with_tasks (
    change  INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT    NOT NULL CHECK (kind IN ('user', 'gone', 'item', 'task', 'task_gone', 'all')),
    row_key INTEGER NOT NULL                     -- of users, of items, of tasks; 0: none
) STRICT;
INSERT INTO sqlite_sequence (name, seq) SELECT 'changes_with_tasks', seq FROM sqlite_sequence WHERE name = 'changes';
INSERT INTO changes_with_tasks SELECT change, kind, row_key FROM changes;
DROP TABLE changes;
ALTER TABLE changes_with_tasks RENAME TO changes;
