// What is done with a finished sum before it is written, in the order of src/ops/conv/epilogue.rs:
//
//   forward   v = sum + bias;  before = v (if kept);  v = v > 0 ? v : slope * v;  y = v + residual
//   backward  v = sum + residual;  before = v (if kept);  dslope += v * min(z, 0);  y = z > 0 ? v : slope * v;  dbias += y
//
// All in f32; one rounding to the number type of the output, at each of the two stores. The sums over pixels: every thread has those of
// its pixels, every block adds its threads' in order and leaves them in its own row of a matrix, conv_sums (sums.cu) adds the rows.
//
// Knows: channels and pixels of the output. Does not know: how the sum came about.
#pragma once
#include "gather.cuh"

// Sums over one thread's pixels, of N neighbouring channels.
template <int N>
struct PixelSums {
    float slope[N] = {}, bias[N] = {};
};

template <class T>
struct Tail {
    const float* bias;  // [channels]; null: none
    const float* slope; // [channels]; null: none
    const T* residual;  // as y; null: none
    const T* z;         // as y; null: forward
    T* y;               // [pixels, channels]
    T* before;          // as y; null: not kept
    float* slope_parts; // [blocks, channels]; null: forward
    float* bias_parts;  // [blocks, channels]; null: none
    int channels;

    __device__ __forceinline__ void finish(float sum, int pixel, int channel, PixelSums<1>& own) const {
        const size_t at = size_t(pixel) * channels + channel;
        if (bias) sum += bias[channel];
        if (z && residual) sum += to_float(residual[at]);
        if (before) before[at] = from_float<T>(sum);
        if (z) {
            back(sum, to_float(z[at]), slope[channel], own.slope[0], own.bias[0]);
        } else {
            if (slope && !(sum > 0.0f)) sum *= slope[channel];
            if (residual) sum += to_float(residual[at]);
        }
        y[at] = from_float<T>(sum);
    }

    // 8 channels from a multiple of 8 on, as far as they are there.
    __device__ __forceinline__ void finish8(float (&sums)[8], int pixel, int channel, PixelSums<8>& own) const {
        if (channels % 8 != 0) {
#pragma unroll
            for (int e = 0; e < 8; ++e) {
                PixelSums<1> one;
                if (channel + e < channels) finish(sums[e], pixel, channel + e, one);
                own.slope[e] += one.slope[0];
                own.bias[e] += one.bias[0];
            }
            return;
        }
        const size_t at = size_t(pixel) * channels + channel;
        if (bias) {
#pragma unroll
            for (int e = 0; e < 8; ++e) sums[e] += bias[channel + e];
        }
        if (z && residual) add8(sums, residual + at);
        if (before) store8(before + at, sums);
        if (z) {
            float values[8];
            load8(values, z + at);
#pragma unroll
            for (int e = 0; e < 8; ++e) back(sums[e], values[e], slope[channel + e], own.slope[e], own.bias[e]);
        } else {
            if (slope) {
#pragma unroll
                for (int e = 0; e < 8; ++e)
                    if (!(sums[e] > 0.0f)) sums[e] *= slope[channel + e];
            }
            if (residual) add8(sums, residual + at);
        }
        store8(y + at, sums);
    }

    // The sums of a block whose threads left theirs in shared memory: [slopes, biases][GROUPS][CHANNELS]. Needs 2 * CHANNELS threads.
    template <int GROUPS, int CHANNELS>
    __device__ __forceinline__ void write_parts(const float* staged, int first_channel) const {
        const int kind = threadIdx.x / CHANNELS, channel = threadIdx.x % CHANNELS;
        float* parts = kind == 0 ? slope_parts : bias_parts;
        if (kind > 1 || !parts || first_channel + channel >= channels) return;
        float sum = 0.0f;
#pragma unroll 8
        for (int group = 0; group < GROUPS; ++group) sum += staged[(kind * GROUPS + group) * CHANNELS + channel];
        parts[row_of_block() + first_channel + channel] = sum;
    }

    // The sums of a block that has no pixels. Needs 2 * CHANNELS threads.
    template <int CHANNELS>
    __device__ __forceinline__ void write_no_parts(int first_channel) const {
        const int kind = threadIdx.x / CHANNELS, channel = threadIdx.x % CHANNELS;
        float* parts = kind == 0 ? slope_parts : bias_parts;
        if (kind > 1 || !parts || first_channel + channel >= channels) return;
        parts[row_of_block() + first_channel + channel] = 0.0f;
    }

  private:
    __device__ __forceinline__ size_t row_of_block() const { return size_t(blockIdx.z * gridDim.x + blockIdx.x) * channels; }

    // dy becomes dz.
    static __device__ __forceinline__ void back(float& dy, float z, float slope, float& slopes, float& biases) {
        slopes += dy * (z > 0.0f ? 0.0f : z);
        if (!(z > 0.0f)) dy *= slope;
        biases += dy;
    }

    static __device__ __forceinline__ void add8(float (&sums)[8], const T* from) {
        float more[8];
        load8(more, from);
#pragma unroll
        for (int e = 0; e < 8; ++e) sums[e] += more[e];
    }
};

// Where the tail of a launch finds what it reads and writes besides y; an absent region may have any address.
template <class T>
struct TailOperands {
    const float *bias, *slope;
    const T *residual, *z;
    T* before;
    float *slope_parts, *bias_parts;
};

// The flags say what is there.
template <class T>
__device__ __forceinline__ Tail<T> tail_of(const ConvGeometry& g, int channels, T* y, const TailOperands<T>& given) {
    const bool back = g.epilogue & EPILOGUE_PRELU_GRADIENT;
    return Tail<T>{g.epilogue & EPILOGUE_BIAS ? given.bias : nullptr,
                   back || g.epilogue & EPILOGUE_PRELU ? given.slope : nullptr,
                   g.epilogue & EPILOGUE_ADD ? given.residual : nullptr,
                   back ? given.z : nullptr,
                   y,
                   g.epilogue & EPILOGUE_KEEP ? given.before : nullptr,
                   back ? given.slope_parts : nullptr,
                   g.epilogue & EPILOGUE_BIAS_SUMS ? given.bias_parts : nullptr,
                   channels};
}
