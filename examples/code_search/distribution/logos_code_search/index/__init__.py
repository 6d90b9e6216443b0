"""The module ``index``. Its ``metadata.json`` is beside the file that its entry point names."""
