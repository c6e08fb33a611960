"""Discovery and Wi-Fi provisioning over UDP (§10, §13)."""
