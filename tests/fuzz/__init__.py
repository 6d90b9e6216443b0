"""Hostile bytes for everything that reads what a peer, or a stranger's file, wrote.

    subjects/*.py ── check(bytes) ──┬── test_corpus.py   replays corpus/*.txt: an ordinary test, no fuzzer needed
                                    └── driver.py        under atheris, which looks for bytes that reach new code

Rules:

* One subject a file, each with its property in its docstring. ``check`` returns whether the bytes were accepted; what it
  raises is a finding: any error but the named ones that the function under test promises, or a broken property.
* Checks are deterministic and leave nothing behind, so a line of the corpus fails today as it failed on the day it was found.
* A finding's bytes go into the corpus, with a comment that says what they did, in the commit that mends it.
* What an input makes us allocate is bounded by its length: see ``target.peak_of``.

``python -m fuzz --help``, in the folder ``tests``, says how to run it; ``make fuzz`` sets it up first.
"""
