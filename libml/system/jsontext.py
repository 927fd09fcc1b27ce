"""Reading JSON that anybody may have written."""

import json
from typing import Any


def parse(text: str | bytes) -> Any:
    """json.loads, for which text that is nested too deeply is as wrong as any other.

    Raises:
        ValueError: if it is no JSON.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
