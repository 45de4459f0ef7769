// SGD with momentum, decay and multipliers in Caffe's order over all parameters at once:
// v = m v + lr_mult lr (s g + decay_mult wd w), w -= v, with s = min(1, clip / ||g||) where the segment is clipped.
// A norm that is not finite changes nothing. Weights, gradients and velocities are f32 blocks that segments point into.
#include "sums.cuh"

struct Segment {
    unsigned weight, gradient, length, rate;
    float lr_mult, decay_mult;
    unsigned clipped, reserved;
};
static_assert(sizeof(Segment) == 32, "the struct of src/ops/sgd.rs");

struct Params {
    float momentum, weight_decay, clip;
    unsigned segments, gradients;
};
static_assert(sizeof(Params) == 20, "the struct of src/ops/sgd.rs");

constexpr unsigned PIECE = 1 << 14;
constexpr unsigned OWNED = 2048;

// One block per 16384 gradients. 4 bytes and 2 FLOP per element; f64, because squares of large gradients overflow f32.
extern "C" __global__ void __launch_bounds__(256)
    gradient_norm(const float* __restrict__ gradients, double* __restrict__ sums, unsigned long long elements) {
    __shared__ double scratch[WARP];
    const unsigned long long first = static_cast<unsigned long long>(blockIdx.x) * PIECE;
    const unsigned count = static_cast<unsigned>(min(static_cast<unsigned long long>(PIECE), elements - first));
    double sum = 0.0;
#pragma unroll 4
    for (unsigned i = threadIdx.x * 4; i < count; i += blockDim.x * 4) {
        float g[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        if (i + 4 <= count) {
            load4(g, gradients + first + i);
        } else {
#pragma unroll
            for (unsigned k = 0; k < 4; ++k) {
                if (i + k < count) g[k] = gradients[first + i + k];
            }
        }
#pragma unroll
        for (int k = 0; k < 4; ++k) sum += static_cast<double>(g[k]) * static_cast<double>(g[k]);
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}
EXPORT_KERNEL(gradient_norm)

// A single block.
extern "C" __global__ void __launch_bounds__(256)
    gradient_norm_root(const double* sums, float* norm, unsigned long long pieces) {
    __shared__ double scratch[WARP];
    const double sum = sum_partials(sums, static_cast<unsigned>(pieces), scratch);
    if (threadIdx.x == 0) norm[0] = static_cast<float>(sqrt(sum));
}
EXPORT_KERNEL(gradient_norm_root)

// One block per 2048 elements of the block of gradients, which steps the parts of all segments that lie there; 32 segments
// are looked at a time. 20 bytes and 7 FLOP per parameter.
extern "C" __global__ void __launch_bounds__(256)
    sgd(const float* __restrict__ gradients, const float* __restrict__ rates, const float* __restrict__ norm,
        const Segment* __restrict__ segments, float* __restrict__ weights, float* __restrict__ velocities,
        const Params params) {
    if (!isfinite(norm[0])) return;
    const float clipping = params.clip > 0.0f && norm[0] > params.clip ? params.clip / norm[0] : 1.0f;
    const unsigned first = blockIdx.x * OWNED, end = min(first + OWNED, params.gradients);
    for (unsigned base = 0; base < params.segments; base += WARP) {
        const unsigned candidate = base + static_cast<unsigned>(lane_index());
        bool here = false;
        if (candidate < params.segments) {
            const Segment segment = segments[candidate];
            here = segment.gradient < end && segment.gradient + segment.length > first;
        }
        for (unsigned found = __ballot_sync(0xffffffffu, here); found != 0; found &= found - 1) {
            const Segment segment = segments[base + static_cast<unsigned>(__ffs(static_cast<int>(found))) - 1];
            const float rate = segment.lr_mult * rates[segment.rate];
            const float decay = segment.decay_mult * params.weight_decay;
            const float scale = segment.clipped == 1 ? clipping : 1.0f;
            const unsigned from = max(first, segment.gradient), to = min(end, segment.gradient + segment.length);
#pragma unroll 2
            for (unsigned at = from + threadIdx.x; at < to; at += blockDim.x) {
                const unsigned weight = at - segment.gradient + segment.weight;
                const float w = weights[weight];
                const float v = params.momentum * velocities[at] + rate * (scale * gradients[at] + decay * w);
                velocities[at] = v;
                weights[weight] = w - v;
            }
        }
    }
}
EXPORT_KERNEL(sgd)
