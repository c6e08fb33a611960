"""Door locks beyond the radio: their events and what follows from them, and their keys."""
