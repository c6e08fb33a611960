"""The installer's phone in a terminal, `gatewayctl provision`: the other end of what this room answers."""
