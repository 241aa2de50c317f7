"""One sync: the worklist, fetching, loading by chunks, progress, the result.

It may import repair, submissions, landing, warehouse, ledger and the ground modules.
"""
