-- Ports of instances whose owner wants something of them: they keep it over a restart of serve.
-- A port without a row has what its playground says.

CREATE TABLE ports (
    session_id    TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    place         INTEGER NOT NULL CHECK (place BETWEEN 0 AND 15),
    port          INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
    visibility    TEXT    NOT NULL CHECK (visibility IN ('private', 'link', 'closed')),
    -- Requests are told to be for localhost:<port>.
    rewrites_host INTEGER NOT NULL CHECK (rewrites_host IN (0, 1)),
    PRIMARY KEY (session_id, place, port)
) STRICT, WITHOUT ROWID;
