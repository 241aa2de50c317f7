"""The landing store: its tables, what the inbox becomes, the loader and its destinations.

It may import the warehouse (a lake is both) and the ledger.
"""
