"""Wi-Fi through NetworkManager's D-Bus interface: the only place that knows either of the two."""
