"""How the rooms are tied together: the composition root's own drawers, one a side of the house."""
