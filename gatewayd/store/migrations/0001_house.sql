-- The mirror: every record as the cloud would show it (msgspec's JSON of model.record.Record).
CREATE TABLE mirror (
    uuid   TEXT PRIMARY KEY,
    record BLOB NOT NULL
) WITHOUT ROWID;

-- The outbox: what the cloud still has to hear, in the order of `id`.
CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    lane       TEXT NOT NULL,      -- 'mqtt' or 'rest'
    kind       TEXT NOT NULL,      -- the word's tag: 'answer', 'notice', 'record' …
    uuid       TEXT NOT NULL,
    due        BLOB NOT NULL,      -- msgspec's JSON of a model.outgoing word
    created_at REAL NOT NULL,      -- Unix time; for people: the order is the id's
    attempts   INTEGER NOT NULL DEFAULT 0
);

-- What the cloud will never take, with its reason.
CREATE TABLE dead_letter (
    id         INTEGER PRIMARY KEY,
    uuid       TEXT NOT NULL,
    due        BLOB NOT NULL,
    created_at REAL NOT NULL,
    buried_at  REAL NOT NULL,
    reason     TEXT NOT NULL
);

-- The command journal: a request stands here before the radio is touched.
CREATE TABLE journal (
    user     TEXT NOT NULL,
    sn       TEXT NOT NULL,
    category TEXT NOT NULL,
    uuid     TEXT NOT NULL,
    exectype TEXT NOT NULL,
    begun_at REAL NOT NULL,
    answer   BLOB,                 -- the final answer (model.outgoing.AnswerDue); NULL while it runs
    PRIMARY KEY (user, sn)
);

-- Locks: the events that carry the lock's own stamp, to be compared with its log; keys in their slots.
CREATE TABLE lock_event (
    id        INTEGER PRIMARY KEY,
    uuid      TEXT NOT NULL,
    lock_time INTEGER NOT NULL,
    source    INTEGER NOT NULL,
    code      INTEGER NOT NULL,
    user      INTEGER,
    at        REAL NOT NULL
);
CREATE TABLE lock_key (
    uuid      TEXT NOT NULL,
    slot      INTEGER NOT NULL,
    key_type  INTEGER NOT NULL,
    name      TEXT NOT NULL,
    state     TEXT NOT NULL,
    member_id INTEGER,
    PRIMARY KEY (uuid, slot)
) WITHOUT ROWID;

-- Secrets, encrypted with a key that is not here.
CREATE TABLE vault (
    name   TEXT PRIMARY KEY,
    sealed BLOB NOT NULL
) WITHOUT ROWID;

-- Small facts that must survive: the last coordinator, what was last synced.
CREATE TABLE fact (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
