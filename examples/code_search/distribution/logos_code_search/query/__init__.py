"""The module ``query``."""
