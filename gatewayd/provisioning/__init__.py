"""Discovery and Wi-Fi provisioning over UDP."""
