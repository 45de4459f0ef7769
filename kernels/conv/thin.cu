// Convolutions in bf16 whose picture has few channels on one side: a network's first and last layer, and their gradients.
//
//   conv_forward_bf16_thin_input,  conv_data_bf16_thin_input    at most 7 channels are read (3 -> 64)
//   conv_forward_bf16_thin_output, conv_data_bf16_thin_output   at most 8 channels are written (64 -> 3); a multiple of 8 is read
//
// Formulas in gather.cuh, epilogue in epilogue.cuh; activations NHWC, filters OHWI (exchanged, IHWO, for the gradient). Both are
// bound by the wide picture, which must cross the memory bus once and only once. So a block makes 8 x 16 pixels, and copies the
// patch of the picture that these read into shared memory; a tap is then nothing but another address in the patch.
#include "write_tile.cuh"

constexpr int TILE_H = 8, TILE_W = 16;
static_assert(TILE_H * TILE_W == TILE_PIXELS, "a tile is what write_tile writes");

// The rows of one block: 8 x 16 of one image's phase, and the patch that they read.
struct Patch {
    int image;         // -1: this block has nothing to do
    int i, j;          // first row of the tile
    int y, x;          // first cell of the patch in the picture that is read
    int height, width; // cells
    int low_p, low_q;  // the smallest p * tap_step and q * tap_step
};

__device__ __forceinline__ Patch patch_of(const Walk& walk) {
    const int down = ceil_div(walk.vertical.rows, TILE_H), across = ceil_div(walk.horizontal.rows, TILE_W);
    const int tiles = down * across, block = blockIdx.x;
    Patch patch;
    // Phases of a gradient differ in size; the grid is the largest one's.
    patch.image = tiles > 0 && block < walk.batch * tiles ? block / tiles : -1;
    const int tile = tiles > 0 ? block % tiles : 0;
    patch.i = across > 0 ? tile / across * TILE_H : 0;
    patch.j = across > 0 ? tile % across * TILE_W : 0;
    patch.low_p = min(0, walk.tap_step * (walk.vertical.taps - 1));
    patch.low_q = min(0, walk.tap_step * (walk.horizontal.taps - 1));
    patch.y = walk.vertical.origin + patch.i * walk.row_step + patch.low_p;
    patch.x = walk.horizontal.origin + patch.j * walk.row_step + patch.low_q;
    patch.height = (TILE_H - 1) * walk.row_step + walk.vertical.taps;
    patch.width = (TILE_W - 1) * walk.row_step + walk.horizontal.taps;
    return patch;
}

// Where pixel 0..127 of the tile is written; -1 outside.
__device__ __forceinline__ int written_pixel(const Walk& walk, const Patch& patch, int row) {
    const int i = patch.i + row / TILE_W, j = patch.j + row % TILE_W;
    if (i >= walk.vertical.rows || j >= walk.horizontal.rows) return -1;
    const int y = walk.vertical.first + i * walk.row_spacing, x = walk.horizontal.first + j * walk.row_spacing;
    return (patch.image * walk.vertical.written + y) * walk.horizontal.written + x;
}

// Number of the cell of the patch that the tile's pixel `row` reads with its first tap, before low_p and low_q.
__device__ __forceinline__ int first_cell(const Walk& walk, const Patch& patch, int row) {
    return (row / TILE_W * patch.width + row % TILE_W) * walk.row_step;
}

// How far a tap is from there.
__device__ __forceinline__ int tap_cells(const Walk& walk, const Patch& patch, int p, int q) {
    return (p * walk.tap_step - patch.low_p) * patch.width + q * walk.tap_step - patch.low_q;
}

__device__ __forceinline__ bool in_picture(const Walk& walk, int y, int x) {
    return unsigned(y) < unsigned(walk.vertical.read) && unsigned(x) < unsigned(walk.horizontal.read);
}

// ---- few channels are read --------------------------------------------------------------------------------------------------
//
// The whole depth (taps x channels, padded to 16) is multiplied at once. The filter lies in shared memory, with 8 more numbers
// to a row, so that ldmatrix reads 8 rows from 8 groups of banks; the left operand is picked from the patch number by number.

// Shared memory, in order: the filter, later the sums on their way out; pixels; the offset of every depth in the patch; the patch.
struct ThinInput {
    int padded, pitch; // depth, and depth in memory
    uint16_t* filter;
    int *pixels, *offsets;
    uint16_t* patch;

