-- 0004: a context says which items its user had when it was made.
-- A user whose weights are not cached is answered from one row: without it, all interactions of the user were read to know what
-- to leave out, which took longer than the arithmetic.

ALTER TABLE contexts ADD COLUMN taken BLOB; -- the revision it is of (int64), then the keys of the items, rising (uint32 each);
                                            -- little-endian. NULL or of another revision than the user's: read the interactions
