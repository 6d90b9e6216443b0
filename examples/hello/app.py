"""The smallest app: one module in a process of its own, one call, one event.

Run it where logoscore is installed: ``python examples/hello/app.py``.
"""

from pathlib import Path

import logoscore

with logoscore.Core(plugins_dir=Path(__file__).parent / "modules") as core:
    greeter = core.load_plugin("greeter")
    with greeter.subscribe("greeted") as events:
        print(greeter.call("greet", "world"))
        print("heard:", events.get(timeout=5.0).data)
