// Sums over pixels that the epilogue of a gradient leaves (epilogue.cuh): dslope[c] = sum of v * min(z, 0), dbias[c] = sum of dz.
//
// Every block of the convolution left a row of partial sums: [rows, channels], a matrix for the slopes and one for the biases. Rows are
// added 128 to one, then the rest: two launches of one kernel, in the order of the rows, so the bits repeat.
#include "../sums.cuh"

// src/ops/conv/epilogue.rs `SumsParams`.
struct SumsParams {
    uint32_t rows, channels;
};
static_assert(sizeof(SumsParams) == 8, "the layout of src/ops/conv/epilogue.rs");

// Grid: one block of [32, 8] threads per (32 channels, an equal share of the rows, slopes or biases). Reads every row once, 1 FLOP per
// number.
extern "C" __global__ void __launch_bounds__(256)
    conv_sums(const float* slope_parts, const float* bias_parts, float* slopes, float* biases, const SumsParams params) {
    __shared__ float scratch[256];
    const float* parts = blockIdx.z == 0 ? slope_parts : bias_parts;
    float* sums = blockIdx.z == 0 ? slopes : biases;
    const uint32_t share = ceil_div(params.rows, gridDim.y), first = blockIdx.y * share;
    const uint32_t rows = first < params.rows ? min(share, params.rows - first) : 0;
    column_sums(parts + size_t(first) * params.channels, rows, params.channels, sums + size_t(blockIdx.y) * params.channels,
                scratch);
}
EXPORT_KERNEL(conv_sums)
