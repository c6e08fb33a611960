"""Radio, devices, cloud, broker and phones without hardware: for the demo, tests and benchmarks."""
