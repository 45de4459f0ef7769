// Reductions in a fixed order that several rooms need: sums in f64, and column sums of a matrix. No op lives here.
//
// Losses and norms add in f64 as their host twins do: squares of large gradients overflow f32, and sums over millions of
// elements lose too much in it.
#pragma once
#include "common.cuh"

__device__ __forceinline__ double warp_sum(double value) {
#pragma unroll
    for (int distance = WARP / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
    return value;
}

// As block_sum of common.cuh, in f64; `scratch` is 32 doubles of shared memory.
__device__ __forceinline__ double block_sum(double value, double* scratch) {
    value = warp_sum(value);
    if (lane_index() == 0) scratch[warp_index()] = value;
    __syncthreads();
    const int warps = static_cast<int>(blockDim.x) / WARP;
    const double all = warp_sum(lane_index() < warps ? scratch[lane_index()] : 0.0);
    __syncthreads();
    return all;
}

// The sum of a list of partial sums by a single block, known to every thread.
__device__ __forceinline__ double sum_partials(const double* __restrict__ partials, unsigned count, double* scratch) {
    double sum = 0.0;
    for (unsigned i = threadIdx.x; i < count; i += blockDim.x) sum += partials[i];
    return block_sum(sum, scratch);
}

// Adds one value of every row of threads of a two-dimensional block of at most 256 threads; row 0 gets the sums.
__device__ __forceinline__ float sum_rows_of_threads(float value, float* scratch) {
    scratch[threadIdx.y * blockDim.x + threadIdx.x] = value;
    __syncthreads();
    float sum = 0.0f;
    if (threadIdx.y == 0) {
        for (unsigned row = 0; row < blockDim.y; ++row) sum += scratch[row * blockDim.x + threadIdx.x];
    }
    return sum;
}

// Column sums of a row-major matrix. A block of [across, down] threads takes `across` columns, a thread every `down`-th
// row of one of them.
template <class T>
__device__ __forceinline__ void column_sums(const T* __restrict__ matrix, unsigned rows, unsigned columns,
                                            float* __restrict__ sums, float* scratch) {
    const unsigned column = blockIdx.x * blockDim.x + threadIdx.x;
    float sum = 0.0f;
    if (column < columns) {
#pragma unroll 8
        for (unsigned row = threadIdx.y; row < rows; row += blockDim.y) {
            sum += to_float(matrix[static_cast<size_t>(row) * columns + column]);
        }
    }
    sum = sum_rows_of_threads(sum, scratch);
    if (threadIdx.y == 0 && column < columns) sums[column] = sum;
}
