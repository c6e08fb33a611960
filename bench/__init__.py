"""Measurements: `python -m bench` beside peers, `bench.joining` of a Wi-Fi join, `bench.soak` of a long run."""
