"""Mirror and cloud brought to agree: what is pulled, whose word counts, what is pushed."""
