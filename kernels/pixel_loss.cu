// Pixel loss: L = sum of (y - t)^2 / (2 M), M the batch, and dy = weight (y - t) / M. Flat memory, any layout.
// y and t are f32 or bf16 each; dy has y's type. Squares are added in f64, pieces in order.
#include "sums.cuh"

struct Params {
    unsigned elements, n;
    float weight;
};
static_assert(sizeof(Params) == 12, "the struct of src/ops/pixel_loss.rs");

constexpr unsigned PIECE = 4096;

template <class Y, class T>
__device__ __forceinline__ void pixel_loss_piece(const Y* __restrict__ y, const T* __restrict__ target, Y* __restrict__ dy,
                                                 double* __restrict__ sums, const Params params) {
    __shared__ double scratch[WARP];
    const unsigned first = blockIdx.x * PIECE, count = min(PIECE, params.elements - first);
    const float scale = params.weight / static_cast<float>(params.n);
    double sum = 0.0;
    const auto step = [&](float difference) {
        sum += static_cast<double>(difference) * static_cast<double>(difference);
        return scale * difference;
    };
    for (unsigned i = threadIdx.x * 8; i < count; i += blockDim.x * 8) {
        const size_t at = static_cast<size_t>(first) + i;
        if (i + 8 <= count) {
            float u[8], v[8];
            load8(u, y + at);
            load8(v, target + at);
#pragma unroll
            for (int k = 0; k < 8; ++k) u[k] = step(u[k] - v[k]);
            store8(dy + at, u);
        } else {
            for (unsigned k = 0; k < count - i; ++k) dy[at + k] = from_float<Y>(step(to_float(y[at + k]) - to_float(target[at + k])));
        }
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// One block per 4096 elements. 12 bytes and 4 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    pixel_loss(const float* y, const float* target, float* dy, double* sums, const Params params) {
    pixel_loss_piece(y, target, dy, sums, params);
}
EXPORT_KERNEL(pixel_loss)

// One block per 4096 elements. 6 bytes and 4 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    pixel_loss_bf16(const __nv_bfloat16* y, const __nv_bfloat16* target, __nv_bfloat16* dy, double* sums, const Params params) {
    pixel_loss_piece(y, target, dy, sums, params);
}
EXPORT_KERNEL(pixel_loss_bf16)

// One block per 4096 elements. 10 bytes and 4 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    pixel_loss_f32_bf16(const float* y, const __nv_bfloat16* target, float* dy, double* sums, const Params params) {
    pixel_loss_piece(y, target, dy, sums, params);
}
EXPORT_KERNEL(pixel_loss_f32_bf16)

// One block per 4096 elements. 8 bytes and 4 FLOP per element.
extern "C" __global__ void __launch_bounds__(256)
    pixel_loss_bf16_f32(const __nv_bfloat16* y, const float* target, __nv_bfloat16* dy, double* sums, const Params params) {
    pixel_loss_piece(y, target, dy, sums, params);
}
EXPORT_KERNEL(pixel_loss_bf16_f32)

// A single block; `elements` counts the partial sums.
extern "C" __global__ void __launch_bounds__(256) pixel_loss_sum(const double* sums, float* loss, const Params params) {
    __shared__ double scratch[WARP];
    const double sum = sum_partials(sums, params.elements, scratch);
    if (threadIdx.x == 0) loss[0] = static_cast<float>(sum / (2.0 * params.n));
}
EXPORT_KERNEL(pixel_loss_sum)
