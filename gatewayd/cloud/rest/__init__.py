"""The cloud's REST API: the transport, and the endpoints that this gateway needs, section by section."""
