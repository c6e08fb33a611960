"""The Zigbee radio: life cycle, catalogue, drivers, availability. No zigpy object leaves this room."""
