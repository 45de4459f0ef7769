// What the two kernels of the filter gradient share: how the sum over pixels is cut, and where its pieces lie.
//
//   dw[o,p,q,c] = sum over n,i,j of dy[n,i,j,o] * x[n,i*stride+p-pad,j*stride+q-pad,c],  db[o] = sum over n,i,j of dy[n,i,j,o]
//
// A GEMM whose depth is the pixels of y, cut into chunks; every chunk writes partial sums of its own, which a second launch adds in
// the order of the chunks: no atomics, the same bits every time.
#pragma once
#include "gather.cuh"

// src/ops/conv/filter.rs `FilterParams`.
struct FilterParams {
    ConvGeometry geometry;
    uint32_t chunks;
    uint32_t chunk_pixels;
};
static_assert(sizeof(FilterParams) == 56, "the layout of src/ops/conv/filter.rs");

// Partial sums in the workspace: [chunks][o][kh*kw*c], then [chunks][o] of the bias.
struct Partials {
    float* filter; // this chunk's
    float* bias;   // this chunk's

    __device__ __forceinline__ Partials(const FilterParams& params, float* workspace, uint32_t chunk) {
        const ConvGeometry& g = params.geometry;
        const size_t filters = size_t(g.o) * g.kh * g.kw * g.c;
        filter = workspace + chunk * filters;
        bias = workspace + params.chunks * filters + size_t(chunk) * g.o;
    }
};

// A pixel of y, moved along without divisions.
struct Pixel {
    uint32_t number; // within the batch
    int n, i, j;
};

__device__ __forceinline__ Pixel pixel_at(const ConvGeometry& g, uint32_t number) {
    const uint32_t row = number / g.ow;
    return Pixel{number, int(row / g.oh), int(row % g.oh), int(number % g.ow)};
}

__device__ __forceinline__ void advance(const ConvGeometry& g, Pixel& pixel, int by) {
    pixel.number += by;
    pixel.j += by;
    while (pixel.j >= int(g.ow)) {
        pixel.j -= g.ow;
        if (++pixel.i == int(g.oh)) {
            pixel.i = 0;
            ++pixel.n;
        }
    }
}

// A number of one filter: the offset of its tap, and its channel.
struct Column {
    int p, q, channel;
};

__device__ __forceinline__ Column column_at(const ConvGeometry& g, int number) {
    const int tap = number / int(g.c);
    return Column{tap / int(g.kw), tap % int(g.kw), number - tap * int(g.c)};
}

// Where the number of x lies that meets `pixel` in `column`; false where that is padding.
__device__ __forceinline__ bool locate(const ConvGeometry& g, const Pixel& pixel, const Column& column, size_t& at) {
    const int y = pixel.i * int(g.stride) + column.p - int(g.pad), x = pixel.j * int(g.stride) + column.q - int(g.pad);
    // Unsigned, because a position outside may wrap; it is never read.
    const uint32_t number = (uint32_t(pixel.n) * g.h + uint32_t(y)) * g.w + uint32_t(x);
    at = size_t(number) * g.c + column.channel;
    return uint32_t(y) < g.h && uint32_t(x) < g.w;
}
