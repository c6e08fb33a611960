"""The types that travel between packages: records, statuses, requests, events. Pure: imports no other package."""
