"""MQTT (§4): the connection, the topics and envelopes, what is published and what is asked."""
