// Matrix tiles in shared memory for the tensor cores: how they are laid out, and the products of a warp.
//
// A 16-byte chunk holds 8 bf16. Chunks of a row are exchanged by XOR with the row's number, so that the 8 rows which an ldmatrix reads
// together lie in 8 different groups of banks, without padding:
//
//   DepthTile   rows x 32 depths, 64 bytes a row: for operands whose depth is contiguous in memory; read by ldmatrix
//   AcrossTile  32 depths x columns: for operands whose rows are contiguous in memory; read by ldmatrix.trans
//
// Products are mma.sync m16n8k16, bf16 x bf16 + f32. Lane l holds of each 16 x 8 result: rows l/4 and l/4 + 8, columns 2*(l%4) and the
// next one.
//
// Knows: layouts. Does not know: what the numbers mean, how they came into shared memory.
#pragma once
#include "common.cuh"
#include "ptx.cuh"

// Depths that pass through shared memory together: two mma.
constexpr int SLICE_DEPTH = 32;

// Offset in bytes of chunk 0..3 of a row in a tile of rows x 32 depths.
__device__ __forceinline__ int depth_chunk(int row, int chunk) { return row * 64 + ((chunk ^ (row >> 1 & 3)) << 4); }

// Offset in bytes of a chunk of a row in a tile of 32 depths x COLUMNS; COLUMNS is a multiple of 64.
template <int COLUMNS>
__device__ __forceinline__ int across_chunk(int depth, int chunk) {
    return depth * (COLUMNS * 2) + ((chunk ^ (depth & 7)) << 4);
}

// Sums of a warp: ROWS x COLUMNS.
template <int ROWS, int COLUMNS>
struct WarpSums {
    float value[ROWS / 16][COLUMNS / 8][4];

    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int i = 0; i < ROWS / 16; ++i)
#pragma unroll
            for (int j = 0; j < COLUMNS / 8; ++j)
#pragma unroll
                for (int e = 0; e < 4; ++e) value[i][j][e] = 0.0f;
    }

    // Calls visit(row, column, first, second) for every pair of neighbours that this lane holds.
    template <class Visit>
    __device__ __forceinline__ void each_pair(Visit visit) const {
        const int lane = threadIdx.x & 31;
#pragma unroll
        for (int i = 0; i < ROWS / 16; ++i)
#pragma unroll
            for (int j = 0; j < COLUMNS / 8; ++j)
#pragma unroll
                for (int half = 0; half < 2; ++half)
                    visit(i * 16 + lane / 4 + half * 8, j * 8 + lane % 4 * 2, value[i][j][half * 2], value[i][j][half * 2 + 1]);
    }

    // Adds left (ROWS rows from `row`) times right (COLUMNS rows from `column`), both DepthTiles.
    __device__ __forceinline__ void add_depth_tiles(saddr left, int row, saddr right, int column) {
        const int lane = threadIdx.x & 31;
#pragma unroll
        for (int step = 0; step < SLICE_DEPTH / 16; ++step) {
            uint32_t a[ROWS / 16][4], b[COLUMNS / 16][4];
#pragma unroll
            for (int i = 0; i < ROWS / 16; ++i)
                ldmatrix_x4(a[i], left + depth_chunk(row + i * 16 + (lane & 15), step * 2 + (lane >> 4)));
#pragma unroll
            for (int j = 0; j < COLUMNS / 16; ++j)
                ldmatrix_x4(b[j], right + depth_chunk(column + j * 16 + (lane & 7) + (lane >> 4) * 8, step * 2 + (lane >> 3 & 1)));
            multiply(a, b);
        }
    }

    // Adds left (ROWS columns from `row`) times right (COLUMNS columns from `column`), both AcrossTiles of these widths.
    template <int LEFT, int RIGHT>
    __device__ __forceinline__ void add_across_tiles(saddr left, int row, saddr right, int column) {
        const int lane = threadIdx.x & 31;
#pragma unroll
        for (int step = 0; step < SLICE_DEPTH / 16; ++step) {
            uint32_t a[ROWS / 16][4], b[COLUMNS / 16][4];
#pragma unroll
            for (int i = 0; i < ROWS / 16; ++i)
                ldmatrix_x4_trans(a[i], left + across_chunk<LEFT>(step * 16 + (lane >> 4) * 8 + (lane & 7),
                                                                 row / 8 + i * 2 + (lane >> 3 & 1)));
#pragma unroll
            for (int j = 0; j < COLUMNS / 16; ++j)
                ldmatrix_x4_trans(b[j], right + across_chunk<RIGHT>(step * 16 + (lane >> 3 & 1) * 8 + (lane & 7),
                                                                   column / 8 + j * 2 + (lane >> 4)));
            multiply(a, b);
        }
    }

    __device__ __forceinline__ void multiply(const uint32_t (&a)[ROWS / 16][4], const uint32_t (&b)[COLUMNS / 16][4]) {
#pragma unroll
        for (int i = 0; i < ROWS / 16; ++i)
#pragma unroll
            for (int j = 0; j < COLUMNS / 8; ++j) mma_bf16_16816(value[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
    }
};

// 8 numbers that were gathered one by one, as a chunk; packed by hand, because an array of 16-bit numbers would leave the registers.
__device__ __forceinline__ void store_chunk(unsigned char* to, const uint32_t (&bits)[8]) {
    *reinterpret_cast<uint4*>(to) =
        make_uint4(bits[0] | bits[1] << 16, bits[2] | bits[3] << 16, bits[4] | bits[5] << 16, bits[6] | bits[7] << 16);
}
