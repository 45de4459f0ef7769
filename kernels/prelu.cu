// PReLU over NHWC with one f32 slope per channel: y = x where x > 0, else slope[c] x.
// Backward: dx = dy where x > 0, else slope[c] dy; dslope[c] = sum over pixels of dy min(x, 0).
#include "sums.cuh"

// Pixels of the batch (or pieces of them) and channels.
struct Extents {
    unsigned pixels, channels;
};
static_assert(sizeof(Extents) == 8, "the struct of src/ops/prelu.rs");

constexpr unsigned GROUP = 4;     // channels of a thread of the forward kernel
constexpr unsigned PIECE = 512;   // pixels of a block of the backward kernel

__device__ __forceinline__ float prelu(float x, float slope) { return x > 0.0f ? x : slope * x; }

template <class T>
__device__ __forceinline__ void prelu_forward_group(const T* __restrict__ x, const float* __restrict__ slope,
                                                    T* __restrict__ y, const Extents e) {
    const unsigned groups = ceil_div(e.channels, GROUP);
    const unsigned long long thread = grid_thread();
    if (thread >= static_cast<unsigned long long>(e.pixels) * groups) return;
    const unsigned channel = static_cast<unsigned>(thread % groups) * GROUP;
    const size_t at = static_cast<size_t>(thread / groups) * e.channels + channel;
    if (e.channels % GROUP == 0) {
        float v[GROUP], a[GROUP];
        load4(v, x + at);
        load4(a, slope + channel);
#pragma unroll
        for (unsigned i = 0; i < GROUP; ++i) v[i] = prelu(v[i], a[i]);
        store4(y + at, v);
    } else {
        for (unsigned i = 0; i < GROUP && channel + i < e.channels; ++i) {
            y[at + i] = from_float<T>(prelu(to_float(x[at + i]), slope[channel + i]));
        }
    }
}

template <class T>
__device__ __forceinline__ void prelu_backward_piece(const T* __restrict__ dy, const T* __restrict__ x,
                                                     const float* __restrict__ slope, T* __restrict__ dx,
                                                     float* __restrict__ partials, const Extents e) {
    __shared__ float scratch[256];
    const unsigned channel = blockIdx.y * blockDim.x + threadIdx.x;
    const unsigned first = blockIdx.x * PIECE, end = min(first + PIECE, e.pixels);
    float sum = 0.0f;
    if (channel < e.channels) {
        const float a = slope[channel];
#pragma unroll 4
        for (unsigned pixel = first + threadIdx.y; pixel < end; pixel += blockDim.y) {
            const size_t at = static_cast<size_t>(pixel) * e.channels + channel;
            const float upstream = to_float(dy[at]), value = to_float(x[at]);
            dx[at] = from_float<T>(value > 0.0f ? upstream : a * upstream);
            sum += upstream * (value > 0.0f ? 0.0f : value);
        }
    }
    sum = sum_rows_of_threads(sum, scratch);
    if (threadIdx.y == 0 && channel < e.channels) partials[static_cast<size_t>(blockIdx.x) * e.channels + channel] = sum;
}

// One thread per 4 channels of a pixel. 8 bytes and 1 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    prelu_forward(const float* x, const float* slope, float* y, const Extents e) {
    prelu_forward_group(x, slope, y, e);
}
EXPORT_KERNEL(prelu_forward)

// One thread per 4 channels of a pixel. 4 bytes and 1 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    prelu_forward_bf16(const __nv_bfloat16* x, const float* slope, __nv_bfloat16* y, const Extents e) {
    prelu_forward_group(x, slope, y, e);
}
EXPORT_KERNEL(prelu_forward_bf16)

// One block of [across, down] threads per 512 pixels and `across` channels. 12 bytes and 4 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    prelu_backward(const float* dy, const float* x, const float* slope, float* dx, float* partials, const Extents e) {
    prelu_backward_piece(dy, x, slope, dx, partials, e);
}
EXPORT_KERNEL(prelu_backward)

// One block of [across, down] threads per 512 pixels and `across` channels. 6 bytes and 4 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    prelu_backward_bf16(const __nv_bfloat16* dy, const __nv_bfloat16* x, const float* slope, __nv_bfloat16* dx,
                        float* partials, const Extents e) {
    prelu_backward_piece(dy, x, slope, dx, partials, e);
}
EXPORT_KERNEL(prelu_backward_bf16)

// One block of [across, down] threads per `across` channels. 4 bytes and 1 FLOP per piece and channel.
extern "C" __global__ void __launch_bounds__(256) prelu_slope(const float* partials, float* dslope, const Extents e) {
    __shared__ float scratch[256];
    column_sums(partials, e.pixels, e.channels, dslope, scratch);
}
EXPORT_KERNEL(prelu_slope)
