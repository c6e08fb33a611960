"""SQLite: the mirror, the outbox, the command journal, secrets. Nothing else opens the database."""
