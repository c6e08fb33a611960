-- What else the cloud keeps of the home: spaces, members, authorizations, keys … as it said it last, sealed.
CREATE TABLE copy (
    kind TEXT NOT NULL,
    id INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
