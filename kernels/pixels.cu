// From pictures to numbers: moving and mirroring u8 pixels, and network units, (u8 - 127.5) / 128, which are exact in f32 and in
// bf16. Pixels are NHWC.
#include "common.cuh"

struct Rows {
    unsigned n, h, w, c;
};
static_assert(sizeof(Rows) == 16, "the struct of src/ops/pixels.rs");

__device__ __forceinline__ float network_units(unsigned byte) { return (static_cast<float>(byte) - 127.5f) * 0.0078125f; }

template <class T>
__device__ __forceinline__ void normalize_flat(const unsigned char* __restrict__ pixels, T* __restrict__ out,
                                               unsigned long long elements) {
    const unsigned long long first = grid_thread() * 8;
    if (first + 8 <= elements) {
        const uint2 bytes = *reinterpret_cast<const uint2*>(pixels + first);
        float v[8];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            v[i] = network_units(bytes.x >> 8 * i & 255u);
            v[i + 4] = network_units(bytes.y >> 8 * i & 255u);
        }
        store8(out + first, v);
    } else {
        for (unsigned long long i = first; i < elements; ++i) out[i] = from_float<T>(network_units(pixels[i]));
    }
}

// One thread per 8 elements. 5 bytes and 2 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    normalize(const unsigned char* pixels, float* out, unsigned long long elements) {
    normalize_flat(pixels, out, elements);
}
EXPORT_KERNEL(normalize)

// One thread per 8 elements. 3 bytes and 2 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    normalize_bf16(const unsigned char* pixels, __nv_bfloat16* out, unsigned long long elements) {
    normalize_flat(pixels, out, elements);
}
EXPORT_KERNEL(normalize_bf16)

// A position moved back by `by`; what comes in from outside repeats the edge.
__device__ __forceinline__ unsigned inside(unsigned position, int by, unsigned extent) {
    const long long from = static_cast<long long>(position) - by;
    return from < 0 ? 0u : from >= extent ? extent - 1 : static_cast<unsigned>(from);
}

template <class T>
__device__ __forceinline__ void augment_pixel(const unsigned char* __restrict__ pixels, const int* __restrict__ moves,
                                              unsigned char* __restrict__ moved, T* __restrict__ out, const Rows rows) {
    const unsigned pixel = blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= rows.n * rows.h * rows.w) return;
    const unsigned row = pixel / rows.w, column = pixel % rows.w, picture = row / rows.h;
    const int* move = moves + static_cast<size_t>(picture) * 3;
    const unsigned x = inside(move[0] == 0 ? column : rows.w - 1 - column, move[2], rows.w);
    const unsigned y = inside(row % rows.h, move[1], rows.h);
    const size_t to = static_cast<size_t>(pixel) * rows.c;
    const size_t from = ((static_cast<size_t>(picture) * rows.h + y) * rows.w + x) * rows.c;
    for (unsigned channel = 0; channel < rows.c; ++channel) {
        const unsigned char byte = pixels[from + channel];
        moved[to + channel] = byte;
        out[to + channel] = from_float<T>(network_units(byte));
    }
}

// One thread per pixel. 6 bytes and 2 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    augment(const unsigned char* pixels, const int* moves, unsigned char* moved, float* out, const Rows rows) {
    augment_pixel(pixels, moves, moved, out, rows);
}
EXPORT_KERNEL(augment)

// One thread per pixel. 4 bytes and 2 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    augment_bf16(const unsigned char* pixels, const int* moves, unsigned char* moved, __nv_bfloat16* out, const Rows rows) {
    augment_pixel(pixels, moves, moved, out, rows);
}
EXPORT_KERNEL(augment_bf16)
