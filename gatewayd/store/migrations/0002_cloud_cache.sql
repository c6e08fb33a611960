-- What else the cloud has of the home (spaces, members, authorizations, keys …), as it last answered, sealed.
CREATE TABLE copy (
    kind TEXT NOT NULL,
    id INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
