"""Wi-Fi through NetworkManager's D-Bus API; no other package uses NetworkManager or D-Bus."""
