// From pictures to numbers: mirroring u8 pixels, and network units, (u8 - 127.5) / 128, which are exact in f32 and in bf16.
// Pixels are NHWC.
#include "common.cuh"

struct Rows {
    unsigned n, h, w, c;
};
static_assert(sizeof(Rows) == 16, "the struct of src/ops/pixels.rs");

// One thread per pixel. 2 bytes per element.
extern "C" __global__ void __launch_bounds__(256)
    mirror(const unsigned char* __restrict__ pixels, const unsigned char* __restrict__ flags,
           unsigned char* __restrict__ out, const Rows rows) {
    const unsigned pixel = blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= rows.n * rows.h * rows.w) return;
    const unsigned row = pixel / rows.w, column = pixel % rows.w;
    const unsigned source = flags[row / rows.h] == 0 ? column : rows.w - 1 - column;
    const size_t to = static_cast<size_t>(pixel) * rows.c;
    const size_t from = (static_cast<size_t>(row) * rows.w + source) * rows.c;
    for (unsigned channel = 0; channel < rows.c; ++channel) out[to + channel] = pixels[from + channel];
}
EXPORT_KERNEL(mirror)

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
