"""SQLite: the mirror, the outbox, the command journal, secrets. No other package opens the database."""
