// The products of a fully connected layer, f32 and bf16, accumulated in f32:
//   forward  y[n,o]  = bias[o] + sum over k of x[n,k] w[o,k]     left x, depth contiguous; right w, depth contiguous
//   data     dx[n,k] = sum over o of dy[n,o] w[o,k]              left dy, depth contiguous; right w, columns contiguous
//   filter   dw[o,k] = sum over n of dy[n,o] x[n,k]              left dy, rows contiguous; right x, columns contiguous
// x [n, k], w [o, k], dy [n, o] are row-major; k counts h, w, c as they lie in memory.
//
// A block computes 64 x 64 sums over one slice of the depth and leaves them in f32 at [slice][row][column]; linear_finish
// adds the slices in order. The filter product is never sliced and writes dw itself.
#include "sums.cuh"

struct Product {
    unsigned rows, columns, depth, slice, slices;
};
static_assert(sizeof(Product) == 20, "the struct of src/ops/linear.rs");

constexpr unsigned TILE = 64;

// ---- f32: 256 threads, 4 x 4 sums each, 16 of the depth at a time ------------------------------------------------------

constexpr unsigned PLAIN_DEPTH = 16, PLAIN_PITCH = TILE + 4;

// Brings 64 rows (or columns) of an operand, 16 deep, to shared memory as [depth][64]; zeros outside.
template <bool DEEP>
__device__ __forceinline__ void load_plain(float* to, const float* __restrict__ from, unsigned first, unsigned extent,
                                           unsigned at, unsigned end, unsigned depth) {
#pragma unroll
    for (unsigned i = 0; i < TILE * PLAIN_DEPTH / 256; ++i) {
        const unsigned element = threadIdx.x + 256 * i;
        const unsigned k = DEEP ? element % PLAIN_DEPTH : element / TILE, r = DEEP ? element / PLAIN_DEPTH : element % TILE;
        const bool inside = first + r < extent && at + k < end;
        const size_t source = DEEP ? static_cast<size_t>(first + r) * depth + at + k : static_cast<size_t>(at + k) * extent + first + r;
        to[k * PLAIN_PITCH + r] = inside ? from[source] : 0.0f;
    }
}

