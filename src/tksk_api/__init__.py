"""Back end for the sub-district social welfare officers of Indonesia."""

__version__ = "0.2.0"
