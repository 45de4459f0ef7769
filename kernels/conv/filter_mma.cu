// Gradient of a convolution to its filter and bias in bf16 on tensor cores (formula and cut in filter.cuh); sums and results in f32.
//
//   conv_filter_bf16            partial sums of one chunk of pixels; channels and outputs are multiples of 8
//   conv_filter_bf16_any        the same for any channels and outputs, gathered number by number
//
// x and dy NHWC, dw OHWI. Both operands have the depth (pixels) outermost in memory, so both are read by ldmatrix.trans. A block makes
// 64 outputs x 128 (p, q, c) with 8 warps of 32 x 32; 32 pixels at a time travel through three buffers of shared memory.
#include "../tile.cuh"
#include "filter.cuh"

constexpr int OUTPUTS = 64, COLUMNS = 128, THREADS = 256, STAGES = 3;
constexpr int LEFT_BYTES = SLICE_DEPTH * OUTPUTS * 2, STAGE_BYTES = LEFT_BYTES + SLICE_DEPTH * COLUMNS * 2;

// src/ops/conv/filter.rs `MMA_SHARED`.
static_assert(STAGES * STAGE_BYTES == 36864, "the shared memory that src/ops/conv asks for");

// 8 outputs of one pixel of dy.
template <bool WIDE>
__device__ __forceinline__ void load_left(unsigned char* to, const __nv_bfloat16* dy, const ConvGeometry& g, uint32_t pixel,
                                          bool in_chunk, uint32_t output) {
    const size_t at = size_t(pixel) * g.o + output;
    if constexpr (WIDE) {
        const bool there = in_chunk && output < g.o;
        cp_async16(smem_addr(to), there ? dy + at : dy, there);
    } else {
        uint32_t numbers[8];
#pragma unroll
        for (int e = 0; e < 8; ++e) numbers[e] = in_chunk && output + e < g.o ? __bfloat16_as_ushort(dy[at + e]) : 0u;
        store_chunk(to, numbers);
    }
}

// What 8 columns of the filter meet at one pixel of y.
template <bool WIDE>
__device__ __forceinline__ void load_right(unsigned char* to, const __nv_bfloat16* x, const ConvGeometry& g, const Pixel& pixel,
                                           bool in_chunk, Column column) {
    size_t at;
    if constexpr (WIDE) {
        const bool there = locate(g, pixel, column, at) && in_chunk && column.p < int(g.kh);
        cp_async16(smem_addr(to), there ? x + at : x, there);
    } else {
        uint32_t numbers[8];
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            const bool there = locate(g, pixel, column, at) && in_chunk && column.p < int(g.kh);
            numbers[e] = there ? __bfloat16_as_ushort(x[at]) : 0u;
            if (++column.channel == int(g.c)) {
                column.channel = 0;
                if (++column.q == int(g.kw)) {
                    column.q = 0;
                    ++column.p;
                }
            }
        }
        store_chunk(to, numbers);
    }
}

// Sum over this thread's 8 of the 32 pixels of one output.
__device__ __forceinline__ float bias_of(const unsigned char* left) {
    const int output = threadIdx.x % OUTPUTS, first = threadIdx.x / OUTPUTS * 8;
    float sum = 0.0f;
#pragma unroll
    for (int depth = first; depth < first + 8; ++depth) {
        const unsigned char* chunk = left + across_chunk<OUTPUTS>(depth, output / 8);
        sum += __bfloat162float(reinterpret_cast<const __nv_bfloat16*>(chunk)[output % 8]);
    }
    return sum;
}

// The four parts of every output's bias, added in order.
__device__ __forceinline__ void write_bias(unsigned char* shared, float part, const Partials& partials, uint32_t first_output,
                                           uint32_t outputs) {
    float* parts = reinterpret_cast<float*>(shared);
    __syncthreads();
    parts[threadIdx.x] = part;
    __syncthreads();
    const int own = threadIdx.x;
    if (own < OUTPUTS && first_output + own < outputs) {
        const float sum = parts[own] + parts[own + OUTPUTS] + parts[own + 2 * OUTPUTS] + parts[own + 3 * OUTPUTS];
        partials.bias[first_output + own] = sum;
    }
}

