"""Coverage-guided fuzzing of every decoder of bytes from outside: `python -m fuzz --help`. Extra `fuzz` (atheris)."""
