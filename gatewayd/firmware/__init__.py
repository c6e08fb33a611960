"""The gateway's own firmware (§2.12): versions, and the check for newer ones."""
