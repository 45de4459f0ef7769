// What a device can do at most: one copy, multiply-adds in registers, and tensor-core products in registers. No network runs these;
// other kernels are measured by them.
//
//   copy:    y = x
//   chains:  v = v * factor + term, `turns` times, for every number of x
//   tiles:   y[rows, 64] = turns * x[rows, 16] w[64, 16]^T, x and w bf16, row-major, added one product after the other in f32
#include "common.cuh"

// One thread per 8 elements. 8 bytes per element.
extern "C" __global__ void __launch_bounds__(256) roofline_copy(const float* x, float* y, unsigned long long elements) {
    const unsigned long long first = grid_thread() * 8;
    if (first + 8 <= elements) {
        float v[8];
        load8(v, x + first);
        store8(y + first, v);
    } else {
        for (unsigned long long i = first; i < elements; ++i) y[i] = x[i];
    }
}
EXPORT_KERNEL(roofline_copy)

struct ChainParams {
    unsigned long long elements;
    unsigned turns;
    float factor, term;
    unsigned reserved;
};
static_assert(sizeof(ChainParams) == 24, "as in src/ops/roofline.rs");

// One thread per 8 elements, which are 8 chains: enough to hide the latency of a multiply-add. 2 turns FLOP per element.
extern "C" __global__ void __launch_bounds__(256) roofline_chains(const float* x, float* y, const ChainParams params) {
    const unsigned long long first = grid_thread() * 8;
    float v[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i] = first + i < params.elements ? x[first + i] : 0.0f;
#pragma unroll 4
    for (unsigned turn = 0; turn < params.turns; ++turn) {
#pragma unroll
        for (int i = 0; i < 8; ++i) v[i] = fmaf(v[i], params.factor, params.term);
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        if (first + i < params.elements) y[first + i] = v[i];
    }
}
EXPORT_KERNEL(roofline_chains)

struct TileParams {
    unsigned rows, turns;
};
static_assert(sizeof(TileParams) == 8, "as in src/ops/roofline.rs");

// One warp per 16 rows, 8 warps a block. 2048 turns FLOP per row.
extern "C" __global__ void __launch_bounds__(256)
    roofline_tiles(const __nv_bfloat16* x, const __nv_bfloat16* w, float* y, const TileParams params) {
    constexpr int TILES = 8, DEPTH = 16, COLUMNS = 8 * TILES;
    const unsigned long long row = (static_cast<unsigned long long>(blockIdx.x) * 8 + warp_index()) * 16;
    if (row >= params.rows) return;
    const int g = lane_index() / 4, t = lane_index() % 4;
    const auto pair = [](const __nv_bfloat16* from) { return *reinterpret_cast<const uint32_t*>(from); };
    const __nv_bfloat16* const left = x + (row + g) * DEPTH + 2 * t;
    const uint32_t a[4] = {pair(left), pair(left + 8 * DEPTH), pair(left + 8), pair(left + 8 * DEPTH + 8)};
    uint32_t b[TILES][2];
    float sum[TILES][4];
#pragma unroll
    for (int j = 0; j < TILES; ++j) {
        const __nv_bfloat16* const right = w + (8 * j + g) * DEPTH + 2 * t;
        b[j][0] = pair(right), b[j][1] = pair(right + 8);
        sum[j][0] = sum[j][1] = sum[j][2] = sum[j][3] = 0.0f;
    }
#pragma unroll 4
    for (unsigned turn = 0; turn < params.turns; ++turn) {
#pragma unroll
        for (int j = 0; j < TILES; ++j) mma_bf16_16816(sum[j], a, b[j][0], b[j][1]);
    }
#pragma unroll
    for (int j = 0; j < TILES; ++j) {
        float* const to = y + (row + g) * COLUMNS + 8 * j + 2 * t;
        to[0] = sum[j][0], to[1] = sum[j][1];
        to[8 * COLUMNS] = sum[j][2], to[8 * COLUMNS + 1] = sum[j][3];
    }
}
EXPORT_KERNEL(roofline_tiles)
