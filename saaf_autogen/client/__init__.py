"""SAAF in a caller's hands: the same calls in process and over REST."""
