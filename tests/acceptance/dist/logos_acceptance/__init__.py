"""Sample modules that are installed rather than found in a directory."""
