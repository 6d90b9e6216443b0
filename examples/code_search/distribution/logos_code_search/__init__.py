"""Search source code: the modules ``index`` and ``query``, and what they share with their callers (``model``)."""
