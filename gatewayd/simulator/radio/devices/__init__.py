"""The kinds of devices that can be simulated, one short module each."""
