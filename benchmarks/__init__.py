"""Benchmarks: whole processes, measured from outside and compared with other tools."""
