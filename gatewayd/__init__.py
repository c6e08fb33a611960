"""gatewayd: the gateway daemon of ZJCHILINK homes."""

__version__ = "0.1.0"
