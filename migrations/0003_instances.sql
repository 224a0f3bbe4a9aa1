-- Instances have names of their own, come and go while their session runs, and may have different images.

ALTER TABLE instances ADD COLUMN hostname TEXT NOT NULL DEFAULT '' CHECK (length(hostname) <= 63);
-- Image that it was started from, by its name; empty for those of before.
ALTER TABLE instances ADD COLUMN image TEXT NOT NULL DEFAULT '';
