"""The phone's side of discovery and provisioning (§10, §13)."""
