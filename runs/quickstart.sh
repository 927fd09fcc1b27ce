#!/usr/bin/env bash
# From nothing to a picture in a few minutes on a CPU: makes .venv, installs, trains a small LAG on the embedded cartoon
# faces, writes quickstart/candidates.png and walk.webp, and leaves the run for TensorBoard. Run again, it goes on where it was.
set -euo pipefail
if [ $# -gt 0 ]; then echo "error: runs/quickstart.sh takes no words or flags: bash runs/quickstart.sh" >&2; exit 1; fi
source "$(dirname "$0")/venv.sh" requirements.txt
# While it trains, preview.png in the run's folder shows what it has learnt so far.
echo "it draws its training faces and trains on them, some minutes; from a tenth of the training on look at the preview.png that"
echo "it names below, drawn anew at each tenth"
# Without --recipe=posterior, and with --training_kimg=16 --transition_kimg=8, it trains as the reference does.
python lag.py --dataset=toyfaces32 --scale=4 --filters=64 --filters_min=16 --blocks=2 --noise_dim=16 \
  --recipe=posterior --batch=8 --center_every=1 --energy_every=1 --total_kimg=80 --save_kimg=8 --report_kimg=2 \
  --data_dir=quickstart/data --train_dir=quickstart/runs
args=$(ls -t quickstart/runs/toyfaces32/average4X/LAG_*recipeposterior*/args/args.json | head -n 1)  # the newest run's
run=$(dirname "$(dirname "$args")")
python scripts/lag_generate_candidates.py --run="$run" --data_dir=quickstart/data --samples=0-7 --ncand=5 --cell=160 \
  --output=quickstart/candidates.png
python scripts/figures.py --run="$run" --data_dir=quickstart/data --figure=walk --samples=0-3 --output=quickstart/walk.webp
echo "look at $PWD/quickstart/candidates.png: a row a face; the original, what LAG was given, its centre, and ever more noise"
echo "and, in a web browser, at $PWD/quickstart/walk.webp: from the centre to other faces of the same input, and back"
echo "explore its faces in a browser with: .venv/bin/python scripts/explore.py --model=$run"
echo "watch the run with: .venv/bin/tensorboard --logdir quickstart/runs"
