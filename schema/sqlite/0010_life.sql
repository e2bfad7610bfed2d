-- 0010: the life of an item: hidden, available for a time, and since when it is there.
-- Times are seconds since 1970 UTC. What was there before has no known beginning.

ALTER TABLE items ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0 CHECK (hidden IN (0, 1)); -- 1: in no list
ALTER TABLE items ADD COLUMN available_from INTEGER;                                     -- in no list before; NULL: at once
ALTER TABLE items ADD COLUMN available_until INTEGER;                                    -- nor from then on; NULL: for good
ALTER TABLE items ADD COLUMN created INTEGER;                                            -- NULL: not known
