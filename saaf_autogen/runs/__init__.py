"""Durable execution of agents: runs, events, callbacks."""
