"""The vendor's cloud: MQTT (§4) and REST (§1 to §3, §11). Its envelopes and answers stay in this package."""
