// What is done with a finished sum before it is written, in the order of src/ops/conv/forward.rs `Tail`:
//
//   v = sum + bias;  before = v (if kept);  v = v > 0 ? v : slope * v;  y = v + residual
//
// All in f32; one rounding to the number type of the output, at each of the two stores.
//
// Knows: channels and pixels of the output. Does not know: how the sum came about.
#pragma once
#include "gather.cuh"

template <class T>
struct Tail {
    const float* bias;  // [channels]; null: none
    const float* slope; // [channels]; null: none
    const T* residual;  // as y; null: none
    T* y;               // [pixels, channels]
    T* before;          // as y; null: not kept
    int channels;

    __device__ __forceinline__ void finish(float sum, int pixel, int channel) const {
        const size_t at = size_t(pixel) * channels + channel;
        if (bias) sum += bias[channel];
        if (before) before[at] = from_float<T>(sum);
        if (slope && !(sum > 0.0f)) sum *= slope[channel];
        if (residual) sum += to_float(residual[at]);
        y[at] = from_float<T>(sum);
    }

    // 8 channels from a multiple of 8 on, as far as they are there.
    __device__ __forceinline__ void finish8(float (&sums)[8], int pixel, int channel) const {
        if (channels % 8 != 0) {
#pragma unroll
            for (int e = 0; e < 8; ++e)
                if (channel + e < channels) finish(sums[e], pixel, channel + e);
            return;
        }
        const size_t at = size_t(pixel) * channels + channel;
        if (bias) {
#pragma unroll
            for (int e = 0; e < 8; ++e) sums[e] += bias[channel + e];
        }
        if (before) store8(before + at, sums);
        if (slope) {
#pragma unroll
            for (int e = 0; e < 8; ++e)
                if (!(sums[e] > 0.0f)) sums[e] *= slope[channel + e];
        }
        if (residual) {
            float more[8];
            load8(more, residual + at);
#pragma unroll
            for (int e = 0; e < 8; ++e) sums[e] += more[e];
        }
        store8(y + at, sums);
    }
};

// A null pointer says the same as a missing flag; the flags decide, since an absent region may have any address.
template <class T>
__device__ __forceinline__ Tail<T> tail_of(const ConvGeometry& g, int channels, const float* bias, const float* slope,
                                           const T* residual, T* y, T* before) {
    return Tail<T>{g.epilogue & EPILOGUE_BIAS ? bias : nullptr,   g.epilogue & EPILOGUE_PRELU ? slope : nullptr,
                   g.epilogue & EPILOGUE_ADD ? residual : nullptr, y,
                   g.epilogue & EPILOGUE_KEEP ? before : nullptr,  channels};
}
