#!/usr/bin/env bash
# Makes the model in the box again, lag/box/toyfaces32: trains for 1,000 kimg, two hours of one CPU core,
# exports, says the licence. The weights differ by rounding from machine to machine.
set -euo pipefail
source "$(dirname "$0")/venv.sh" requirements.txt
python lag.py --dataset=toyfaces32 --scale=4 --filters=64 --filters_min=16 --blocks=2 --noise_dim=16 \
  --recipe=posterior --total_kimg=1000 --save_kimg=8 --report_kimg=8 \
  --data_dir=build/box/data --train_dir=build/box/runs
python scripts/export.py --run=build/box/runs --weights=float16 --output=build/box/toyfaces32
mkdir -p lag/box/toyfaces32
cp -R build/box/toyfaces32/. lag/box/toyfaces32/
rm -f lag/box/toyfaces32/fingerprint.pb
python - lag/box/toyfaces32/README.md <<'END'
import pathlib, sys

card = pathlib.Path(sys.argv[1])
text = card.read_text().replace("library_name:", "license: apache-2.0\nlibrary_name:", 1)
text, _, _ = text.partition(" The licence of these\nweights")
card.write_text(text + """

This model comes with lag-tf2, for a first look. Its toy faces are cartoons that the project draws: no photograph and no
person was shown to it. `runs/model_in_the_box.sh` trains it (`--recipe=posterior`, 1,000 kimg) and exports it. Licence:
Apache-2.0, as the project's.
""")
END
