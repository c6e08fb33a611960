"""The sync: pulls the cloud's state section by section, merges it with the mirror, and queues what to send."""
