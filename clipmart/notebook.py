"""What a notebook needs besides its question: its data, tables and charts.

`from clipmart.notebook import BLUE, charts, open_data, table`
"""

from __future__ import annotations

from pipelines.notebooks.charts import BLUE, GREEN, GREY, ORANGE, charts
from pipelines.notebooks.page import open_data, table

__all__ = ["BLUE", "GREEN", "GREY", "ORANGE", "charts", "open_data", "table"]
