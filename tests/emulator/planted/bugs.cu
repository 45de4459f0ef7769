// Small kernels with one bug each. All take (x, y) and are launched as one block of 64 threads unless they say otherwise.
#include "common.cuh"

// A neighbour's value is read without a barrier.
extern "C" __global__ void missing_barrier(const float* x, float* y) {
    DYNAMIC_SHARED(shared);
    float* values = reinterpret_cast<float*>(shared);
    values[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = values[(threadIdx.x + 1) % blockDim.x];
}
EXPORT_KERNEL(missing_barrier)

// Two warps add to one sum without order: no NaN, but another result in another order.
extern "C" __global__ void unordered_sum(const float* x, float* y) {
    __shared__ float sum;
    if (threadIdx.x == 0) sum = 0.0f;
    __syncthreads();
    if (lane_index() == 0) sum = sum * 0.5f + x[warp_index()];
    __syncthreads();
    y[threadIdx.x] = sum;
}
EXPORT_KERNEL(unordered_sum)

extern "C" __global__ void writes_past_end(const float* x, float* y) { y[threadIdx.x + 1] = x[threadIdx.x]; }
EXPORT_KERNEL(writes_past_end)

extern "C" __global__ void reads_past_end(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x + 1]; }
EXPORT_KERNEL(reads_past_end)

extern "C" __global__ void writes_before_begin(const float* x, float* y) { y[static_cast<int>(threadIdx.x) - 1] = x[threadIdx.x]; }
EXPORT_KERNEL(writes_before_begin)

extern "C" __global__ void reads_unwritten_shared(const float* x, float* y) {
    DYNAMIC_SHARED(shared);
    float* values = reinterpret_cast<float*>(shared);
    if (threadIdx.x < 32) values[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = values[threadIdx.x];
}
EXPORT_KERNEL(reads_unwritten_shared)

extern "C" __global__ void reads_unwritten_static_shared(const float* x, float* y) {
    __shared__ float values[64];
    if (threadIdx.x < 32) values[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = values[threadIdx.x];
}
EXPORT_KERNEL(reads_unwritten_static_shared)

extern "C" __global__ void divergent_collective(const float* x, float* y) {
    float value = x[threadIdx.x];
    if (threadIdx.x % 32 < 16) {
        value = __shfl_xor_sync(0xffffffffu, value, 1);
    } else {
        value = static_cast<float>(__ballot_sync(0xffffffffu, value > 0.0f));
    }
    y[threadIdx.x] = value;
}
EXPORT_KERNEL(divergent_collective)

// Half of a warp waits in a barrier for the other half, which waits for it in a collective.
extern "C" __global__ void barrier_in_branch(const float* x, float* y) {
    float value = x[threadIdx.x];
    if (threadIdx.x % 32 < 16) __syncthreads();
    value = __shfl_xor_sync(0xffffffffu, value, 1);
    if (threadIdx.x % 32 >= 16) __syncthreads();
    y[threadIdx.x] = value;
}
EXPORT_KERNEL(barrier_in_branch)

extern "C" __global__ void returns_before_barrier(const float* x, float* y) {
    if (threadIdx.x >= 48) return;
    y[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
}
EXPORT_KERNEL(returns_before_barrier)

extern "C" __global__ void returns_before_collective(const float* x, float* y) {
    if (threadIdx.x >= 48) return;
    y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 16);
}
EXPORT_KERNEL(returns_before_collective)

extern "C" __global__ void writes_past_dynamic_shared(const float* x, float* y) {
    DYNAMIC_SHARED(shared);
    float* values = reinterpret_cast<float*>(shared);
    values[threadIdx.x + 1] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = values[threadIdx.x + 1];
}
EXPORT_KERNEL(writes_past_dynamic_shared)

extern "C" __global__ void copies_past_dynamic_shared(const float* x, float* y) {
    DYNAMIC_SHARED(shared);
    cp_async4(smem_addr(shared + threadIdx.x * 4 + 4), x + threadIdx.x);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    y[threadIdx.x] = reinterpret_cast<float*>(shared)[threadIdx.x];
}
EXPORT_KERNEL(copies_past_dynamic_shared)

// Sound by itself: the test gives it a buffer that was freed.
extern "C" __global__ void copies(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }
EXPORT_KERNEL(copies)

__device__ __noinline__ float deeper(const float* x, int depth) {
    volatile float frame[256];
    for (int i = 0; i < 256; i++) frame[i] = x[i % 64];
    return depth == 0 ? frame[0] : deeper(x, depth - 1) + frame[depth % 256];
}
extern "C" __global__ void overflows_stack(const float* x, float* y) { y[threadIdx.x] = deeper(x, 1000); }
EXPORT_KERNEL(overflows_stack)

// Stays inside the thread's stack, so only AddressSanitizer sees it.
extern "C" __global__ void writes_past_local_array(const float* x, float* y) {
    volatile float values[4];
    const int count = x[threadIdx.x] < 2.0f ? 5 : 4;
    for (int i = 0; i < count; i++) values[i] = x[i];
    y[threadIdx.x] = values[0];
}
EXPORT_KERNEL(writes_past_local_array)
