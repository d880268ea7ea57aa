"""Types that several layers share.

Stands alone because every layer uses these names.
"""

from __future__ import annotations

from typing import Any, TypeAlias

#: What `json.loads` gives back. `Any`, because JSON enters and leaves the program here.
JSON: TypeAlias = Any
JSONObject: TypeAlias = dict[str, Any]
