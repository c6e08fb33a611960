"""The composition root: builds the parts, hands each the others that it needs, and says in which order they start."""
