// Softmax and cross-entropy: L = mean over rows of -log softmax(z)[label], dz = weight (softmax(z) - onehot) / M.
// z is f32 [n, classes]. The maximum and the sum of exponentials are found in one pass (Milakov, Gimelshein, 2018): a sum is
// kept relative to the largest logit so far and scaled down when a larger one comes.
#include "sums.cuh"

struct Params {
    unsigned n, classes;
    float weight;
};
static_assert(sizeof(Params) == 12, "the struct of src/ops/softmax_loss.rs");

// The largest of some logits, and the sum of exp(z - largest) over them.
struct Running {
    float largest, sum;
};

// Two runs as one. Symmetric to the last bit, so that every lane of a butterfly gets the same: the products are rounded
// before they are added. A NaN is never the largest, but stays in the sum.
__device__ __forceinline__ Running merged(Running a, Running b) {
    const float largest = fmaxf(a.largest, b.largest);
    const auto part = [&](Running run) {
        return run.largest == largest ? run.sum : __fmul_rn(run.sum, expf(run.largest - largest));
    };
    return {largest, __fadd_rn(part(a), part(b))};
}

__device__ __forceinline__ Running merged_over_block(Running run, Running* scratch) {
#pragma unroll
    for (int distance = WARP / 2; distance > 0; distance /= 2) {
        const float largest = __shfl_xor_sync(0xffffffffu, run.largest, distance);
        const float sum = __shfl_xor_sync(0xffffffffu, run.sum, distance);
        run = merged(run, {largest, sum});
    }
    if (lane_index() == 0) scratch[warp_index()] = run;
    __syncthreads();
    run = scratch[0];
    for (unsigned warp = 1; warp < blockDim.x / WARP; ++warp) run = merged(run, scratch[warp]);
    return run;
}

// One block per row. 12 bytes and about 8 FLOP per logit (z is read twice, the second time from the cache).
extern "C" __global__ void __launch_bounds__(256)
    softmax_loss(const float* __restrict__ z, const int* __restrict__ labels, float* __restrict__ dz,
                 double* __restrict__ losses, const Params params) {
    __shared__ Running scratch[WARP];
    const float* row = z + static_cast<size_t>(blockIdx.x) * params.classes;
    Running run = {-INFINITY, 0.0f};
    for (unsigned i = threadIdx.x; i < params.classes; i += blockDim.x) {
        const float value = row[i];
        if (value > run.largest) {
            run.sum = run.sum * expf(run.largest - value) + 1.0f;
            run.largest = value;
        } else {
            run.sum += expf(value - run.largest);
        }
    }
    run = merged_over_block(run, scratch);
    const unsigned label = static_cast<unsigned>(labels[blockIdx.x]);
    const float scale = params.weight / static_cast<float>(params.n);
    const float factor = static_cast<float>(static_cast<double>(scale) / static_cast<double>(run.sum));
    float* out = dz + static_cast<size_t>(blockIdx.x) * params.classes;
    for (unsigned i = threadIdx.x; i < params.classes; i += blockDim.x) {
        const float softmax = expf(row[i] - run.largest) * factor;
        out[i] = i == label ? softmax - scale : softmax;
    }
    if (threadIdx.x == 0) {
        losses[blockIdx.x] = log(static_cast<double>(run.sum)) - static_cast<double>(row[label] - run.largest);
    }
}
EXPORT_KERNEL(softmax_loss)

// A single block: the mean of the rows' losses.
extern "C" __global__ void __launch_bounds__(256) softmax_loss_mean(const double* losses, float* loss, const Params params) {
    __shared__ double scratch[WARP];
    const double sum = sum_partials(losses, params.n, scratch);
    if (threadIdx.x == 0) loss[0] = static_cast<float>(sum / params.n);
}
EXPORT_KERNEL(softmax_loss_mean)
