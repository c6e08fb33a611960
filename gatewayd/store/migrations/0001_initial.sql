-- Ids are given by the daemon, in the order in which things happened: nothing is ever ordered by a clock.
-- The working set's indices are in memory, so that one write touches one page a table. Times are ms since 1970, UTC.

-- Each device's record as the cloud would show it: JSON without its nulls, secrets sealed.
CREATE TABLE mirror (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    body BLOB NOT NULL
) STRICT;

-- What still has to be sent to the cloud. `kind` is the tag of the item in `body`, and decides its route.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    uuid TEXT NOT NULL,
    body BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What the cloud will never accept, and why.
CREATE TABLE dead_letter (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    uuid TEXT NOT NULL,
    body BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    reason TEXT NOT NULL,
    buried_at INTEGER NOT NULL
) STRICT;

-- Every request that was begun; `answer` is null until there is a final one.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    user TEXT NOT NULL,
    sn TEXT NOT NULL,
    category TEXT NOT NULL,
    uuid TEXT NOT NULL,
    exectype TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    answer BLOB
) STRICT;

-- Sealed secrets.
CREATE TABLE vault (
    name TEXT PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fact (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Events that carry their lock's own time, to be compared with its log.
CREATE TABLE lock_event (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL,
    lock_time INTEGER NOT NULL,
    source INTEGER NOT NULL,
    code INTEGER NOT NULL,
    user INTEGER,
    at INTEGER NOT NULL
) STRICT;

-- The keys in a lock's slots.
CREATE TABLE lock_key (
    uuid TEXT NOT NULL,
    slot INTEGER NOT NULL,
    key_type INTEGER NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    member_id INTEGER,
    PRIMARY KEY (uuid, slot)
) STRICT, WITHOUT ROWID;
