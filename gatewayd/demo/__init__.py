"""gatewayd demo: the daemon on a simulated radio, cloud and broker, and what it shows of it."""
