"""The socket that gatewayctl speaks to."""
