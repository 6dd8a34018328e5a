"""Random grants, random queries, and what those queries must give under those grants."""
