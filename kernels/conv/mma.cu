// Convolution and its gradient to the input in bf16 on tensor cores: implicit GEMM with mma.sync, fed by cp.async.
//
//   conv_forward_bf16       y = x * w (formula in gather.cuh), and what epilogue.cuh says
//   conv_data_bf16          gradient of that to x; also the transposed convolution forward. Takes the filter exchanged (IHWO)
//   conv_*_bf16_any         the same for pictures whose channels are no multiple of 8, gathered number by number
//
// Activations NHWC, filters OHWI. A block makes 128 pixels x 64 result channels with 8 warps of 32 x 32. Slices of 32 depths travel
// through three buffers of shared memory: while one is multiplied, two are under way. Padding is written as zeros by the copy
// itself. The finished sums go through shared memory once more, so that every store is 16 bytes of one pixel.
#include "write_tile.cuh"

constexpr int STAGES = 3;
constexpr int LEFT_BYTES = TILE_PIXELS * SLICE_DEPTH * 2, STAGE_BYTES = LEFT_BYTES + TILE_RESULTS * SLICE_DEPTH * 2;
constexpr int BUFFER_BYTES = STAGES * STAGE_BYTES > SUM_BYTES ? STAGES * STAGE_BYTES : SUM_BYTES;

// src/ops/conv/entries.rs `MMA_SHARED`.
static_assert(BUFFER_BYTES + TILE_PIXELS * 4 == 37376, "the shared memory that src/ops/conv asks for");

// 8 depths of one row into shared memory: one asynchronous copy where channels come in eights, else number by number.
template <bool WIDE>
__device__ __forceinline__ void load_left(unsigned char* to, const __nv_bfloat16* picture, const Walk& walk, const Row& row,
                                          Tap tap) {
    size_t at;
    if constexpr (WIDE) {
        const bool there = locate(walk, row, tap, at);
        cp_async16(smem_addr(to), there ? picture + at : picture, there);
    } else {
        uint32_t numbers[8];
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            numbers[e] = locate(walk, row, tap, at) ? __bfloat16_as_ushort(picture[at]) : 0u;
            advance(walk, tap, 1);
        }
        store_chunk(to, numbers);
    }
}

// 8 depths of one result channel's filter, in the same way.
template <bool WIDE>
__device__ __forceinline__ void load_right(unsigned char* to, const __nv_bfloat16* filter, const Walk& walk, int result, Tap tap) {
    const bool in_results = result < walk.results;
    const __nv_bfloat16* own = filter + size_t(in_results ? result : 0) * walk.filter_h * walk.filter_w * walk.channels;
    if constexpr (WIDE) {
        const bool there = in_results && inside_filter(walk, tap);
        cp_async16(smem_addr(to), there ? own + filter_at(walk, tap) : filter, there);
    } else {
        uint32_t numbers[8];
#pragma unroll
        for (int e = 0; e < 8; ++e) {
            const bool there = in_results && inside_filter(walk, tap);
            numbers[e] = there ? __bfloat16_as_ushort(own[filter_at(walk, tap)]) : 0u;
            advance(walk, tap, 1);
        }
        store_chunk(to, numbers);
    }
}

