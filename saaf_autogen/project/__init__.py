"""The composition root: a deployment folder becomes a working host."""
