// The left matrix of every convolution, never stored: which pixel of which picture a row and a depth of it mean.
//
//   y[n,o,i,j]  = sum over c,p,q of x[n,c,i*stride+p-pad,j*stride+q-pad] * w[o,c,p,q]
//   dx[n,c,y,x] = sum over o,p,q with i*stride+p-pad = y of dy[n,o,i,j] * w[o,c,p,q]     (and j, q, x alike)
//
// Forward: a row is a pixel of y, the depth is (p, q, c). Gradient to x: the pixels of dx fall into stride x stride phases; within
// one, a row is a pixel of dx and the depth is (those p and q that reach the phase, o), walked towards smaller i and j. Both are the
// same walk with other numbers, so one loop serves both. Activations are NHWC, filters OHWI; the gradient to x takes a filter
// whose outputs and channels were exchanged (IHWO), so that its depth is contiguous as well.
//
// Knows: positions. Does not know: number types, shared memory, what is done with the numbers.
#pragma once
#include "../common.cuh"

// src/ops/conv/mod.rs `Geometry`: extents of x * w = y.
struct ConvGeometry {
    uint32_t n, h, w, c;
    uint32_t oh, ow, o;
    uint32_t kh, kw, stride, pad;
    uint32_t epilogue;
};
static_assert(sizeof(ConvGeometry) == 48, "the layout of src/ops/conv/mod.rs");

// Bits of `epilogue`.
constexpr uint32_t EPILOGUE_BIAS = 1, EPILOGUE_PRELU = 2, EPILOGUE_ADD = 4, EPILOGUE_KEEP = 8, EPILOGUE_PRELU_GRADIENT = 16,
                   EPILOGUE_BIAS_SUMS = 32;

// One axis of a walk: how result positions and taps become positions of the picture that is read.
struct Axis {
    int read;      // extent of the picture that is read
    int written;   // extent of the picture that is written
    int rows;      // positions of this phase
    int first;     // the first of them in the picture that is written
    int taps;      // taps of this phase
    int first_tap; // the first of them in the filter
    int origin;    // position read by the first row's first tap
};

// One phase of a convolution or of its gradient.
struct Walk {
    Axis vertical, horizontal;
    int batch;
    int channels;   // of the picture that is read: the innermost depth
    int results;    // channels of the picture that is written
    int filter_h, filter_w;
    int row_step;   // distance read from one row to the next: the stride forward, else 1
    int row_spacing; // distance written from one row to the next: 1 forward, else the stride
    int tap_step;   // distance read from one tap to the next: 1 forward, else -1
    int tap_spacing; // distance in the filter from one tap to the next: 1 forward, else the stride

    __device__ __forceinline__ int depth() const { return vertical.taps * horizontal.taps * channels; }
    // 32 bits hold every pixel of a batch: tensors beyond 2^31 pixels do not fit any card.
    __device__ __forceinline__ int rows() const { return batch * vertical.rows * horizontal.rows; }
};

__device__ __forceinline__ Axis forward_axis(int read, int written, int kernel, int pad) {
    return Axis{read, written, written, 0, kernel, 0, -pad};
}

__device__ __forceinline__ Walk forward_walk(const ConvGeometry& g) {
    Walk walk;
    walk.vertical = forward_axis(g.h, g.oh, g.kh, g.pad);
    walk.horizontal = forward_axis(g.w, g.ow, g.kw, g.pad);
    walk.batch = g.n;
    walk.channels = g.c;
    walk.results = g.o;
    walk.filter_h = g.kh;
    walk.filter_w = g.kw;
    walk.row_step = g.stride;
    walk.row_spacing = walk.tap_step = walk.tap_spacing = 1;
    return walk;
}