    __device__ __forceinline__ ThinInput(const Walk& walk, unsigned char* shared) {
        padded = ceil_div(walk.depth(), 16) * 16;
        pitch = padded + 8;
        filter = reinterpret_cast<uint16_t*>(shared);
        pixels = reinterpret_cast<int*>(shared + max(SUM_BYTES, TILE_RESULTS * pitch * 2));
        offsets = pixels + TILE_PIXELS;
        patch = reinterpret_cast<uint16_t*>(offsets + padded);
    }
};

__device__ __forceinline__ void fill(const ThinInput& shared, const Walk& walk, const Patch& patch, const __nv_bfloat16* picture,
                                     const __nv_bfloat16* filter, int first_result) {
    const int depth = walk.depth(), filter_size = walk.filter_h * walk.filter_w * walk.channels;
    for (int k = threadIdx.x; k < shared.padded; k += TILE_THREADS) {
        const int tap = k / walk.channels, columns = max(walk.horizontal.taps, 1);
        const int cells = tap_cells(walk, patch, tap / columns, tap % columns);
        shared.offsets[k] = k < depth ? cells * walk.channels + k % walk.channels : -1;
    }
    for (int at = threadIdx.x; at < TILE_RESULTS * shared.padded; at += TILE_THREADS) {
        const int result = at / shared.padded, k = at % shared.padded, tap = k / walk.channels;
        const int columns = max(walk.horizontal.taps, 1);
        const Tap from{tap / columns, tap % columns, k % walk.channels};
        const bool there = k < depth && first_result + result < walk.results;
        const size_t source = size_t(there ? first_result + result : 0) * filter_size + (there ? filter_at(walk, from) : 0);
        shared.filter[result * shared.pitch + k] = there ? __bfloat16_as_ushort(filter[source]) : 0;
    }
    if (threadIdx.x < TILE_PIXELS) shared.pixels[threadIdx.x] = written_pixel(walk, patch, threadIdx.x);
    const int row_numbers = patch.width * walk.channels;
    for (int at = threadIdx.x; at < patch.height * row_numbers; at += TILE_THREADS) {
        const int y = patch.y + at / row_numbers, x = patch.x + at % row_numbers / walk.channels;
        const bool there = in_picture(walk, y, x);
        const uint32_t pixel = (uint32_t(patch.image) * walk.vertical.read + (there ? y : 0)) * walk.horizontal.read + (there ? x : 0);
        const __nv_bfloat16* source = picture + size_t(pixel) * walk.channels + at % walk.channels;
        shared.patch[at] = there ? __bfloat16_as_ushort(*source) : 0;
    }
}

__device__ __forceinline__ void thin_input(const Walk& walk, const __nv_bfloat16* picture, const __nv_bfloat16* filter,
                                           const Tail<__nv_bfloat16>& tail) {
    DYNAMIC_SHARED(memory);
    const Patch patch = patch_of(walk);
    const int first_result = blockIdx.y * TILE_RESULTS;
    if (patch.image < 0) {
        tail.template write_no_parts<TILE_RESULTS>(first_result);
        return;
    }
    const ThinInput shared(walk, memory);
    fill(shared, walk, patch, picture, filter, first_result);
    __syncthreads();

    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warp_row = warp % 4 * 32, warp_column = warp / 4 * 32;
    const uint16_t* rows[2][2];
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int half = 0; half < 2; ++half)
            rows[i][half] = shared.patch + first_cell(walk, patch, warp_row + i * 16 + half * 8 + lane / 4) * walk.channels;
    const auto number = [](const uint16_t* row, int offset) { return offset < 0 ? 0u : uint32_t(row[offset]); };

    WarpSums<32, 32> sums;
    sums.clear();
    for (int k = 0; k < shared.padded; k += 16) {
        uint32_t a[2][4], b[2][4];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int2 offset = *reinterpret_cast<const int2*>(shared.offsets + k + half * 8 + lane % 4 * 2);
#pragma unroll
            for (int i = 0; i < 2; ++i)
#pragma unroll
                for (int row = 0; row < 2; ++row)
                    a[i][half * 2 + row] = number(rows[i][row], offset.x) | number(rows[i][row], offset.y) << 16;
        }
