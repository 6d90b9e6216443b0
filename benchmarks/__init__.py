"""What a call costs, here and elsewhere, measured in one run. ``python -m benchmarks``; see ``benchmarks/README.md``.

__main__ (command line) ─▶ scenarios/* (what is measured, in which order) ─▶ caller ─▶ one process per peer
                        ─▶ report (table, verdict, JSON)                              ├ peers/* (how to call it)
                                                                                      └ loops (how to time it)
"""