template <bool WIDE>
__device__ __forceinline__ void mma_filter(const __nv_bfloat16* x, const __nv_bfloat16* dy, float* workspace,
                                           const FilterParams& params) {
    DYNAMIC_SHARED(shared);
    const ConvGeometry& g = params.geometry;
    const uint32_t depth = g.kh * g.kw * g.c;
    const uint32_t first_column = blockIdx.x * COLUMNS, first_output = blockIdx.y * OUTPUTS;
    const uint32_t begin = blockIdx.z * params.chunk_pixels;
    const uint32_t end = min(begin + params.chunk_pixels, g.n * g.oh * g.ow);
    const int slices = (end - begin + SLICE_DEPTH - 1) / SLICE_DEPTH;

    // Thread t loads chunk t % 8 of pixel t / 8 of dy, and chunk t % 16 of pixels t / 16 and t / 16 + 16 of x.
    const int left_row = threadIdx.x / 8, left_chunk = threadIdx.x % 8, right_row = threadIdx.x / 16, right_chunk = threadIdx.x % 16;
    uint32_t left_pixel = begin + left_row;
    Pixel right_pixel = pixel_at(g, begin + right_row);
    const Column column = column_at(g, first_column + right_chunk * 8);
    const auto load = [&](int slice) {
        if (slice < slices) {
            unsigned char* stage = shared + slice % STAGES * STAGE_BYTES;
            load_left<WIDE>(stage + across_chunk<OUTPUTS>(left_row, left_chunk), dy, g, left_pixel, left_pixel < end,
                            first_output + left_chunk * 8);
            left_pixel += SLICE_DEPTH;
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                load_right<WIDE>(stage + LEFT_BYTES + across_chunk<COLUMNS>(right_row + half * 16, right_chunk), x, g, right_pixel,
                                 right_pixel.number < end, column);
                advance(g, right_pixel, SLICE_DEPTH / 2);
            }
        }
        // A group per slice even when it is empty, so that the same number of groups is always behind.
        cp_async_commit();
    };

    const int warp = threadIdx.x >> 5, warp_row = warp % 2 * 32, warp_column = warp / 2 * 32;
    WarpSums<32, 32> sums;
    sums.clear();
    float bias = 0.0f;
#pragma unroll
    for (int slice = 0; slice < STAGES - 1; ++slice) load(slice);
    for (int slice = 0; slice < slices; ++slice) {
        cp_async_wait<STAGES - 2>();
        // This slice has arrived for everyone, and everyone has finished the buffer that is loaded next.
        __syncthreads();
        load(slice + STAGES - 1);
        unsigned char* stage = shared + slice % STAGES * STAGE_BYTES;
        sums.add_across_tiles<OUTPUTS, COLUMNS>(smem_addr(stage), warp_row, smem_addr(stage) + LEFT_BYTES, warp_column);
        if (blockIdx.x == 0) bias += bias_of(stage);
    }
    cp_async_wait<0>();

    const Partials partials(params, workspace, blockIdx.z);
    sums.each_pair([&](int row, int pair, float first, float second) {
        const uint32_t output = first_output + warp_row + row, number = first_column + warp_column + pair;
        if (output >= g.o) return;
        float* to = partials.filter + size_t(output) * depth + number;
        if (number < depth) to[0] = first;
        if (number + 1 < depth) to[1] = second;
    });
    if (blockIdx.x == 0) write_bias(shared, bias, partials, first_output, g.o);
}

// Grid: one block per (128 numbers of a filter, 64 outputs, chunk of pixels); the first column of blocks also sums the bias.
// 2*n*oh*ow*o*kh*kw*c FLOP; reads dy once and x kh*kw/stride^2 times through L2 for every 64 outputs; writes chunks x filter.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    conv_filter_bf16(const __nv_bfloat16* x, const __nv_bfloat16* dy, float* workspace, const FilterParams params) {
    mma_filter<true>(x, dy, workspace, params);
}
EXPORT_KERNEL(conv_filter_bf16)

// As conv_filter_bf16 for any channels and outputs, number by number.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
    conv_filter_bf16_any(const __nv_bfloat16* x, const __nv_bfloat16* dy, float* workspace, const FilterParams params) {
    mma_filter<false>(x, dy, workspace, params);
}
EXPORT_KERNEL(conv_filter_bf16_any)
