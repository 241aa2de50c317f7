"""Known ids: parsing, track, untrack, list; and balances noted by hand.

It may import landing, warehouse, ledger and the ground modules.
"""
