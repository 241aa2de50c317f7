"""Known ids: parsing, track, untrack, list; and balances recorded by hand.

It may import landing, warehouse, ledger and the ground modules.
"""
