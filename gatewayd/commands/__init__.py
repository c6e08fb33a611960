"""Requests from any interface: checked, journalled, executed once and answered once."""
