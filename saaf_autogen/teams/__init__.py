"""Everything that touches AutoGen; nothing else imports it."""
