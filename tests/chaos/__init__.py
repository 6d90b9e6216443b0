"""Chaos: an app under load, in which anybody may die at any moment; afterwards every call has ended and nothing is left.

    __main__ ─▶ run.py ── round by round ──┬── load.py       threads that call, submit, stream, subscribe; answers by model.py
                 │                         ├── mischief.py   threads that kill, stop, hang, spoil, unload, load
                 │                         └── apps.py       whole apps (app.py), killed from outside
                 ├── between two rounds: quiet.py   everybody answers again, and nothing is more than it was
                 ├── watcher.py            every single call: over within its deadline, or its stack is shown
                 └── tally.py              what was counted, and the verdict

Rules:

* Nothing is asserted in the middle of things: what is wrong is counted, shown, and fails the run at its end.
* A call may fail in many ways while its callee is killed, but with an error of ``logoscore.errors`` that fits, within its
  deadline and ``watcher.SLACK``; a call that returns, returns what ``model.py`` says.
* The seed decides who does what in which order. When each of it happens is up to the machine, so a seed repeats a run only
  roughly; what a run found is repeated by a test of its own.
* Signals go to children of this process only, through a pidfd, and names are looked for by pid and start time: others' runs
  on the machine are left alone.

``cd tests && python -m chaos --help``, or ``make chaos``.
"""
