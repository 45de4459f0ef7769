// Gradient of a convolution to its filter and bias in f32 (formula and cut in filter.cuh): GEMM on ordinary multiply-adds, and the
// sum of the partial sums, which serves bf16 as well.
//
//   conv_filter          partial sums of one chunk of pixels
//   conv_filter_reduce   dw and db: the partial sums added in the order of the chunks
//
// x and dy NHWC, dw OHWI. A block makes a tile of 64 outputs x 64 (p, q, c); pixels pass through shared memory 16 at a time, the next
// ones waiting in registers meanwhile.
#include "filter.cuh"

constexpr int TILE = 64, SLICE = 16, THREADS = 128;
constexpr int LOADS = TILE * SLICE / THREADS;

struct FilterTile {
    float left[SLICE][TILE], right[SLICE][TILE];
};

// src/ops/conv/filter.rs `FMA_SHARED`.
static_assert(sizeof(FilterTile) == 8192, "the shared memory that src/ops/conv asks for");

// One slice: thread (t / 64, column = t % 64) takes every second pixel, and leaves `pixel` behind the slice.
__device__ __forceinline__ void fetch(const ConvGeometry& g, const float* x, const float* dy, Pixel& pixel, uint32_t end,
                                      uint32_t output, const Column& column, bool in_filter, float (&left)[LOADS],
                                      float (&right)[LOADS]) {
#pragma unroll
    for (int i = 0; i < LOADS; ++i) {
        size_t at;
        const bool there = pixel.number < end;
        left[i] = there && output < g.o ? dy[size_t(pixel.number) * g.o + output] : 0.0f;
        right[i] = locate(g, pixel, column, at) && there && in_filter ? x[at] : 0.0f;
        advance(g, pixel, 2);
    }
}

// 8 outputs x 4 columns (16 apart, so that neighbours write neighbours) per thread.
__device__ __forceinline__ void multiply(const FilterTile& tile, float (&sums)[8][4]) {
    const int first_row = threadIdx.x / 16 * 8, first_column = threadIdx.x % 16;
#pragma unroll
    for (int k = 0; k < SLICE; ++k) {
        float a[8], b[4];
#pragma unroll
        for (int i = 0; i < 8; ++i) a[i] = tile.left[k][first_row + i];
#pragma unroll
        for (int j = 0; j < 4; ++j) b[j] = tile.right[k][first_column + 16 * j];
#pragma unroll
        for (int i = 0; i < 8; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) sums[i][j] += a[i] * b[j];
    }
}

// Grid: one block per (64 numbers of a filter, 64 outputs, chunk of pixels); the first column of blocks also sums the bias.
// 2*n*oh*ow*o*kh*kw*c FLOP; writes chunks x filter.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    conv_filter(const float* x, const float* dy, float* workspace, const FilterParams params) {
    DYNAMIC_SHARED(shared);
    FilterTile& tile = *reinterpret_cast<FilterTile*>(shared);
    const ConvGeometry& g = params.geometry;
    const uint32_t depth = g.kh * g.kw * g.c;
    const uint32_t first_column = blockIdx.x * TILE, first_output = blockIdx.y * TILE;
    const uint32_t own = threadIdx.x % TILE, group = threadIdx.x / TILE;
    const uint32_t begin = blockIdx.z * params.chunk_pixels;
    const uint32_t end = min(begin + params.chunk_pixels, g.n * g.oh * g.ow);
    const Column column = column_at(g, first_column + own);
    const bool in_filter = first_column + own < depth;

    float sums[8][4] = {};
    float bias = 0.0f;
    float left[LOADS], right[LOADS];
    Pixel pixel = pixel_at(g, begin + group);
    fetch(g, x, dy, pixel, end, first_output + own, column, in_filter, left, right);
    for (uint32_t first = begin; first < end; first += SLICE) {
#pragma unroll
        for (int i = 0; i < LOADS; ++i) {
            tile.left[group + 2 * i][own] = left[i];
            tile.right[group + 2 * i][own] = right[i];
        }
        __syncthreads();
        if (first + SLICE < end) fetch(g, x, dy, pixel, end, first_output + own, column, in_filter, left, right);
        multiply(tile, sums);
        if (blockIdx.x == 0 && group == 0) {
#pragma unroll
            for (int k = 0; k < SLICE; ++k) bias += tile.left[k][own];
        }
        __syncthreads();
    }
    const Partials partials(params, workspace, blockIdx.z);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const uint32_t output = first_output + threadIdx.x / 16 * 8 + i;
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const uint32_t number = first_column + threadIdx.x % 16 + 16 * j;
            if (output < g.o && number < depth) partials.filter[size_t(output) * depth + number] = sums[i][j];
        }
    }
    if (blockIdx.x == 0 && group == 0 && first_output + own < g.o) partials.bias[first_output + own] = bias;
}
EXPORT_KERNEL(conv_filter)

// Grid: one thread per number of dw, then one per number of db, blocks of 256. Reads the partial sums once.
extern "C" __global__ void __launch_bounds__(256)
    conv_filter_reduce(const float* partials, float* dw, float* db, const FilterParams params) {
    const ConvGeometry& g = params.geometry;
    const size_t filters = size_t(g.o) * g.kh * g.kw * g.c;
    const size_t at = size_t(blockIdx.x) * blockDim.x + threadIdx.x;
    const bool of_bias = at >= filters;
    if (of_bias && (!(g.epilogue & EPILOGUE_BIAS) || at - filters >= g.o)) return;
    const float* from = of_bias ? partials + params.chunks * filters + (at - filters) : partials + at;
    const size_t step = of_bias ? g.o : filters;
    float sum = from[0];
    for (uint32_t chunk = 1; chunk < params.chunks; ++chunk) sum += from[chunk * step];
    *(of_bias ? db + (at - filters) : dw + at) = sum;
}
EXPORT_KERNEL(conv_filter_reduce)
