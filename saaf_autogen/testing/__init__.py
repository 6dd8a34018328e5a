"""Test doubles for users of SAAF: a clock to move, a model server to talk to."""
