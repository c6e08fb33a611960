"""The service on a real systemd, in a container of its own. Needs root; `make board`."""
