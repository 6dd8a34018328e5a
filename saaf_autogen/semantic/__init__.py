"""The semantic layer: what the warehouse's data means, per caller."""
