"""What a machine is: versions, devices, drivers. The one module that asks other programs (git, nvidia-smi)."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lag.performance.machine.words import DEVICES, NOT_FAST
from libml.system import cpu, hardware

ROOT = Path(__file__).resolve().parents[3]
DRIVER = Path("/proc/driver/nvidia/version")  # of Linux
WIDTHS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")  # instruction sets that are named


def rows(devices: int) -> Iterator[dict[str, Any]]:
    """A row {"what", "is"} for each fact.

    Args:
        devices: how many are used.
    """
    build = tf.sysconfig.get_build_info()
    facts = {
        "commit": _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "Python": platform.python_version(),
        "system": platform.platform(),
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "NumPy": np.__version__,
        "CUDA of TensorFlow": build.get("cuda_version", ""),
        "cuDNN of TensorFlow": build.get("cudnn_version", ""),
        "CPU": _model(),
        "cores": cpu.available_cores(),
        "instructions": " ".join(name for name in WIDTHS if name in cpu.features()),
        "bfloat16": "" if hardware.on_gpus() or cpu.has_bfloat16() else NOT_FAST,
        "RAM, GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "NVIDIA's driver": driver(),
        **{f"GPU {i}": described for i, described in enumerate(hardware.descriptions())},
        DEVICES: devices,
    }
    yield from ({"what": name, "is": value} for name, value in facts.items() if value not in ("", None))


def _said(*command: str) -> str:
    """What another program prints, in one line; '' if it is not there or fails."""
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return "" if done.returncode else "; ".join(done.stdout.split("\n")).strip("; ")


def driver() -> str:
    """NVIDIA's driver and the GPUs that it knows, as nvidia-smi or the kernel says; '' if there is none."""
    said = _said("nvidia-smi", "--query-gpu=driver_version,name,memory.total", "--format=csv,noheader")
    return said or (DRIVER.read_text().split("\n")[0] if DRIVER.exists() else "")


def _model() -> str:
    if not cpu.CPU_INFO.exists():
        return platform.processor() or sys.platform
    lines = [line.split(":", 1)[1].strip() for line in cpu.CPU_INFO.read_text().splitlines() if "model name" in line]
    return lines[0] if lines else platform.machine()
