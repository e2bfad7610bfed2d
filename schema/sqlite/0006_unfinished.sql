-- 0006: a batch of many users leaves word that their contexts are yet to be made.
-- They are made after its transaction; who was killed in between left contexts of before, and the rows of new items without their
-- new takers, until somebody asked. A row goes when they are made; what is left is done at the next start.

CREATE TABLE unfinished (
    first_change INTEGER PRIMARY KEY,            -- of users whose revision is from here
    last_change  INTEGER NOT NULL                -- to here
) STRICT;
