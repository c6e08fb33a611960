"""One module a radio that zigpy drives, and what they raise, translated."""
