#!/usr/bin/env bash
# The paper's experiments, and the compared methods on the same data: faces at 8x, 16x and 32x (figures 1, 2, 5 and 7),
# bedrooms and churches at 8x (figures 3 and 4). Read it as a list, or run it all on a GPU; run again, it goes on where it
# was. Its arguments go to every command, e.g. --data_dir=/data.
set -euo pipefail
source "$(dirname "$0")/venv.sh" requirements.txt requirements-gpu.txt

python lag.py --dataset=celeba128 --scale=8 "$@"
python lag.py --dataset=celeba128 --scale=16 "$@"
python lag.py --dataset=celeba128 --scale=32 "$@"
python lag.py --dataset=lsun_bedroom128 --scale=8 "$@"
python lag.py --dataset=lsun_church_outdoor128 --scale=8 "$@"

python edsr.py --dataset=celeba128 --scale=8 "$@"
python edsr.py --dataset=celeba128 --scale=16 "$@"
python edsr.py --dataset=celeba128 --scale=32 "$@"
python edsr.py --dataset=lsun_bedroom128 --scale=8 "$@"
python edsr.py --dataset=lsun_church_outdoor128 --scale=8 "$@"

# These two need VGG19: see docs/compared-methods.md.
python srgan.py --dataset=celeba128 --scale=8 "$@"
python srgan.py --dataset=celeba128 --scale=16 "$@"
python srgan.py --dataset=celeba128 --scale=32 "$@"
python srgan.py --dataset=lsun_bedroom128 --scale=8 "$@"
python srgan.py --dataset=lsun_church_outdoor128 --scale=8 "$@"

python srgan2.py --dataset=celeba128 --scale=8 "$@"
python srgan2.py --dataset=celeba128 --scale=16 "$@"
python srgan2.py --dataset=celeba128 --scale=32 "$@"
python srgan2.py --dataset=lsun_bedroom128 --scale=8 "$@"
python srgan2.py --dataset=lsun_church_outdoor128 --scale=8 "$@"

python cgan.py --dataset=celeba128 --scale=8 "$@"
python cgan.py --dataset=celeba128 --scale=16 "$@"
python cgan.py --dataset=celeba128 --scale=32 "$@"
python cgan.py --dataset=lsun_bedroom128 --scale=8 "$@"
python cgan.py --dataset=lsun_church_outdoor128 --scale=8 "$@"
