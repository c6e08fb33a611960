"""The vendor's broker, simulated by a real one: Mosquitto, or amqtt where that is not installed."""

from gatewayd.simulator.broker.broker import KINDS, Broker
from gatewayd.simulator.broker.kind import BrokerError, BrokerKind

__all__ = ["KINDS", "Broker", "BrokerError", "BrokerKind"]
