"""The Zigbee radio and its devices: life cycle, catalogue, drivers, availability. No zigpy object leaves it."""
