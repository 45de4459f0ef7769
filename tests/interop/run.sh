#!/bin/sh
# What the program writes and prints, against other people's programs: onnxruntime, OpenVINO, PyTorch, scikit-learn, scikit-image.
# `make interop` runs every check_*.py here; `sh tests/interop/run.sh torch` only check_torch.py. What it installs and writes stays in the
# ignored folder .interop (about 6 GB where only the CUDA build of PyTorch can be had, else 2).
set -eu
cd "$(dirname "$0")/../.."

if ! cmp -s tests/interop/requirements.txt .interop/requirements.txt; then
    python3 -m venv .interop
    # PyTorch's own index has a build without CUDA, a tenth of the other's size; not every machine can reach it.
    .interop/bin/pip install --quiet --retries 0 --index-url https://download.pytorch.org/whl/cpu torch 2> /dev/null || true
    .interop/bin/pip install --quiet -r tests/interop/requirements.txt
    cp tests/interop/requirements.txt .interop/requirements.txt
fi
cargo build --release --locked
rm -rf .interop/work
mkdir .interop/work

if [ $# -eq 0 ]; then
    set -- $(cd tests/interop && ls check_*.py | sed 's/^check_//; s/\.py$//')
fi
for name in "$@"; do
    echo "== $name"
    .interop/bin/python "tests/interop/check_$name.py"
done
echo "== all of it agrees"