template <bool WIDE>
__device__ __forceinline__ void mma_convolution(const Walk& walk, const __nv_bfloat16* picture, const __nv_bfloat16* filter,
                                                const Tail<__nv_bfloat16>& tail) {
    DYNAMIC_SHARED(shared);
    int* pixels = reinterpret_cast<int*>(shared + BUFFER_BYTES);
    const int first_row = blockIdx.x * TILE_PIXELS, first_result = blockIdx.y * TILE_RESULTS;
    // Phases of a gradient differ in size; the grid is the largest one's.
    if (first_row >= walk.rows()) {
        tail.template write_no_parts<TILE_RESULTS>(first_result);
        return;
    }

    // Thread t loads chunk t % 4 of rows t / 4 and t / 4 + 64 of the left matrix and of row t / 4 of the right one.
    const int chunk = threadIdx.x & 3, load_row = threadIdx.x >> 2;
    const Row rows[2] = {row_at(walk, first_row + load_row), row_at(walk, first_row + load_row + 64)};
    if (chunk == 0) {
        pixels[load_row] = rows[0].pixel;
        pixels[load_row + 64] = rows[1].pixel;
    }
    const int slices = (walk.depth() + SLICE_DEPTH - 1) / SLICE_DEPTH;
    Tap tap{0, 0, 0};
    advance(walk, tap, chunk * 8);
    const auto load = [&](int slice) {
        if (slice < slices) {
            unsigned char* stage = shared + slice % STAGES * STAGE_BYTES;
            load_left<WIDE>(stage + depth_chunk(load_row, chunk), picture, walk, rows[0], tap);
            load_left<WIDE>(stage + depth_chunk(load_row + 64, chunk), picture, walk, rows[1], tap);
            load_right<WIDE>(stage + LEFT_BYTES + depth_chunk(load_row, chunk), filter, walk, first_result + load_row, tap);
            advance(walk, tap, SLICE_DEPTH);
        }
        // A group per slice even when it is empty, so that the same number of groups is always behind.
        cp_async_commit();
    };

    const int warp = threadIdx.x >> 5, warp_row = warp % 4 * 32, warp_column = warp / 4 * 32;
    WarpSums<32, 32> sums;
    sums.clear();
#pragma unroll
    for (int slice = 0; slice < STAGES - 1; ++slice) load(slice);
    for (int slice = 0; slice < slices; ++slice) {
        cp_async_wait<STAGES - 2>();
        // This slice has arrived for everyone, and everyone has finished the buffer that is loaded next.
        __syncthreads();
        load(slice + STAGES - 1);
        const saddr stage = smem_addr(shared + slice % STAGES * STAGE_BYTES);
        sums.add_depth_tiles(stage, warp_row, stage + LEFT_BYTES, warp_column);
    }
    cp_async_wait<0>();
    __syncthreads();

    write_tile(sums, warp_row, warp_column, shared, pixels, first_result, tail);
}

// Grid: one block per (128 pixels of y, 64 channels of y); c is a multiple of 8. Reads x about kh*kw/stride^2 times through L2 and
// w once per block; 2*n*oh*ow*o*kh*kw*c FLOP.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    conv_forward_bf16(const __nv_bfloat16* x, const __nv_bfloat16* w, const float* bias, const float* slope,
                      const __nv_bfloat16* residual, const __nv_bfloat16* z, __nv_bfloat16* y, __nv_bfloat16* before,
                      void*, float* slope_parts, float* bias_parts, const ConvGeometry g) {
    const TailOperands<__nv_bfloat16> tail{bias, slope, residual, z, before, slope_parts, bias_parts};
    mma_convolution<true>(forward_walk(g), x, w, tail_of(g, g.o, y, tail));
}
EXPORT_KERNEL(conv_forward_bf16)

// As conv_forward_bf16 for any c, number by number.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    conv_forward_bf16_any(const __nv_bfloat16* x, const __nv_bfloat16* w, const float* bias, const float* slope,
                          const __nv_bfloat16* residual, const __nv_bfloat16* z, __nv_bfloat16* y, __nv_bfloat16* before,
                          void*, float* slope_parts, float* bias_parts, const ConvGeometry g) {
    const TailOperands<__nv_bfloat16> tail{bias, slope, residual, z, before, slope_parts, bias_parts};
    mma_convolution<false>(forward_walk(g), x, w, tail_of(g, g.o, y, tail));
}
EXPORT_KERNEL(conv_forward_bf16_any)

// Grid: one block per (128 pixels of one phase of dx, 64 channels of dx, phase); o is a multiple of 8. `exchanged`: IHWO. FLOP as
// forward.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    conv_data_bf16(const __nv_bfloat16* dy, const __nv_bfloat16* exchanged, const float* slope,
                   const __nv_bfloat16* residual, const __nv_bfloat16* z, __nv_bfloat16* dx, __nv_bfloat16* before,
                   float* slope_parts, float* bias_parts, const ConvGeometry g) {
    const TailOperands<__nv_bfloat16> tail{nullptr, slope, residual, z, before, slope_parts, bias_parts};
    mma_convolution<true>(data_walk(g, blockIdx.z), dy, exchanged, tail_of(g, g.c, dx, tail));
}
EXPORT_KERNEL(conv_data_bf16)

// As conv_data_bf16 for any o, number by number.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    conv_data_bf16_any(const __nv_bfloat16* dy, const __nv_bfloat16* exchanged, const float* slope,
                       const __nv_bfloat16* residual, const __nv_bfloat16* z, __nv_bfloat16* dx, __nv_bfloat16* before,
                       float* slope_parts, float* bias_parts, const ConvGeometry g) {
    const TailOperands<__nv_bfloat16> tail{nullptr, slope, residual, z, before, slope_parts, bias_parts};
    mma_convolution<false>(data_walk(g, blockIdx.z), dy, exchanged, tail_of(g, g.c, dx, tail));
}
EXPORT_KERNEL(conv_data_bf16_any)
