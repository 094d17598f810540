"""What a page's template is filled with."""

from __future__ import annotations

from typing import Any

View = dict[str, Any]
"""Values by the names that the template has for them; `status`, where it is there, is the answer's HTTP status."""
