// Index helpers, number conversions and reductions in a fixed order, shared by every kernel. No op lives here.
#pragma once
#include "ptx.cuh"

constexpr int WARP = 32;

// ---- indices ---------------------------------------------------------------------------------------------------------

// This thread's place in a one-dimensional grid. 64 bits: an activation tensor may hold more than 2^31 elements.
__device__ __forceinline__ unsigned long long grid_thread() {
    return static_cast<unsigned long long>(blockIdx.x) * blockDim.x + threadIdx.x;
}

// How many threads a one-dimensional grid has: the stride of a grid-stride loop.
__device__ __forceinline__ unsigned long long grid_threads() {
    return static_cast<unsigned long long>(gridDim.x) * blockDim.x;
}

__device__ __forceinline__ int lane_index() { return static_cast<int>(threadIdx.x) % WARP; }
__device__ __forceinline__ int warp_index() { return static_cast<int>(threadIdx.x) / WARP; }

template <class T>
__host__ __device__ constexpr T ceil_div(T value, T by) {
    return (value + by - 1) / by;
}

// ---- numbers: float and bf16 under one name --------------------------------------------------------------------------

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }

// Rounds to nearest, ties to even, as every bf16 store of this project does.
template <class T>
__device__ __forceinline__ T from_float(float value);
template <>
__device__ __forceinline__ float from_float<float>(float value) {
    return value;
}
template <>
__device__ __forceinline__ __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
    return __float2bfloat16(value);
}

// The two bf16 values of one 32-bit word; the first is in the low half.
__device__ __forceinline__ float low_bf16(uint32_t pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float high_bf16(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
    return static_cast<uint32_t>(__bfloat16_as_ushort(__float2bfloat16(low))) |
           static_cast<uint32_t>(__bfloat16_as_ushort(__float2bfloat16(high))) << 16;
}

// Four neighbouring values in one load or store: 16 bytes of f32, 8 bytes of bf16. The address must be aligned to that.
__device__ __forceinline__ void load4(float (&to)[4], const float* from) {
    const float4 v = *reinterpret_cast<const float4*>(from);
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
}
__device__ __forceinline__ void load4(float (&to)[4], const __nv_bfloat16* from) {
    const uint2 v = *reinterpret_cast<const uint2*>(from);
    to[0] = low_bf16(v.x), to[1] = high_bf16(v.x), to[2] = low_bf16(v.y), to[3] = high_bf16(v.y);
}
__device__ __forceinline__ void store4(float* to, const float (&from)[4]) {
    *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
}
__device__ __forceinline__ void store4(__nv_bfloat16* to, const float (&from)[4]) {
    *reinterpret_cast<uint2*>(to) = make_uint2(pack_bf16(from[0], from[1]), pack_bf16(from[2], from[3]));
}

// Eight neighbouring values: two 16-byte accesses of f32, one of bf16. The address must be 16-byte aligned.
__device__ __forceinline__ void load8(float (&to)[8], const float* from) {
    const float4 a = reinterpret_cast<const float4*>(from)[0], b = reinterpret_cast<const float4*>(from)[1];
    to[0] = a.x, to[1] = a.y, to[2] = a.z, to[3] = a.w, to[4] = b.x, to[5] = b.y, to[6] = b.z, to[7] = b.w;
}
__device__ __forceinline__ void load8(float (&to)[8], const __nv_bfloat16* from) {
    const uint4 v = *reinterpret_cast<const uint4*>(from);
    to[0] = low_bf16(v.x), to[1] = high_bf16(v.x), to[2] = low_bf16(v.y), to[3] = high_bf16(v.y);
    to[4] = low_bf16(v.z), to[5] = high_bf16(v.z), to[6] = low_bf16(v.w), to[7] = high_bf16(v.w);
}
__device__ __forceinline__ void store8(float* to, const float (&from)[8]) {
    reinterpret_cast<float4*>(to)[0] = make_float4(from[0], from[1], from[2], from[3]);
    reinterpret_cast<float4*>(to)[1] = make_float4(from[4], from[5], from[6], from[7]);
}
__device__ __forceinline__ void store8(__nv_bfloat16* to, const float (&from)[8]) {
    *reinterpret_cast<uint4*>(to) = make_uint4(pack_bf16(from[0], from[1]), pack_bf16(from[2], from[3]),
                                               pack_bf16(from[4], from[5]), pack_bf16(from[6], from[7]));
}

// ---- reductions in a fixed order ---------------------------------------------------------------------------------------
// The order of the additions depends on lane numbers only, never on which thread came first, so the bits repeat.
// A butterfly gives every lane the same bits, because a + b and b + a round alike.

__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
    for (int distance = WARP / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
    return value;
}

__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
    for (int distance = WARP / 2; distance > 0; distance /= 2) {
        value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, distance));
    }
    return value;
}

// The sum over a one-dimensional block of whole warps (at most 1024 threads), known to every thread. `scratch` is 32
// floats of shared memory; it may be used again at once, because the last barrier comes after its last read.
__device__ __forceinline__ float block_sum(float value, float* scratch) {
    value = warp_sum(value);
    if (lane_index() == 0) scratch[warp_index()] = value;
    __syncthreads();
    const int warps = static_cast<int>(blockDim.x) / WARP;
    const float all = warp_sum(lane_index() < warps ? scratch[lane_index()] : 0.0f);
    __syncthreads();
    return all;
}

// The largest value over a block, under the same rules.
__device__ __forceinline__ float block_max(float value, float* scratch) {
    value = warp_max(value);
    if (lane_index() == 0) scratch[warp_index()] = value;
    __syncthreads();
    const int warps = static_cast<int>(blockDim.x) / WARP;
    const float all = warp_max(lane_index() < warps ? scratch[lane_index()] : -INFINITY);
    __syncthreads();
    return all;
}
