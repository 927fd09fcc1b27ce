"""LAG, the Latent Adversarial Generator: sets of plausible high-resolution images from a tiny one.

import lag

model = lag.load("RUN_OR_EXPORT")
images = model.sample(y, n=8)  # y: uint8 [h, w, C] -> uint8 [8, scale * h, scale * w, C]
"""

from typing import TYPE_CHECKING, Any

from libml.errors import UserError

if TYPE_CHECKING:
    from lag.api import Model, load

__all__ = ["Model", "UserError", "load"]


def __getattr__(name: str) -> Any:
    """What lag/api.py defines, imported when it is first asked for: that takes seconds."""
    if name in ("Model", "load"):
        from lag import api

        return getattr(api, name)
    raise AttributeError(f"module 'lag' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
