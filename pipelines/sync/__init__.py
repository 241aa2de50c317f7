"""One sync: the worklist, fetching, loading by chunks, progress, the result.

It may import repair, landing, warehouse and ledger.
"""