// Positions with (position + pad) % stride == phase, and the taps with tap % stride == phase, which alone reach them.
__device__ __forceinline__ Axis data_axis(int read, int written, int kernel, int stride, int pad, int phase) {
    Axis axis;
    axis.read = read;
    axis.written = written;
    axis.first = (phase + stride - pad % stride) % stride;
    axis.rows = axis.first < written ? (written - axis.first + stride - 1) / stride : 0;
    axis.first_tap = phase;
    axis.taps = phase < kernel ? (kernel - phase + stride - 1) / stride : 0;
    axis.origin = (axis.first + pad - phase) / stride;
    return axis;
}

__device__ __forceinline__ Walk data_walk(const ConvGeometry& g, int phase) {
    const int stride = g.stride;
    Walk walk;
    walk.vertical = data_axis(g.oh, g.h, g.kh, stride, g.pad, phase / stride);
    walk.horizontal = data_axis(g.ow, g.w, g.kw, stride, g.pad, phase % stride);
    walk.batch = g.n;
    walk.channels = g.o;
    walk.results = g.c;
    walk.filter_h = g.kh;
    walk.filter_w = g.kw;
    walk.row_step = 1;
    walk.row_spacing = walk.tap_spacing = stride;
    walk.tap_step = -1;
    return walk;
}

// A row of the matrix: where it is written, and what its first tap reads. A row past the last one reads nothing.
struct Row {
    int pixel; // of the picture that is written; -1 past the last row
    int image; // number of the first pixel of the image that is read
    int y, x;  // position read by the first tap
};

// Far enough outside that no tap comes back in.
constexpr int OUTSIDE = -(1 << 29);

__device__ __forceinline__ Row row_at(const Walk& walk, int row) {
    const int per_image = walk.vertical.rows * walk.horizontal.rows;
    if (row >= walk.batch * per_image) return Row{-1, 0, OUTSIDE, OUTSIDE};
    const int n = row / per_image, inside = row - n * per_image;
    const int i = inside / walk.horizontal.rows, j = inside - i * walk.horizontal.rows;
    const int y = walk.vertical.first + i * walk.row_spacing, x = walk.horizontal.first + j * walk.row_spacing;
    return Row{(n * walk.vertical.written + y) * walk.horizontal.written + x, n * walk.vertical.read * walk.horizontal.read,
               walk.vertical.origin + i * walk.row_step, walk.horizontal.origin + j * walk.row_step};
}

// A depth of the matrix, moved along without divisions.
struct Tap {
    int p, q, channel; // p and q count the taps of the phase
};

__device__ __forceinline__ void advance(const Walk& walk, Tap& tap, int by) {
    tap.channel += by;
    while (tap.channel >= walk.channels) {
        tap.channel -= walk.channels;
        if (++tap.q == walk.horizontal.taps) {
            tap.q = 0;
            ++tap.p;
        }
    }
}

__device__ __forceinline__ bool inside_filter(const Walk& walk, const Tap& tap) { return tap.p < walk.vertical.taps; }

// Where (row, tap) lies in the picture that is read; false where that is outside of it, or past the last tap.
__device__ __forceinline__ bool locate(const Walk& walk, const Row& row, const Tap& tap, size_t& at) {
    const int y = row.y + tap.p * walk.tap_step, x = row.x + tap.q * walk.tap_step;
    // Unsigned, because a position outside may wrap; it is never read.
    const uint32_t pixel = uint32_t(row.image) + uint32_t(y) * uint32_t(walk.horizontal.read) + uint32_t(x);
    at = size_t(pixel) * walk.channels + tap.channel;
    return inside_filter(walk, tap) && unsigned(y) < unsigned(walk.vertical.read)
        && unsigned(x) < unsigned(walk.horizontal.read);
}

// Where a tap lies in one result channel's filter, whose innermost axis is the channel that is read.
__device__ __forceinline__ int filter_at(const Walk& walk, const Tap& tap) {
    const int p = walk.vertical.first_tap + tap.p * walk.tap_spacing;
    const int q = walk.horizontal.first_tap + tap.q * walk.tap_spacing;
    return (p * walk.filter_w + q) * walk.channels + tap.channel;
}
