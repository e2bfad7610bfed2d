-- 0008: users and items of a large import are written before its end, and nobody sees them until then.
-- A row of users or items whose revision is negative is of the load with that number. It is there once the load has a change, which
-- is the row's revision; the row is marked so afterwards, and the load's row goes. What a load leaves that ended otherwise is deleted.

CREATE TABLE loads (
    load       INTEGER PRIMARY KEY,
    first_user INTEGER NOT NULL,                 -- keys of its users are from here
    first_item INTEGER NOT NULL,                 -- and of its items
    change     INTEGER                           -- NULL: it is not over
) STRICT;
