"""gatewayctl: what people ask a running daemon, and an installer's phone in a terminal."""
