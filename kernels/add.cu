// Sum of two tensors of one shape: y = a + b, in f32 or bf16 (added in f32, rounded once).
// Flat memory: the layout does not matter. Regions begin at multiples of 256 bytes, so eight elements load at once.
#include "common.cuh"

template <class T>
__device__ __forceinline__ void add_flat(const T* __restrict__ a, const T* __restrict__ b, T* __restrict__ y,
                                         unsigned long long elements) {
    const unsigned long long first = grid_thread() * 8;
    if (first + 8 <= elements) {
        float u[8], v[8];
        load8(u, a + first);
        load8(v, b + first);
#pragma unroll
        for (int i = 0; i < 8; ++i) u[i] += v[i];
        store8(y + first, u);
    } else {
        for (unsigned long long i = first; i < elements; ++i) y[i] = from_float<T>(to_float(a[i]) + to_float(b[i]));
    }
}

// One thread per 8 elements. 12 bytes and 1 FLOP per element.
extern "C" __global__ void __launch_bounds__(256) add(const float* a, const float* b, float* y, unsigned long long elements) {
    add_flat(a, b, y, elements);
}
EXPORT_KERNEL(add)

// One thread per 8 elements. 6 bytes and 1 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    add_bf16(const __nv_bfloat16* a, const __nv_bfloat16* b, __nv_bfloat16* y, unsigned long long elements) {
    add_flat(a, b, y, elements);
}
EXPORT_KERNEL(add_bf16)
