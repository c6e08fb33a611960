"""Door locks: keys, temporary passwords, events, alarms."""
