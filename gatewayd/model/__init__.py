"""Everything that a room says to another: records, statuses, requests, events. Pure: imports nothing of ours."""
