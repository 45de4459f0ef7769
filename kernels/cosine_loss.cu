// Cosine loss: L = mean over rows of 1 - a.t / (|a| |t|), da = weight (cos a / |a|^2 - t / (|a| |t|)) / M. a and t are f32
// [n, features]; t gets no gradient. A row that is all zero has the loss 1 and the gradient 0. Sums and coefficients are f64:
// the gradient is a difference of two nearly equal vectors once a row has learnt its target's direction.
#include "sums.cuh"

struct Params {
    unsigned n, features;
    float weight;
};
static_assert(sizeof(Params) == 12, "the struct of src/ops/cosine_loss.rs");

// One block of 128 per row. 12 bytes and 10 FLOP per element (a and t are read twice, the second time from the cache).
extern "C" __global__ void __launch_bounds__(128)
    cosine_loss(const float* __restrict__ a, const float* __restrict__ target, float* __restrict__ da,
                double* __restrict__ losses, const Params params) {
    __shared__ double scratch[WARP];
    const size_t row = static_cast<size_t>(blockIdx.x) * params.features;
    double aa = 0.0, tt = 0.0, at = 0.0;
    for (unsigned i = threadIdx.x; i < params.features; i += blockDim.x) {
        const double x = a[row + i], t = target[row + i];
        aa += x * x;
        tt += t * t;
        at += x * t;
    }
    aa = block_sum(aa, scratch);
    tt = block_sum(tt, scratch);
    at = block_sum(at, scratch);
    const double lengths = sqrt(aa * tt), scale = static_cast<double>(params.weight) / params.n;
    // Of f32 numbers no square vanishes in f64: the product is 0 for a row of zeros alone. A NaN is not 0 and stays.
    const bool nowhere = lengths == 0.0;
    const double of_a = nowhere ? 0.0 : at / lengths / aa, of_target = nowhere ? 0.0 : 1.0 / lengths;
    for (unsigned i = threadIdx.x; i < params.features; i += blockDim.x) {
        const double x = a[row + i], t = target[row + i];
        da[row + i] = static_cast<float>(scale * (of_a * x - of_target * t));
    }
    if (threadIdx.x == 0) losses[blockIdx.x] = 1.0 - of_target * at;
}
EXPORT_KERNEL(cosine_loss)

// A single block: the mean of the rows' losses.
extern "C" __global__ void __launch_bounds__(256) cosine_loss_mean(const double* losses, float* loss, const Params params) {
    __shared__ double scratch[WARP];
    const double sum = sum_partials(losses, params.n, scratch);
    if (threadIdx.x == 0) loss[0] = static_cast<float>(sum / params.n);
}
EXPORT_KERNEL(cosine_loss_mean)
