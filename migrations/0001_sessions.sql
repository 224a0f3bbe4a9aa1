-- The first shape: sessions, their instances and their terminals.
-- Rows outlive what they describe, so that an end page can say what became of a session.

CREATE TABLE sessions (
    id             TEXT    NOT NULL PRIMARY KEY,
    -- Number of the session at the supervisor, and of its range of host ids.
    number         INTEGER NOT NULL CHECK (number BETWEEN 1 AND 32000),
    playground     TEXT    NOT NULL,
    state          TEXT    NOT NULL CHECK (state IN ('starting', 'running', 'closing', 'ended')),
    -- Why it ends or ended; set from 'closing' on.
    end_reason     TEXT             CHECK (end_reason IN ('expired', 'closed', 'start_failed', 'operator',
                                                          'supervisor_lost', 'node_restarted')),
    -- What quotas count by: an address or a network.
    client         TEXT    NOT NULL,
    -- SHA-256 of the two secrets; the secrets themselves are nowhere.
    url_token_hash BLOB    NOT NULL CHECK (length(url_token_hash) = 32),
    api_token_hash BLOB    NOT NULL CHECK (length(api_token_hash) = 32),
    -- Milliseconds since 1970.
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    ended_at       INTEGER,
    -- Counts changes; whoever acts on a row says which state of it was seen.
    epoch          INTEGER NOT NULL DEFAULT 1,
    CHECK ((state IN ('closing', 'ended')) = (end_reason IS NOT NULL)),
    CHECK ((state = 'ended') = (ended_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX sessions_by_url_token ON sessions (url_token_hash);
-- A number belongs to one session until that has ended.
CREATE UNIQUE INDEX sessions_live_number ON sessions (number) WHERE state <> 'ended';
CREATE INDEX sessions_live_client ON sessions (client) WHERE state <> 'ended';
CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE instances (
    session_id TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    place      INTEGER NOT NULL CHECK (place BETWEEN 0 AND 15),
    state      TEXT    NOT NULL CHECK (state IN ('starting', 'running', 'stopped', 'ended')),
    PRIMARY KEY (session_id, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE terminals (
    session_id  TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL CHECK (number > 0),
    place       INTEGER NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('opening', 'open', 'ended')),
    exit_code   INTEGER,
    exit_signal INTEGER,
    created_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    PRIMARY KEY (session_id, number),
    CHECK ((state = 'ended') = (ended_at IS NOT NULL))
) STRICT, WITHOUT ROWID;
