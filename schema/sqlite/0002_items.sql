-- 0002: items can be taken out of answers, and who took an item can be found.
-- A deleted item keeps its row and its key: interactions and trained models still name it, and a key never comes back
-- for another item.

ALTER TABLE items ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1));

CREATE INDEX interactions_by_item ON interactions (item_key, timestamp);
