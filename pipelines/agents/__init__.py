"""`clipmart mcp`: reports, SQL, status and definitions for agents, over the Model Context Protocol.

It may import reports, health and every room below them; nothing here writes a store or calls an
API. The server (`server`, `http`) never opens the published file: workers, processes of their own,
do (`worker`), so a statement that ignores its limits ends its worker and nothing else.
"""
