"""What a call through the C library costs, beside the same call from Python: ``python -m benchmarks.c_library``.

Round trips of ``add(1, 2)``, one after the other, hot: each in a process of its own with its own core, interleaved, the
result checked. Three ways:

* C: ``logos_core_call_plugin_method_async``, then ``logos_core_process_events`` until the callback has run;
* Python, the same pair of functions;
* Python, ``client.call``, which waits for the reply itself.
"""

from __future__ import annotations
