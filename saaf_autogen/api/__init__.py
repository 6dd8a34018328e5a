"""The HTTP host: OAuth endpoints, actions, semantic layer, runs."""
