"""The programs of the scenario ``c-library``: the same call through the C library and from Python.

``call.c`` and ``__main__.py`` are driven alike. They load ``modules/adder``, write ``ready``, and for each line with a
number of nanoseconds on their input call ``add(1, 2)`` back to back for so long, checking every result, and write a line
of the round trips' nanoseconds. They end when their input does.
"""

from __future__ import annotations
