"""A whole house and cloud without hardware, for the demo, the tests and the benchmarks. The daemon imports none of it."""
