"""A house and a cloud without hardware: for the demo, tests and benchmarks. The daemon imports none of it."""
