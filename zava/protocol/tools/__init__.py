"""The tools, a module for each subject; each tool is a function that calls a service.

To add one, declare a function with `read_only_tool` in the module of its subject, and
let that module be imported here.
"""

from zava.protocol.tools import exports, metric_tools, products, query, sales, status
from zava.protocol.tools.declaration import DECLARED, Declaration, Services

__all__ = (
    "DECLARED",
    "Declaration",
    "Services",
    "exports",
    "metric_tools",
    "products",
    "query",
    "sales",
    "status",
)
