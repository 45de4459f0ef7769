// Between f32 and bf16: narrowing rounds to nearest, ties to even; widening is exact. Flat memory, any layout.
#include "common.cuh"

template <class From, class To>
__device__ __forceinline__ void cast_flat(const From* __restrict__ x, To* __restrict__ y, unsigned long long elements) {
    const unsigned long long first = grid_thread() * 8;
    if (first + 8 <= elements) {
        float v[8];
        load8(v, x + first);
        store8(y + first, v);
    } else {
        for (unsigned long long i = first; i < elements; ++i) y[i] = from_float<To>(to_float(x[i]));
    }
}

// One thread per 8 elements. 6 bytes per element.
extern "C" __global__ void __launch_bounds__(256) cast_narrow(const float* x, __nv_bfloat16* y, unsigned long long elements) {
    cast_flat(x, y, elements);
}
EXPORT_KERNEL(cast_narrow)

// One thread per 8 elements. 6 bytes per element.
extern "C" __global__ void __launch_bounds__(256) cast_widen(const __nv_bfloat16* x, float* y, unsigned long long elements) {
    cast_flat(x, y, elements);
}
EXPORT_KERNEL(cast_widen)