#pragma unroll
        for (int j = 0; j < 2; ++j) {
            const int result = warp_column + j * 16 + (lane & 7) + (lane >> 4) * 8;
            ldmatrix_x4(b[j], smem_addr(shared.filter + result * shared.pitch + k + (lane >> 3 & 1) * 8));
        }
        sums.multiply(a, b);
    }
    __syncthreads();
    write_tile(sums, warp_row, warp_column, memory, shared.pixels, first_result, tail);
}

// ---- few channels are written -----------------------------------------------------------------------------------------------
//
// A warp makes one row of 16 pixels x 8 channels. The channels that are read come in slices of 32: a patch of them, and their part
// of the filter, while the next slice is under way. Cells and (tap, result) are rows of a depth tile.

__device__ __forceinline__ void load_slice(unsigned char* stage, const Walk& walk, const Patch& patch, const __nv_bfloat16* picture,
                                           const __nv_bfloat16* filter, int slice) {
    const int cells = patch.height * patch.width, taps = walk.vertical.taps * walk.horizontal.taps;
    const int chunk = threadIdx.x & 3, channel = slice * SLICE_DEPTH + chunk * 8;
    for (int cell = threadIdx.x >> 2; cell < cells; cell += TILE_THREADS / 4) {
        const int y = patch.y + cell / patch.width, x = patch.x + cell % patch.width;
        const bool there = channel < walk.channels && in_picture(walk, y, x);
        const uint32_t pixel = (uint32_t(patch.image) * walk.vertical.read + (there ? y : 0)) * walk.horizontal.read + (there ? x : 0);
        cp_async16(smem_addr(stage + depth_chunk(cell, chunk)), picture + (there ? size_t(pixel) * walk.channels + channel : 0), there);
    }
    const int filter_size = walk.filter_h * walk.filter_w * walk.channels;
    for (int row = threadIdx.x >> 2; row < taps * 8; row += TILE_THREADS / 4) {
        const int result = row % 8, tap = row / 8;
        const bool there = channel < walk.channels && result < walk.results;
        const Tap from{tap / walk.horizontal.taps, tap % walk.horizontal.taps, channel};
        const int source = there ? result * filter_size + filter_at(walk, from) : 0;
        cp_async16(smem_addr(stage + cells * 64 + depth_chunk(row, chunk)), filter + source, there);
    }
}

__device__ __forceinline__ void thin_output(const Walk& walk, const __nv_bfloat16* picture, const __nv_bfloat16* filter,
                                            const Tail<__nv_bfloat16>& tail) {
    DYNAMIC_SHARED(memory);
    const Patch patch = patch_of(walk);
    if (patch.image < 0) {
        tail.template write_no_parts<8>(0);
        return;
    }
    const int cells = patch.height * patch.width, taps = walk.vertical.taps * walk.horizontal.taps;
    const int stage_bytes = cells * 64 + taps * 8 * 64;
    const int slices = ceil_div(walk.channels, SLICE_DEPTH);
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int own_cell = first_cell(walk, patch, warp * TILE_W + (lane & 15));

    float sums[4] = {};
    load_slice(memory, walk, patch, picture, filter, 0);
    cp_async_commit();
    for (int slice = 0; slice < slices; ++slice) {
        // A lone slice has a lone buffer.
        if (slice + 1 < slices) load_slice(memory + (slice + 1) % 2 * stage_bytes, walk, patch, picture, filter, slice + 1);
        cp_async_commit();
        cp_async_wait<1>();
        __syncthreads();
        const saddr left = smem_addr(memory + slice % 2 * stage_bytes), right = left + cells * 64;
        for (int p = 0, tap = 0; p < walk.vertical.taps; ++p) {
            for (int q = 0; q < walk.horizontal.taps; ++q, ++tap) {
                uint32_t a[4], b[4];
                const int cell = own_cell + tap_cells(walk, patch, p, q);
                ldmatrix_x4(b, right + depth_chunk(tap * 8 + (lane & 7), lane >> 3));
                ldmatrix_x4(a, left + depth_chunk(cell, lane >> 4));
                mma_bf16_16816(sums, a, b[0], b[1]);
                ldmatrix_x4(a, left + depth_chunk(cell, 2 + (lane >> 4)));
                mma_bf16_16816(sums, a, b[2], b[3]);
            }
        }
        __syncthreads();
    }
    cp_async_wait<0>();
    PixelSums<1> own[2];
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        const int pixel = written_pixel(walk, patch, warp * TILE_W + lane / 4 + e / 2 * 8), channel = lane % 4 * 2 + e % 2;
        if (pixel >= 0 && channel < walk.results) tail.finish(sums[e], pixel, channel, own[e % 2]);
    }
    if (!tail.z) return;
    // The slices have been read by everyone, and the largest phase has asked for a patch of at least 8 x 16 cells.
    constexpr int GROUPS = TILE_THREADS / 4;
    float* staged = reinterpret_cast<float*>(memory);
    static_assert(2 * GROUPS * 8 * 4 <= TILE_PIXELS * 64, "the sums of all threads take the place of the patch");
