"""What people read of the published file: tables in four formats, the page, the dictionary.

It may import health and every room below it; nothing here writes a store.
"""
