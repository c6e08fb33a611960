"""The outbox's items for REST: taken, sent alone or in batches, and what the cloud's answer changes here."""