#pragma unroll
    for (int e = 0; e < 2; ++e) {
        const int at = threadIdx.x / 4 * 8 + threadIdx.x % 4 * 2 + e;
        staged[at] = own[e].slope[0];
        staged[GROUPS * 8 + at] = own[e].bias[0];
    }
    __syncthreads();
    tail.template write_parts<GROUPS, 8>(staged, 0);
}

// ---- entries ----------------------------------------------------------------------------------------------------------------

// Grid: one block per (8 x 16 pixels of y, 64 channels of y). Reads x once but for the borders of the patches, writes y once;
// 2*n*oh*ow*o*kh*kw*c FLOP.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    conv_forward_bf16_thin_input(const __nv_bfloat16* x, const __nv_bfloat16* w, const float* bias, const float* slope,
                                 const __nv_bfloat16* residual, const __nv_bfloat16* z, __nv_bfloat16* y, __nv_bfloat16* before,
                                 void*, float* slope_parts, float* bias_parts, const ConvGeometry g) {
    const TailOperands<__nv_bfloat16> tail{bias, slope, residual, z, before, slope_parts, bias_parts};
    thin_input(forward_walk(g), x, w, tail_of(g, g.o, y, tail));
}
EXPORT_KERNEL(conv_forward_bf16_thin_input)

// Grid: one block per (8 x 16 pixels of one phase of dx, 64 channels of dx, phase). `exchanged`: IHWO. Bytes and FLOP as above.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    conv_data_bf16_thin_input(const __nv_bfloat16* dy, const __nv_bfloat16* exchanged, const float* slope,
                              const __nv_bfloat16* residual, const __nv_bfloat16* z, __nv_bfloat16* dx, __nv_bfloat16* before,
                              float* slope_parts, float* bias_parts, const ConvGeometry g) {
    const TailOperands<__nv_bfloat16> tail{nullptr, slope, residual, z, before, slope_parts, bias_parts};
    thin_input(data_walk(g, blockIdx.z), dy, exchanged, tail_of(g, g.c, dx, tail));
}
EXPORT_KERNEL(conv_data_bf16_thin_input)

// Grid: one block per 8 x 16 pixels of y. Bytes and FLOP as above.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    conv_forward_bf16_thin_output(const __nv_bfloat16* x, const __nv_bfloat16* w, const float* bias, const float* slope,
                                  const __nv_bfloat16* residual, const __nv_bfloat16* z, __nv_bfloat16* y, __nv_bfloat16* before,
                                  void*, float* slope_parts, float* bias_parts, const ConvGeometry g) {
    const TailOperands<__nv_bfloat16> tail{bias, slope, residual, z, before, slope_parts, bias_parts};
    thin_output(forward_walk(g), x, w, tail_of(g, g.o, y, tail));
}
EXPORT_KERNEL(conv_forward_bf16_thin_output)

// Grid: one block per (8 x 16 pixels of one phase of dx, 1, phase). `exchanged`: IHWO. Bytes and FLOP as above.
extern "C" __global__ void __launch_bounds__(TILE_THREADS, 2)
    conv_data_bf16_thin_output(const __nv_bfloat16* dy, const __nv_bfloat16* exchanged, const float* slope,
                               const __nv_bfloat16* residual, const __nv_bfloat16* z, __nv_bfloat16* dx, __nv_bfloat16* before,
                               float* slope_parts, float* bias_parts, const ConvGeometry g) {
    const TailOperands<__nv_bfloat16> tail{nullptr, slope, residual, z, before, slope_parts, bias_parts};
    thin_output(data_walk(g, blockIdx.z), dy, exchanged, tail_of(g, g.c, dx, tail));
}
EXPORT_KERNEL(conv_data_bf16_thin_output)
