"""The embedded OAuth 2.0 authorization server, on Authlib's core."""
