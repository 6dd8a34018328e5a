"""Scaffolding: semantic files drafted from a live warehouse, compared with it, and verified.

``plan_scaffold`` plans changes that add to what people wrote and never touch it, ``find_drift``
says where files and warehouse have come apart, ``verify`` runs what the files promise.
"""