template <bool LEFT_DEEP, bool RIGHT_DEEP>
__device__ __forceinline__ void product_f32(const float* __restrict__ left, const float* __restrict__ right,
                                            float* __restrict__ out, const Product& p) {
    __shared__ __align__(16) float rows[PLAIN_DEPTH * PLAIN_PITCH];
    __shared__ __align__(16) float columns[PLAIN_DEPTH * PLAIN_PITCH];
    const unsigned first_row = blockIdx.x * TILE, first_column = blockIdx.y * TILE;
    const unsigned begin = blockIdx.z * p.slice, end = min(begin + p.slice, p.depth);
    const unsigned row = threadIdx.x / 16 * 4, column = threadIdx.x % 16 * 4;
    float sums[4][4] = {};
    for (unsigned at = begin; at < end; at += PLAIN_DEPTH) {
        load_plain<LEFT_DEEP>(rows, left, first_row, p.rows, at, end, p.depth);
        load_plain<RIGHT_DEEP>(columns, right, first_column, p.columns, at, end, p.depth);
        __syncthreads();
#pragma unroll
        for (unsigned k = 0; k < PLAIN_DEPTH; ++k) {
            // Past the end of the slice stand zeros, and a zero times a NaN of the other operand would be a NaN; but there
            // both are zeros.
            float a[4], b[4];
            load4(a, rows + k * PLAIN_PITCH + row);
            load4(b, columns + k * PLAIN_PITCH + column);
#pragma unroll
            for (int i = 0; i < 4; ++i) {
#pragma unroll
                for (int j = 0; j < 4; ++j) sums[i][j] += a[i] * b[j];
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
#pragma unroll
        for (unsigned j = 0; j < 4; ++j) {
            const unsigned r = first_row + row + i, c = first_column + column + j;
            if (r < p.rows && c < p.columns) out[(static_cast<size_t>(blockIdx.z) * p.rows + r) * p.columns + c] = sums[i][j];
        }
    }
}

// ---- bf16: 4 warps of 32 x 32 sums on the tensor cores, 32 of the depth at a time, three stages of cp.async ------------

constexpr unsigned DEPTH = 32, STAGES = 3;
// Bytes from one row of a tile to the next, padded by 16 so that eight rows of a matrix load fall into different banks.
constexpr unsigned DEEP_PITCH = DEPTH * 2 + 16, FLAT_PITCH = TILE * 2 + 16;
constexpr unsigned TILE_BYTES = TILE * DEEP_PITCH;
static_assert(DEPTH * FLAT_PITCH <= TILE_BYTES, "a tile of either layout fits");

// Copies 8 numbers of a row, at most those before `end`, zeros elsewhere. `width` is how many the row's alignment allows at
// once; `end` is a multiple of it.
__device__ __forceinline__ void copy8(unsigned char* to, const __nv_bfloat16* row, unsigned at, unsigned end, unsigned width) {
    const saddr target = smem_addr(to);
    if (width == 8) {
        cp_async16(target, at < end ? row + at : row, at < end);
    } else if (width == 4) {
#pragma unroll
        for (unsigned i = 0; i < 8; i += 4) cp_async8(target + 2 * i, at + i < end ? row + at + i : row, at + i < end);
    } else if (width == 2) {
#pragma unroll
        for (unsigned i = 0; i < 8; i += 2) cp_async4(target + 2 * i, at + i < end ? row + at + i : row, at + i < end);
    } else {
        uint32_t words[4];
#pragma unroll
        for (unsigned i = 0; i < 4; ++i) {
            const float low = at + 2 * i < end ? to_float(row[at + 2 * i]) : 0.0f;
            const float high = at + 2 * i + 1 < end ? to_float(row[at + 2 * i + 1]) : 0.0f;
            words[i] = pack_bf16(low, high);
        }
        *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
    }
}

__device__ __forceinline__ unsigned width_of(unsigned length) {
    return length % 8 == 0 ? 8 : length % 4 == 0 ? 4 : length % 2 == 0 ? 2 : 1;
}

// Starts the copies of one tile: [64][32 deep] where the depth is contiguous, else [32 deep][64].
template <bool DEEP>
__device__ __forceinline__ void load_tile(unsigned char* to, const __nv_bfloat16* __restrict__ from, unsigned first,
                                          unsigned extent, unsigned at, unsigned end, unsigned depth, unsigned width) {
#pragma unroll
    for (unsigned i = 0; i < 2; ++i) {
        const unsigned piece = threadIdx.x + 128 * i;
        if constexpr (DEEP) {
            const unsigned r = piece / 4, k = piece % 4 * 8;
            const bool inside = first + r < extent;
            const __nv_bfloat16* row = from + static_cast<size_t>(inside ? first + r : 0) * depth;
            copy8(to + r * DEEP_PITCH + 2 * k, row, at + k, inside ? end : 0, width);
        } else {
            const unsigned k = piece / 8, r = piece % 8 * 8;
            const bool inside = at + k < end;
            const __nv_bfloat16* row = from + static_cast<size_t>(inside ? at + k : 0) * extent;
            copy8(to + k * FLAT_PITCH + 2 * r, row, first + r, inside ? extent : 0, width);
        }
    }
}

// The 16 x 16 fragment of the left operand at (row, k) of its tile.
template <bool DEEP>
__device__ __forceinline__ void left_fragment(uint32_t (&a)[4], const unsigned char* tile, unsigned row, unsigned k) {
    const unsigned lane = static_cast<unsigned>(lane_index());
    if constexpr (DEEP) {
        ldmatrix_x4(a, smem_addr(tile + (row + lane % 16) * DEEP_PITCH + 2 * (k + lane / 16 * 8)));
    } else {
        const unsigned deep = k + lane % 8 + lane / 16 * 8;
        ldmatrix_x4_trans(a, smem_addr(tile + deep * FLAT_PITCH + 2 * (row + lane / 8 % 2 * 8)));
    }
}

// Two 16 x 8 fragments of the right operand at (k, column) and (k, column + 8) of its tile.
template <bool DEEP>
__device__ __forceinline__ void right_fragments(uint32_t (&b)[4], const unsigned char* tile, unsigned column, unsigned k) {
    const unsigned lane = static_cast<unsigned>(lane_index());
    if constexpr (DEEP) {
        const unsigned c = column + lane % 8 + lane / 16 * 8;
        ldmatrix_x4(b, smem_addr(tile + c * DEEP_PITCH + 2 * (k + lane / 8 % 2 * 8)));
    } else {
        const unsigned deep = k + lane % 8 + lane / 8 % 2 * 8;
        ldmatrix_x4_trans(b, smem_addr(tile + deep * FLAT_PITCH + 2 * (column + lane / 16 * 8)));
    }
}

template <bool LEFT_DEEP, bool RIGHT_DEEP>
__device__ __forceinline__ void product_bf16(const __nv_bfloat16* __restrict__ left, const __nv_bfloat16* __restrict__ right,
                                             float* __restrict__ out, const Product& p) {
    DYNAMIC_SHARED(shared);
    const unsigned first_row = blockIdx.x * TILE, first_column = blockIdx.y * TILE;
    const unsigned begin = blockIdx.z * p.slice, end = min(begin + p.slice, p.depth);
    const unsigned steps = ceil_div(end - begin, DEPTH);
    const unsigned left_width = width_of(LEFT_DEEP ? p.depth : p.rows), right_width = width_of(RIGHT_DEEP ? p.depth : p.columns);
    const auto stage = [&](unsigned step) { return shared + step % STAGES * 2 * TILE_BYTES; };
    const auto load = [&](unsigned step) {
        if (step < steps) {
            const unsigned at = begin + step * DEPTH;
            load_tile<LEFT_DEEP>(stage(step), left, first_row, p.rows, at, end, p.depth, left_width);
            load_tile<RIGHT_DEEP>(stage(step) + TILE_BYTES, right, first_column, p.columns, at, end, p.depth, right_width);
        }
        cp_async_commit();
    };
    const unsigned lane = static_cast<unsigned>(lane_index()), warp = static_cast<unsigned>(warp_index());
    const unsigned row = warp % 2 * 32, column = warp / 2 * 32;
    float sums[2][4][4] = {};
    load(0);
    load(1);
    for (unsigned step = 0; step < steps; ++step) {
        cp_async_wait<STAGES - 2>();
        __syncthreads();
        load(step + STAGES - 1);
        const unsigned char *rows = stage(step), *columns = rows + TILE_BYTES;
#pragma unroll
        for (unsigned k = 0; k < DEPTH; k += 16) {
            uint32_t a[2][4], b[2][4];
#pragma unroll
            for (unsigned i = 0; i < 2; ++i) left_fragment<LEFT_DEEP>(a[i], rows, row + 16 * i, k);
#pragma unroll
            for (unsigned j = 0; j < 2; ++j) right_fragments<RIGHT_DEEP>(b[j], columns, column + 16 * j, k);
#pragma unroll
            for (unsigned i = 0; i < 2; ++i) {
#pragma unroll
                for (unsigned j = 0; j < 4; ++j) mma_bf16_16816(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
            }
        }
    }
#pragma unroll
    for (unsigned i = 0; i < 2; ++i) {
#pragma unroll
        for (unsigned j = 0; j < 4; ++j) {
#pragma unroll
            for (unsigned k = 0; k < 4; ++k) {
                const unsigned r = first_row + row + 16 * i + lane / 4 + k / 2 * 8;
                const unsigned c = first_column + column + 8 * j + lane % 4 * 2 + k % 2;
                if (r < p.rows && c < p.columns) out[(static_cast<size_t>(blockIdx.z) * p.rows + r) * p.columns + c] = sums[i][j][k];
            }
        }
    }
}

// ---- entries -----------------------------------------------------------------------------------------------------------
// All products: one block per 64 x 64 sums of a slice, 2 n k o FLOP. At batch 256 fc5 (k 10240, o 512) has 2.7 GFLOP and in
// bf16 reads 16 MB, fc6 (k 512, o 10572) 2.8 GFLOP and 11 MB: bound by the tensor cores with L2 in between.

extern "C" __global__ void __launch_bounds__(256)
    linear_forward(const float* x, const float* w, float* sums, const Product product) {
    product_f32<true, true>(x, w, sums, product);
}
EXPORT_KERNEL(linear_forward)

extern "C" __global__ void __launch_bounds__(256)
    linear_data(const float* dy, const float* w, float* sums, const Product product) {
    product_f32<true, false>(dy, w, sums, product);
}
EXPORT_KERNEL(linear_data)

extern "C" __global__ void __launch_bounds__(256)
    linear_filter(const float* dy, const float* x, float* dw, const Product product) {
    product_f32<false, false>(dy, x, dw, product);
}
EXPORT_KERNEL(linear_filter)

extern "C" __global__ void __launch_bounds__(128)
    linear_forward_bf16(const __nv_bfloat16* x, const __nv_bfloat16* w, float* sums, const Product product) {
    product_bf16<true, true>(x, w, sums, product);
}
EXPORT_KERNEL(linear_forward_bf16)

extern "C" __global__ void __launch_bounds__(128)
    linear_data_bf16(const __nv_bfloat16* dy, const __nv_bfloat16* w, float* sums, const Product product) {
    product_bf16<true, false>(dy, w, sums, product);
}
EXPORT_KERNEL(linear_data_bf16)

extern "C" __global__ void __launch_bounds__(128)
    linear_filter_bf16(const __nv_bfloat16* dy, const __nv_bfloat16* x, float* dw, const Product product) {
    product_bf16<false, false>(dy, x, dw, product);
}
EXPORT_KERNEL(linear_filter_bf16)

template <class T>
__device__ __forceinline__ void add_slices(const float* __restrict__ sums, const float* __restrict__ bias,
                                           T* __restrict__ out, const Product& p) {
    const unsigned long long element = grid_thread(), elements = static_cast<unsigned long long>(p.rows) * p.columns;
    if (element >= elements) return;
    float sum = sums[element];
    for (unsigned slice = 1; slice < p.slices; ++slice) sum += sums[slice * elements + element];
    out[element] = from_float<T>(bias == nullptr ? sum : sum + bias[element % p.columns]);
}

// One thread per element of the result. 4 bytes per slice, 4 to write.
extern "C" __global__ void __launch_bounds__(256)
    linear_finish(const float* sums, const float* bias, float* out, const Product product) {
    add_slices(sums, bias, out, product);
}
EXPORT_KERNEL(linear_finish)

// One thread per element of the result. 4 bytes per slice, 2 to write.
extern "C" __global__ void __launch_bounds__(256)
    linear_finish_bf16(const float* sums, const float* bias, __nv_bfloat16* out, const Product product) {
    add_slices(sums, bias, out, product);
}
EXPORT_KERNEL(linear_finish_bf16)

// db, the column sums of dy. One block of [32, 8] threads per 32 outputs; 4 bytes per element of dy.
extern "C" __global__ void __launch_bounds__(256) linear_bias(const float* dy, float* db, const Product product) {
    __shared__ float scratch[256];
    column_sums(dy, product.rows, product.columns, db, scratch);
}
EXPORT_KERNEL(linear_bias)

// db from a dy in bf16. One block of [32, 8] threads per 32 outputs; 2 bytes per element of dy.
extern "C" __global__ void __launch_bounds__(256) linear_bias_bf16(const __nv_bfloat16* dy, float* db, const Product product) {
    __shared__ float scratch[256];
    column_sums(dy, product.rows, product.columns, db, scratch);
}
EXPORT_KERNEL(linear_bias_bf16)

// An f32 dy rounded for the products beside bf16 filters. One thread per 8 elements, 6 bytes per element.
extern "C" __global__ void __launch_bounds__(256) linear_narrow(const float* dy, __nv_bfloat16* out, unsigned long long elements) {
    const unsigned long long first = grid_thread() * 8;
    if (first + 8 <= elements) {
        float v[8];
        load8(v, dy + first);
        store8(out + first, v);
    } else {
        for (unsigned long long i = first; i < elements; ++i) out[i] = __float2bfloat16(dy[i]);
    }
}
EXPORT_KERNEL(linear_narrow)
