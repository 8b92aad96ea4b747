"""The version of the product that this package is part of."""

__version__ = "0.1.0"
