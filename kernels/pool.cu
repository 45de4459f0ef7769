// 2x2 maximum with stride 2 over NHWC, keeping which of the four won as u8. A last odd row or column is dropped; of equal
// values the first in reading order wins, and a NaN beats every number.
#include "common.cuh"

struct Extents {
    unsigned n, h, w, c;
};
static_assert(sizeof(Extents) == 16, "the struct of src/ops/pool.rs");

// Channels that one thread takes.
constexpr unsigned GROUP = 4;

__device__ __forceinline__ void take_if_larger(float candidate, unsigned which, float& best, unsigned& winner) {
    if (candidate > best || (isnan(candidate) && !isnan(best))) best = candidate, winner = which;
}

template <class T>
__device__ __forceinline__ void pool_forward_group(const T* __restrict__ x, T* __restrict__ y,
                                                   unsigned char* __restrict__ index, const Extents e) {
    const unsigned groups = ceil_div(e.c, GROUP), oh = e.h / 2, ow = e.w / 2;
    const unsigned long long thread = grid_thread();
    if (thread >= static_cast<unsigned long long>(e.n) * oh * ow * groups) return;
    const unsigned pixel = static_cast<unsigned>(thread / groups), channel = static_cast<unsigned>(thread % groups) * GROUP;
    const unsigned column = pixel % ow, row = pixel / ow % oh, image = pixel / ow / oh;
    const T* top = x + ((static_cast<size_t>(image) * e.h + 2 * row) * e.w + 2 * column) * e.c + channel;
    const T* bottom = top + static_cast<size_t>(e.w) * e.c;
    const size_t to = static_cast<size_t>(pixel) * e.c + channel;
    if (e.c % GROUP == 0) {
        float four[4][GROUP], best[GROUP];
        load4(four[0], top), load4(four[1], top + e.c), load4(four[2], bottom), load4(four[3], bottom + e.c);
        unsigned winners = 0;
#pragma unroll
        for (unsigned i = 0; i < GROUP; ++i) {
            unsigned winner = 0;
            best[i] = four[0][i];
#pragma unroll
            for (unsigned k = 1; k < 4; ++k) take_if_larger(four[k][i], k, best[i], winner);
            winners |= winner << 8 * i;
        }
        store4(y + to, best);
        *reinterpret_cast<unsigned*>(index + to) = winners;
    } else {
        for (unsigned i = 0; i < GROUP && channel + i < e.c; ++i) {
            float best = to_float(top[i]);
            unsigned winner = 0;
            take_if_larger(to_float(top[e.c + i]), 1, best, winner);
            take_if_larger(to_float(bottom[i]), 2, best, winner);
            take_if_larger(to_float(bottom[e.c + i]), 3, best, winner);
            y[to + i] = from_float<T>(best);
            index[to + i] = static_cast<unsigned char>(winner);
        }
    }
}

template <class T>
__device__ __forceinline__ void pool_backward_group(const T* __restrict__ dy, const unsigned char* __restrict__ index,
                                                    T* __restrict__ dx, const Extents e) {
    const unsigned groups = ceil_div(e.c, GROUP), oh = e.h / 2, ow = e.w / 2;
    const unsigned windows_down = ceil_div(e.h, 2u), windows_across = ceil_div(e.w, 2u);
    const unsigned long long thread = grid_thread();
    if (thread >= static_cast<unsigned long long>(e.n) * windows_down * windows_across * groups) return;
    const unsigned window = static_cast<unsigned>(thread / groups), channel = static_cast<unsigned>(thread % groups) * GROUP;
    const unsigned column = window % windows_across, row = window / windows_across % windows_down;
    const unsigned image = window / windows_across / windows_down;
    // A window that a last odd row or column has for itself was not pooled: its gradient is 0.
    const bool pooled = row < oh && column < ow;
    const size_t from = ((static_cast<size_t>(image) * oh + row) * ow + column) * e.c + channel;
    const bool whole = e.c % GROUP == 0;
    float gradient[GROUP] = {0.0f, 0.0f, 0.0f, 0.0f};
    unsigned winners = 0;
    if (pooled && whole) {
        load4(gradient, dy + from);
        winners = *reinterpret_cast<const unsigned*>(index + from);
    } else if (pooled) {
#pragma unroll
        for (unsigned i = 0; i < GROUP; ++i) {
            if (channel + i < e.c) gradient[i] = to_float(dy[from + i]), winners |= static_cast<unsigned>(index[from + i]) << 8 * i;
        }
    }
#pragma unroll
    for (unsigned k = 0; k < 4; ++k) {
        const unsigned y = 2 * row + k / 2, x = 2 * column + k % 2;
        if (y >= e.h || x >= e.w) continue;
        T* to = dx + ((static_cast<size_t>(image) * e.h + y) * e.w + x) * e.c + channel;
        float v[GROUP];
#pragma unroll
        for (unsigned i = 0; i < GROUP; ++i) v[i] = (winners >> 8 * i & 255u) == k ? gradient[i] : 0.0f;
        if (whole) {
            store4(to, v);
        } else {
#pragma unroll
            for (unsigned i = 0; i < GROUP; ++i) {
                if (channel + i < e.c) to[i] = from_float<T>(v[i]);
            }
        }
    }
}

// One thread per 4 channels of an output pixel. 21 bytes and 3 comparisons per output.
extern "C" __global__ void __launch_bounds__(256)
    pool_forward(const float* x, float* y, unsigned char* index, const Extents e) {
    pool_forward_group(x, y, index, e);
}
EXPORT_KERNEL(pool_forward)

// One thread per 4 channels of an output pixel. 11 bytes and 3 comparisons per output.
extern "C" __global__ void __launch_bounds__(256)
    pool_forward_bf16(const __nv_bfloat16* x, __nv_bfloat16* y, unsigned char* index, const Extents e) {
    pool_forward_group(x, y, index, e);
}
EXPORT_KERNEL(pool_forward_bf16)

// One thread per 4 channels of a window of x. 21 bytes per output of the forward pass.
extern "C" __global__ void __launch_bounds__(256)
    pool_backward(const float* dy, const unsigned char* index, float* dx, const Extents e) {
    pool_backward_group(dy, index, dx, e);
}
EXPORT_KERNEL(pool_backward)

// One thread per 4 channels of a window of x. 11 bytes per output of the forward pass.
extern "C" __global__ void __launch_bounds__(256)
    pool_backward_bf16(const __nv_bfloat16* dy, const unsigned char* index, __nv_bfloat16* dx, const Extents e) {
    pool_backward_group(dy, index, dx, e);
}
EXPORT_KERNEL(pool_backward_bf16)
