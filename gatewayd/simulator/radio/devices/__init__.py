"""The kinds of devices that a household has, one short module each."""
