#!/bin/sh
# Puts the pinned wheels of a CUDA compiler (tools/cuda-wheels.txt, by their hashes) into the ignored folder .cuda/, unless an nvcc
# is there already: NVCC, CUDA_HOME, CUDA_PATH, .cuda/ or PATH, in the order of build.rs. No GPU, no driver and no system CUDA are
# needed. The folder appears whole or not at all.
#
# Where they cannot be had, which is what a machine without pip or network is, it says so and that is all: the program is then built
# without CUDA kernels, and the tests that look at compiled kernels skip themselves by name.
set -eu
cd "$(dirname "$0")/.."
[ "${HALLUCINET_CUDA:-}" != off ] || exit 0
for nvcc in "${NVCC:-}" "${CUDA_HOME:-}/bin/nvcc" "${CUDA_PATH:-}/bin/nvcc" .cuda/nvidia/cu13/bin/nvcc nvcc /usr/local/cuda/bin/nvcc; do
    if [ -n "$nvcc" ] && "$nvcc" --version > /dev/null 2>&1; then
        exit 0
    fi
done

part=$(mktemp -d .cuda.part.XXXXXX)
trap 'rm -rf "$part"' EXIT
trap 'exit 130' INT TERM
without() {
    echo "no nvcc, and $1: kernels are not compiled for cards (set CUDA_HOME, or run again with network)" >&2
    exit 0
}
python3 -m pip --version > /dev/null 2>&1 || without "no pip (python3-pip) to fetch one"
echo "no nvcc found: fetching the pinned CUDA 13.0 compiler into .cuda/ (104 MB, once)"
# --no-deps, or pip brings more. A network that swallows packets is given up after 40 s.
python3 -m pip install --quiet --disable-pip-version-check --no-input --retries 1 --timeout 20 --no-deps --no-compile \
    --only-binary=:all: --require-hashes --target "$part" -r tools/cuda-wheels.txt > "$part.log" 2>&1 ||
    { tail -n 2 "$part.log" >&2; rm -f "$part.log"; without "its wheels cannot be fetched"; }
rm -f "$part.log"
"$part/nvidia/cu13/bin/nvcc" --version > /dev/null || without "the one from the wheels does not run here"
chmod 755 "$part"
rm -rf .cuda
mv "$part" .cuda
# cargo watches no path that was not there when it last asked: this makes it ask build.rs again.
touch build.rs
