-- 0003: who took an item can be found for items that models are yet to learn, not for all.
-- Every interaction dirties one page of that index for each item, which was most of what a registration wrote, and what
-- a model was trained with is not asked for. An interaction of a followed item is in the index, always; others may be.
-- What an earlier program wrote, or one that still runs, is in it: hence the default.

ALTER TABLE items ADD COLUMN followed INTEGER NOT NULL DEFAULT 0 CHECK (followed IN (0, 1));
ALTER TABLE interactions ADD COLUMN followed INTEGER NOT NULL DEFAULT 1 CHECK (followed IN (0, 1));

DROP INDEX interactions_by_item;
CREATE INDEX interactions_by_item ON interactions (item_key, timestamp) WHERE followed = 1;
