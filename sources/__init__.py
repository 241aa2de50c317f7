"""dlt sources for Klipit and Clipus. A folder can be copied elsewhere together with `shared`."""
