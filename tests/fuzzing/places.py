"""Where things are in the kit, and so in a sandbox."""

import shutil
from pathlib import Path

RUN = (
    "runs/cifar10/average4X/LAG_batch8_blocks1_filters8_filters_min4_lod_min1_lr0.001_mse_weight10.0_noise_dim2_"
    "training_kimg1_transition_kimg1_ttur4_wass_target1.0_weight_avg0.999"
)
EDSR = "runs/cifar10/average4X/EDSR_batch8_filters4_lr0.0001_repeat1"
TF1 = "tf1/cifar10/average4X"  # holds one run
NOISE = f"{RUN}/noise.json"  # what an evaluation recommends for the run
LAG_FLAGS = (  # of RUN
    *("--dataset=cifar10", "--scale=4", "--batch=8", "--blocks=1", "--filters=8", "--filters_min=4", "--noise_dim=2"),
    *("--training_kimg=1", "--transition_kimg=1", "--data_dir=data", "--train_dir=runs", "--noexport"),
)
TRAINED = tuple(  # going on changes
    f"{RUN}/{name}" for name in ("args/args.json", "metrics.jsonl", "preview.png", "tf/summaries/*", ".lock")
)


def bring(kit: Path, box: Path, *names: str) -> None:
    """Copies files or folders of the kit to their places in a sandbox."""
    for name in names:
        target = box / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (kit / name).is_dir():
            shutil.copytree(kit / name, target)
        else:
            shutil.copy(kit / name, target)
