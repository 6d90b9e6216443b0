"""What calls between processes cost, here and elsewhere, measured in one run. ``python -m benchmarks``; see ``README.md``.

options ─▶ __main__ ─▶ scenarios/* (what is measured, in which order) ─▶ caller ─▶ one process per peer
                    ─▶ reports/* (text, JSON, HTML, PNG, Markdown)                  ├ peers/* (how to call it)
                    ─▶ compare (with a run before), goals                           └ loops (how to time it)
hotpath/ counts, where times are not repeatable.
"""
