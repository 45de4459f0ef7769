// Center loss, L = sum of ||x_i - c_{y_i}||^2 / (2 M), its gradient weight (x_i - c_{y_i}) / M, and two ways to move the
// centers by dc_j = sum over rows of j of (c_j - x_i) / (1 + n_j). x is f32 [n, features], centers f32 [identities, features].
//
// Nothing is added into a center from two sides, and no atomic is needed: the rows are sorted by identity, and each segment of
// equal identities is added up by one block, in the order of the batch.
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

// The rows of the batch sorted by identity, then by number: (identity << 32 | row). One thread per row counts the rows before its
// own, which all threads of a warp read from one place at a time. 8 bytes and 1 comparison for each pair of rows, out of the cache.
extern "C" __global__ void __launch_bounds__(256)
    center_sort(const int* __restrict__ labels, unsigned long long* __restrict__ sorted, const Params params) {
    const unsigned row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= params.n) return;
    const int own = labels[row];
    unsigned before = 0;
    for (unsigned other = 0; other < params.n; ++other) {
        const int label = labels[other];
        before += label < own || (label == own && other < row) ? 1u : 0u;
    }
    sorted[before] = static_cast<unsigned long long>(static_cast<unsigned>(own)) << 32 | row;
}
EXPORT_KERNEL(center_sort)

__device__ __forceinline__ unsigned identity_of(unsigned long long key) { return static_cast<unsigned>(key >> 32); }

// One past the last of the sorted rows that begin at `first` and are of this identity.
__device__ __forceinline__ unsigned segment_end(const unsigned long long* __restrict__ sorted, unsigned n,
                                                unsigned first, unsigned identity) {
    unsigned end = first;
    while (end < n && identity_of(sorted[end]) == identity) ++end;
    return end;
}

// dc of one element of a center: the rows of its segment in order, as the host twin adds them. 0 for an empty segment.
__device__ __forceinline__ float center_step(const float* __restrict__ x, const unsigned long long* __restrict__ sorted,
                                             unsigned first, unsigned end, float center, unsigned feature,
                                             unsigned features) {
    float sum = 0.0f;
    for (unsigned i = first; i < end; ++i) {
        sum += center - x[static_cast<size_t>(static_cast<unsigned>(sorted[i])) * features + feature];
    }
    return sum * (1.0f / (1.0f + static_cast<float>(end - first)));
}

// One block of 128 per sorted row; the first of a segment moves its center, the others leave at once. 12 bytes and 3 FLOP per
// element of x.
extern "C" __global__ void __launch_bounds__(128)
    center_update(const float* __restrict__ x, const float* __restrict__ guard,
                  const unsigned long long* __restrict__ sorted, float* __restrict__ centers, const Params params) {
    if (!isfinite(guard[0])) return;
    const unsigned first = blockIdx.x, identity = identity_of(sorted[first]);
    if (first > 0 && identity_of(sorted[first - 1]) == identity) return;
    const unsigned end = segment_end(sorted, params.n, first, identity);
    float* own = centers + static_cast<size_t>(identity) * params.features;
    for (unsigned i = threadIdx.x; i < params.features; i += blockDim.x) {
        const float center = own[i];
        own[i] = center - params.factor * center_step(x, sorted, first, end, center, i, params.features);
    }
}
EXPORT_KERNEL(center_update)

// One block of 128 per identity, which looks for its segment by halving. 4 bytes per element of the centers, and what center_update
// reads.
extern "C" __global__ void __launch_bounds__(128)
    center_gradient(const float* __restrict__ x, const float* __restrict__ centers,
                    const unsigned long long* __restrict__ sorted, float* __restrict__ dc, const Params params) {
    unsigned first = 0, after = params.n;
    while (first < after) {
        const unsigned middle = first + (after - first) / 2;
        if (identity_of(sorted[middle]) < blockIdx.x) first = middle + 1;
        else after = middle;
    }
    const unsigned end = segment_end(sorted, params.n, first, blockIdx.x);
    const size_t own = static_cast<size_t>(blockIdx.x) * params.features;
    for (unsigned i = threadIdx.x; i < params.features; i += blockDim.x) {
        dc[own + i] = center_step(x, sorted, first, end, centers[own + i], i, params.features);
    }
}
EXPORT_KERNEL(center_gradient)
