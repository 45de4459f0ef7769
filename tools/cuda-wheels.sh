#!/bin/sh
# Puts the pinned wheels of a CUDA compiler into the ignored folder .cuda/, unless an nvcc is there already: NVCC, CUDA_HOME,
# CUDA_PATH, .cuda/ or PATH, in the order of build.rs. 104 MB; no GPU, no driver and no system CUDA are needed.
set -eu
cd "$(dirname "$0")/.."
for nvcc in "${NVCC:-}" "${CUDA_HOME:-}/bin/nvcc" "${CUDA_PATH:-}/bin/nvcc" .cuda/nvidia/cu13/bin/nvcc nvcc /usr/local/cuda/bin/nvcc; do
    if [ -n "$nvcc" ] && "$nvcc" --version > /dev/null 2>&1; then
        exit 0
    fi
done
if ! python3 -m pip --version > /dev/null 2>&1; then
    echo "no nvcc and no pip: the kernels are not compiled for cards (set CUDA_HOME, or install python3-pip)" >&2
    exit 0
fi
echo "no nvcc found: fetching the pinned CUDA 13.0 compiler into .cuda/"
# The five are the least that compiles; --no-deps, or pip brings more.
python3 -m pip install --quiet --no-deps --no-compile --only-binary=:all: --target .cuda.part \
    nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 \
    nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85
rm -rf .cuda
mv .cuda.part .cuda
