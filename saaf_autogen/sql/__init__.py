"""Guarded SQL: the structural-projection guard and the warehouses it runs on."""
