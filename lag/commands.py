"""The programs as commands of an installed package: lag-train is lag.py, lag-upscale scripts/upscale.py, and so on."""

import runpy
from pathlib import Path


def train() -> None:
    """Runs lag.py, which lies beside this package."""
    runpy.run_path(str(Path(__file__).resolve().parent.parent / "lag.py"), run_name="__main__")


def _program(name: str) -> None:
    """Runs scripts/NAME.py, installed as lag_programs/NAME.py."""
    runpy.run_module(f"lag_programs.{name}", run_name="__main__", alter_sys=True)


def upscale() -> None:
    """Runs scripts/upscale.py."""
    _program("upscale")


def explore() -> None:
    """Runs scripts/explore.py."""
    _program("explore")


def evaluate() -> None:
    """Runs scripts/evaluate.py."""
    _program("evaluate")


def export() -> None:
    """Runs scripts/export.py."""
    _program("export")


def data() -> None:
    """Runs scripts/create_datasets.py."""
    _program("create_datasets")
