"""SAAF for AutoGen: the Secure Agent Augmentation Framework."""

__version__ = "0.1.0"
