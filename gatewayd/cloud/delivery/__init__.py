"""What the cloud still has to hear over REST: taken from the outbox, sent, and settled."""
