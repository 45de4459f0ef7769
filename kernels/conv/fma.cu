// Convolution and its gradient to the input in f32: implicit GEMM on ordinary multiply-adds, the reference for every card.
//
//   conv_forward   y = x * w (formula in gather.cuh), and what epilogue.cuh says
//   conv_data      dx = gradient of that to x; also the transposed convolution forward. Takes the filter exchanged (IHWO)
//   conv_exchange_filter, conv_exchange_filter_bf16   w[o][p][q][c] -> w[c][p][q][o]
//
// Activations NHWC, filters OHWI. A block makes a tile of 64 pixels x 64 result channels; the depth passes through shared
// memory in slices of 16, the next slice waiting in registers meanwhile. Sums run along the depth in order.
#include "epilogue.cuh"

constexpr int TILE = 64, SLICE = 16, THREADS = 128;
// 4 more keep rows 16-byte aligned and spread the stores of a slice over the banks.
constexpr int PITCH = TILE + 4;
// Loads of one thread per slice and matrix: 16 depths x 8 rows at a time.
constexpr int LOADS = TILE * SLICE / THREADS;

struct FmaTile {
    float left[SLICE][PITCH], right[SLICE][PITCH];
    Row rows[TILE];
};

// src/ops/conv/entries.rs `FMA_SHARED`.
static_assert(sizeof(FmaTile) == 9728, "the shared memory that src/ops/conv asks for");

// One slice: thread (depth = t % 16, t / 16) takes every eighth row of both matrices.
__device__ __forceinline__ void fetch(const Walk& walk, const FmaTile& tile, const float* picture, const float* filter,
                                      const Tap& tap, int first_result, float (&left)[LOADS], float (&right)[LOADS]) {
    const int group = threadIdx.x / SLICE;
    const size_t filter_size = size_t(walk.filter_h) * walk.filter_w * walk.channels;
#pragma unroll
    for (int i = 0; i < LOADS; ++i) {
        size_t at;
        left[i] = locate(walk, tile.rows[group + 8 * i], tap, at) ? picture[at] : 0.0f;
    }
    const int in_filter = filter_at(walk, tap);
#pragma unroll
    for (int i = 0; i < LOADS; ++i) {
        const int result = first_result + group + 8 * i;
        const bool there = result < walk.results && inside_filter(walk, tap);
        right[i] = there ? filter[result * filter_size + in_filter] : 0.0f;
    }
}

// 8 pixels x 4 channels (16 apart, so that neighbours write neighbours) per thread.
__device__ __forceinline__ void multiply(const FmaTile& tile, float (&sums)[8][4]) {
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

__device__ __forceinline__ void fma_convolution(const Walk& walk, const float* picture, const float* filter,
                                                const Tail<float>& tail) {
    DYNAMIC_SHARED(shared);
    FmaTile& tile = *reinterpret_cast<FmaTile*>(shared);
    const int first_row = blockIdx.x * TILE, first_result = blockIdx.y * TILE;
    // Phases of a gradient differ in size; the grid is the largest one's.
    if (first_row >= walk.rows()) {
        tail.template write_no_parts<TILE>(first_result);
        return;
    }
    if (threadIdx.x < TILE) tile.rows[threadIdx.x] = row_at(walk, first_row + threadIdx.x);
    __syncthreads();

    float sums[8][4] = {};
    float left[LOADS], right[LOADS];
    const int lane = threadIdx.x % SLICE, group = threadIdx.x / SLICE;
    const int slices = (walk.depth() + SLICE - 1) / SLICE;
    Tap tap{0, 0, 0};
    advance(walk, tap, lane);
    if (slices > 0) fetch(walk, tile, picture, filter, tap, first_result, left, right);
    for (int slice = 0; slice < slices; ++slice) {
#pragma unroll
        for (int i = 0; i < LOADS; ++i) {
            tile.left[lane][group + 8 * i] = left[i];
            tile.right[lane][group + 8 * i] = right[i];
        }
        __syncthreads();
        if (slice + 1 < slices) {
            advance(walk, tap, SLICE);
            fetch(walk, tile, picture, filter, tap, first_result, left, right);
        }
        multiply(tile, sums);
        __syncthreads();
    }
    PixelSums<1> own[4];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        const int pixel = tile.rows[threadIdx.x / 16 * 8 + i].pixel;
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int channel = first_result + threadIdx.x % 16 + 16 * j;
            if (pixel >= 0 && channel < walk.results) tail.finish(sums[i][j], pixel, channel, own[j]);
        }
    }
    if (!tail.z) return;
    constexpr int GROUPS = THREADS / 16;
    // The slices have been read by everyone; the rows, which lie behind, have not.
    static_assert(2 * GROUPS * TILE <= 2 * SLICE * PITCH, "the sums of all threads take the place of the slices");
    float* staged = reinterpret_cast<float*>(shared);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
        const int at = threadIdx.x / 16 * TILE + threadIdx.x % 16 + 16 * j;
        staged[at] = own[j].slope[0];
        staged[GROUPS * TILE + at] = own[j].bias[0];
    }
    __syncthreads();
    tail.template write_parts<GROUPS, TILE>(staged, first_result);
}

// Grid: one block per (64 pixels of y, 64 channels of y). Reads x about kh*kw/stride^2 times through the cache and w once per
// block; 2*n*oh*ow*o*kh*kw*c FLOP.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    conv_forward(const float* x, const float* w, const float* bias, const float* slope, const float* residual, const float* z,
                 float* y, float* before, void*, float* slope_parts, float* bias_parts, const ConvGeometry g) {
    const TailOperands<float> tail{bias, slope, residual, z, before, slope_parts, bias_parts};
    fma_convolution(forward_walk(g), x, w, tail_of(g, g.o, y, tail));
}
EXPORT_KERNEL(conv_forward)

// Grid: one block per (64 pixels of one phase of dx, 64 channels of dx, phase). `exchanged`: IHWO. FLOP as forward.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    conv_data(const float* dy, const float* exchanged, const float* slope, const float* residual, const float* z, float* dx,
              float* before, float* slope_parts, float* bias_parts, const ConvGeometry g) {
    const TailOperands<float> tail{nullptr, slope, residual, z, before, slope_parts, bias_parts};
    fma_convolution(data_walk(g, blockIdx.z), dy, exchanged, tail_of(g, g.c, dx, tail));
}
EXPORT_KERNEL(conv_data)

// Exchanges outputs and channels of a filter; threads follow what is written.
template <class T>
__device__ __forceinline__ void exchange(const T* w, T* exchanged, const ConvGeometry& g) {
    const uint32_t taps = g.kh * g.kw, at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= g.c * taps * g.o) return;
    const uint32_t o = at % g.o, tap = at / g.o % taps, c = at / (g.o * taps);
    exchanged[at] = w[(o * taps + tap) * g.c + c];
}

// Grid: one thread per number of the filter, blocks of 256. Reads and writes the filter once.
extern "C" __global__ void __launch_bounds__(256) conv_exchange_filter(const float* w, float* exchanged, const ConvGeometry g) {
    exchange(w, exchanged, g);
}
EXPORT_KERNEL(conv_exchange_filter)

// As conv_exchange_filter for a filter in bf16.
extern "C" __global__ void __launch_bounds__(256)
    conv_exchange_filter_bf16(const __nv_bfloat16* w, __nv_bfloat16* exchanged, const ConvGeometry g) {
    exchange(w, exchanged, g);
}
EXPORT_KERNEL(conv_exchange_filter_bf16)
