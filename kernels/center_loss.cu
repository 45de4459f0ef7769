// Center loss, L = sum of ||x_i - c_{y_i}||^2 / (2 M), its gradient weight (x_i - c_{y_i}) / M, and two ways to move the
// centers by dc_j = sum over rows of j of (c_j - x_i) / (1 + n_j). x is f32 [n, features], centers f32 [identities, features].
//
// No kernel adds into a center from two sides: the rows of an identity are found by one block, in order.
#include "sums.cuh"

struct Params {
    unsigned n, features;
    float factor;
};
static_assert(sizeof(Params) == 12, "the struct of src/ops/center_loss.rs");

// One block of 128 per row. 12 bytes and 4 FLOP per element.
extern "C" __global__ void __launch_bounds__(128)
    center_loss(const float* __restrict__ x, const int* __restrict__ labels, const float* __restrict__ centers,
                float* __restrict__ dx, double* __restrict__ sums, const Params params) {
    __shared__ double scratch[WARP];
    const size_t row = static_cast<size_t>(blockIdx.x) * params.features;
    const float* center = centers + static_cast<size_t>(labels[blockIdx.x]) * params.features;
    const float scale = params.factor / static_cast<float>(params.n);
    double sum = 0.0;
    for (unsigned i = threadIdx.x; i < params.features; i += blockDim.x) {
        const float difference = x[row + i] - center[i];
        dx[row + i] = scale * difference;
        sum += static_cast<double>(difference) * static_cast<double>(difference);
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}
EXPORT_KERNEL(center_loss)

// A single block.
extern "C" __global__ void __launch_bounds__(256) center_loss_sum(const double* sums, float* loss, const Params params) {
    __shared__ double scratch[WARP];
    const double sum = sum_partials(sums, params.n, scratch);
    if (threadIdx.x == 0) loss[0] = static_cast<float>(sum / (2.0 * params.n));
}
EXPORT_KERNEL(center_loss_sum)

// Which of 32 rows from `first` on are rows of this identity, as bits; the whole warp must ask.
__device__ __forceinline__ unsigned rows_of(const int* __restrict__ labels, unsigned n, unsigned first, int identity) {
    const unsigned row = first + static_cast<unsigned>(lane_index());
    return __ballot_sync(0xffffffffu, row < n && labels[row] == identity);
}

// dc of one element of a center: the rows in order, as the host twin adds them. 0 where no row names the identity. The
// whole warp must ask, also lanes whose `feature` is past the end.
__device__ __forceinline__ float center_step(const float* __restrict__ x, const int* __restrict__ labels, float center,
                                             int identity, unsigned feature, const Params params) {
    float sum = 0.0f;
    unsigned rows = 0;
    for (unsigned first = 0; first < params.n; first += WARP) {
        unsigned found = rows_of(labels, params.n, first, identity);
        rows += static_cast<unsigned>(__popc(found));
        for (; found != 0; found &= found - 1) {
            const unsigned row = first + static_cast<unsigned>(__ffs(static_cast<int>(found))) - 1;
            if (feature < params.features) sum += center - x[static_cast<size_t>(row) * params.features + feature];
        }
    }
    return sum * (1.0f / (1.0f + static_cast<float>(rows)));
}

// One block of 128 per row of the batch; the first row that names an identity owns its center, the others leave at once.
// 12 bytes and 3 FLOP per element of x.
extern "C" __global__ void __launch_bounds__(128)
    center_update(const float* __restrict__ x, const int* __restrict__ labels, const float* __restrict__ guard,
                  float* __restrict__ centers, const Params params) {
    if (!isfinite(guard[0])) return;
    const int identity = labels[blockIdx.x];
    for (unsigned first = 0; first < blockIdx.x; first += WARP) {
        if (rows_of(labels, blockIdx.x, first, identity) != 0) return;
    }
    float* own = centers + static_cast<size_t>(identity) * params.features;
    for (unsigned first = 0; first < params.features; first += blockDim.x) {
        const unsigned feature = first + threadIdx.x;
        const float center = feature < params.features ? own[feature] : 0.0f;
        const float step = center_step(x, labels, center, identity, feature, params);
        if (feature < params.features) own[feature] = center - params.factor * step;
    }
}
EXPORT_KERNEL(center_update)

// One block of 128 per identity. 4 bytes per element of the centers, and what center_update reads.
extern "C" __global__ void __launch_bounds__(128)
    center_gradient(const float* __restrict__ x, const int* __restrict__ labels, const float* __restrict__ centers,
                    float* __restrict__ dc, const Params params) {
    const size_t own = static_cast<size_t>(blockIdx.x) * params.features;
    for (unsigned first = 0; first < params.features; first += blockDim.x) {
        const unsigned feature = first + threadIdx.x;
        const float center = feature < params.features ? centers[own + feature] : 0.0f;
        const float step = center_step(x, labels, center, static_cast<int>(blockIdx.x), feature, params);
        if (feature < params.features) dc[own + feature] = step;
    }
}
EXPORT_KERNEL(center_gradient)
