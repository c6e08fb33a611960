"""The daemon as a process, stopped at any moment and in any state: it always ends, or restarts what failed."""
