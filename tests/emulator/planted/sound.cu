// Kernels without a bug, and the same kernels with one bug each: what the instrument must stay silent about, and must not.
#include "common.cuh"

// What to plant into the tile product.
enum Planted { NOTHING, NO_BARRIER, WAITS_TOO_LITTLE, MISALIGNED_ROWS, MISALIGNED_COPY };

// C(M x N, f32) = A(M x K, bf16) * B(N x K, bf16)^T for multiples of 32 (M, N) and 32 (K).
// Three stages of cp.async; a 32 x 32 tile for one block of four warps, 16 x 16 for each warp.
// Shared memory: 3 stages of (32 + 32) rows of 64 bytes, 16-byte pieces exchanged by row so that ldmatrix meets no
// bank conflict.
struct ProductParams {
    unsigned rows, columns, depth, unused;
};

template <Planted BUG>
__device__ __forceinline__ void product_tile(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c, const ProductParams p) {
    constexpr int STAGES = 3, ROW = 64, STAGE = 64 * ROW;
    DYNAMIC_SHARED(shared);
    const int thread = threadIdx.x, lane = lane_index(), warp = warp_index();
    const unsigned row0 = blockIdx.y * 32, column0 = blockIdx.x * 32;
    const int steps = static_cast<int>(p.depth / 32);
    const auto place = [](int row, int piece) { return row * ROW + (piece ^ (row / 2 % 4)) * 16; };
    const auto load = [&](int step) {
        if (step < steps) {
            unsigned char* stage = shared + step % STAGES * STAGE;
            const int row = thread / 4, piece = thread % 4;
            const unsigned long long at = step * 32 + piece * 8 + (BUG == MISALIGNED_COPY ? 1 : 0);
            cp_async16(smem_addr(stage + place(row, piece)), a + (row0 + row) * static_cast<unsigned long long>(p.depth) + at);
            cp_async16(smem_addr(stage + 32 * ROW + place(row, piece)), b + (column0 + row) * static_cast<unsigned long long>(p.depth) + at);
        }
        cp_async_commit();
    };
    float sum[2][4] = {};
    load(0);
    load(1);
    for (int step = 0; step < steps; step++) {
        cp_async_wait<BUG == WAITS_TOO_LITTLE ? STAGES - 1 : STAGES - 2>();
        if (BUG != NO_BARRIER) __syncthreads();
        load(step + 2);
        const unsigned char* stage = shared + step % STAGES * STAGE;
        for (int half = 0; half < 2; half++) {
            uint32_t left[4], right[4];
            const int a_row = warp % 2 * 16 + lane % 16, b_row = warp / 2 * 16 + lane % 8 + lane / 16 * 8;
            ldmatrix_x4(left, smem_addr(stage + place(a_row, half * 2 + lane / 16) + (BUG == MISALIGNED_ROWS ? 8 : 0)));
            ldmatrix_x4(right, smem_addr(stage + 32 * ROW + place(b_row, half * 2 + lane / 8 % 2)));
            mma_bf16_16816(sum[0], left, right[0], right[1]);
            mma_bf16_16816(sum[1], left, right[2], right[3]);
        }
    }
    for (int part = 0; part < 2; part++) {
        for (int i = 0; i < 4; i++) {
            const unsigned row = row0 + warp % 2 * 16 + lane / 4 + i / 2 * 8;
            const unsigned column = column0 + warp / 2 * 16 + part * 8 + lane % 4 * 2 + i % 2;
            c[row * static_cast<unsigned long long>(p.columns) + column] = sum[part][i];
        }
    }
}

#define PRODUCT(entry, bug)                                                                             \
    extern "C" __global__ void __launch_bounds__(128)                                                   \
        entry(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c, const ProductParams p) {        \
        product_tile<bug>(a, b, c, p);                                                                  \
    }                                                                                                   \
    EXPORT_KERNEL(entry)
PRODUCT(product, NOTHING)
PRODUCT(product_without_barrier, NO_BARRIER)
PRODUCT(product_waits_too_little, WAITS_TOO_LITTLE)
PRODUCT(product_misaligned_rows, MISALIGNED_ROWS)
PRODUCT(product_misaligned_copy, MISALIGNED_COPY)

// Row sums of exp(x - max) with block reductions over static shared memory: one block for each row.
extern "C" __global__ void __launch_bounds__(256) row_softmax(const float* x, float* y, unsigned long long columns) {
    __shared__ float scratch[32];
    const float* row = x + blockIdx.x * columns;
    float most = -INFINITY, sum = 0.0f;
    for (unsigned long long i = threadIdx.x; i < columns; i += blockDim.x) most = fmaxf(most, row[i]);
    most = block_max(most, scratch);
    for (unsigned long long i = threadIdx.x; i < columns; i += blockDim.x) sum += expf(row[i] - most);
    sum = block_sum(sum, scratch);
    for (unsigned long long i = threadIdx.x; i < columns; i += blockDim.x) y[blockIdx.x * columns + i] = expf(row[i] - most) / sum;
}
EXPORT_KERNEL(row_softmax)

// Every collective once, in a kernel whose answer is known: y[t] is the sum of what each gives.
extern "C" __global__ void collectives(const float* x, float* y) {
    const int lane = lane_index();
    const unsigned all = 0xffffffffu;
    float value = x[threadIdx.x];
    float sum = __shfl_sync(all, value, (lane + 1) % 32) + __shfl_xor_sync(all, value, 1) * 2.0f;
    sum += __shfl_up_sync(all, value, 1) * 3.0f + __shfl_down_sync(all, value, 1) * 5.0f;
    sum += static_cast<float>(__popc(__ballot_sync(all, lane % 3 == 0)));
    const unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
    sum += __shfl_xor_sync(half, value, 8) * 7.0f;
    __syncwarp();
    sum += static_cast<float>(__syncthreads_count(lane == 0));
    y[threadIdx.x] = sum;
}
EXPORT_KERNEL(collectives)

// y[i] = a * x[i] + y[i]
struct AxpyParams {
    float a;
    unsigned count;
};
extern "C" __global__ void axpy(const float* x, float* y, const AxpyParams p) {
    const unsigned long long i = grid_thread();
    if (i < p.count) y[i] = p.a * x[i] + y[i];
}
EXPORT_KERNEL(axpy)
