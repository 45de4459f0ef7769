// How a block of 8 warps writes its 128 pixels x 64 result channels in bf16: through shared memory, so that every store is 16 bytes of
// one pixel although the tensor cores leave a lane two neighbours of many rows.
//
// Sums over pixels that the epilogue makes go the same way.
//
// Knows: tiles and their epilogue. Does not know: how the sums came about.
#pragma once
#include "../tile.cuh"
#include "epilogue.cuh"

constexpr int TILE_PIXELS = 128, TILE_RESULTS = 64, TILE_THREADS = 256;
// f32 sums on their way out; 8 more spread the rows over the banks.
constexpr int SUM_PITCH = TILE_RESULTS + 8;
constexpr int SUM_BYTES = TILE_PIXELS * SUM_PITCH * 4;

// Writes the tile. `staging` is SUM_BYTES that nobody reads any more; `pixels` says where each row goes, -1 for nowhere.
__device__ __forceinline__ void write_tile(const WarpSums<32, 32>& sums, int warp_row, int warp_column, unsigned char* staging,
                                           const int* pixels, int first_result, const Tail<__nv_bfloat16>& tail) {
    float* staged = reinterpret_cast<float*>(staging);
    sums.each_pair([&](int row, int column, float first, float second) {
        *reinterpret_cast<float2*>(staged + (warp_row + row) * SUM_PITCH + warp_column + column) = make_float2(first, second);
    });
    __syncthreads();
    // A thread has 8 channels of every 32nd row.
    constexpr int GROUPS = TILE_THREADS / (TILE_RESULTS / 8);
    const int group = threadIdx.x / (TILE_RESULTS / 8), column = threadIdx.x % (TILE_RESULTS / 8) * 8;
    PixelSums<8> own;
    for (int row = group; row < TILE_PIXELS; row += GROUPS) {
        if (pixels[row] < 0 || first_result + column >= tail.channels) continue;
        float values[8];
        load8(values, staged + row * SUM_PITCH + column);
        tail.finish8(values, pixels[row], first_result + column, own);
    }
    if (!tail.z) return;
    static_assert(2 * GROUPS * TILE_RESULTS * 4 <= SUM_BYTES, "the sums of all threads take the place of the tile");
    __syncthreads();
    store8(staged + group * TILE_RESULTS + column, own.slope);
    store8(staged + (GROUPS + group) * TILE_RESULTS + column, own.bias);
    __syncthreads();
    tail.template write_parts<GROUPS, TILE_RESULTS>(staged, first_result);
}
