"""What tests share."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]  # of the checkout
GOLDEN = ROOT / "tests" / "golden"  # arrays that the reference computed
