"""The vendor's cloud: MQTT and REST. No wire envelope leaves this room."""
