// Bicubic resampling. resize: y = R x per channel over NHWC, height then width, f32 arithmetic, f32 or bf16 storage; its
// transpose is the same kernel over a table that was turned around. degrade: u8 pictures of 3 channels, to the byte as the
// three libraries do it (src/resample.rs describes them).
//
// A table of taps is written first: for the rows and then the columns of the output, f64 weights of all entries, the same
// in f32, their u32 source positions, and how many entries each output uses. [rows.outputs * rows.width] and so on.
#include "common.cuh"
#include "exact.cuh"

struct Axis {
    unsigned inputs, outputs, width, skipped;
};
struct Params {
    Axis rows, columns;
    unsigned n, c, flavour, dyadic;
};
struct Turn {
    Params from, to;
};
static_assert(sizeof(Params) == 48 && sizeof(Turn) == 96, "the structs of src/ops/resize.rs");

constexpr unsigned MATLAB = 0, PILLOW = 1;  // 2 is OpenCV
constexpr int MATLAB_BITS = 12, PILLOW_BITS = 22;

// The part of a table that belongs to one direction.
template <class Byte>
struct Table {
    Byte* base;
    size_t weights, singles, indices, counts;  // offsets in bytes

    __device__ __forceinline__ Table(Byte* base, const Params& params, bool down) : base(base) {
        const size_t rows = static_cast<size_t>(params.rows.outputs) * params.rows.width;
        const size_t all = rows + static_cast<size_t>(params.columns.outputs) * params.columns.width;
        const size_t skip = down ? 0 : rows;
        weights = 8 * skip;
        singles = 8 * all + 4 * skip;
        indices = 12 * all + 4 * skip;
        counts = 16 * all + (down ? 0 : 4 * static_cast<size_t>(params.rows.outputs));
    }
    __device__ __forceinline__ auto* weight() const { return at<double>(weights); }
    __device__ __forceinline__ auto* single() const { return at<float>(singles); }
    __device__ __forceinline__ auto* index() const { return at<unsigned>(indices); }
    __device__ __forceinline__ auto* count() const { return at<unsigned>(counts); }

private:
    template <class T>
    __device__ __forceinline__ auto* at(size_t offset) const {
        if constexpr (std::is_const<Byte>::value) {
            return reinterpret_cast<const T*>(base + offset);
        } else {
            return reinterpret_cast<T*>(base + offset);
        }
    }
};
using Writable = Table<unsigned char>;
using Readable = Table<const unsigned char>;

using Real = Exact<double>;

// Keys' cubic convolution kernel with a = -0.5.
__device__ __forceinline__ Real cubic(Real at) {
    const Real x = fabs(at.value);
    if (x.value < 1.0) return (Real(1.5) * x - Real(2.5)) * x * x + Real(1.0);
    if (x.value < 2.0) return ((Real(-0.5) * x + Real(2.5)) * x - Real(4.0)) * x + Real(2.0);
    return 0.0;
}

// A position outside [0, inputs) mirrored at the border, the edge pixel repeated, as often as needed.
__device__ __forceinline__ unsigned mirrored(long long position, long long inputs) {
    long long around = position % (2 * inputs);
    if (around < 0) around += 2 * inputs;
    return static_cast<unsigned>(around < inputs ? around : 2 * inputs - 1 - around);
}

struct Entry {
    unsigned index;
    double weight;
};

// `matlab_taps`, `pillow_taps`, `opencv_taps` of src/resample.rs: the same operations in the same order.
template <class Put>
__device__ __forceinline__ void matlab_taps(const Axis& axis, unsigned output, Put put) {
    const Real scale = static_cast<double>(axis.outputs) / static_cast<double>(axis.inputs);
    const Real shrink = fmin(scale.value, 1.0), support = Real(4.0) / shrink;
    const Real center = Real(output + 1.0) / scale + Real(0.5) * (Real(1.0) - Real(1.0) / scale);
    const Real left = floor((center - support / Real(2.0)).value);
    const auto value = [&](unsigned k) { return shrink * cubic(shrink * (center - (left + Real(k)))); };
    const unsigned all = static_cast<unsigned>(ceil(support.value)) + 2;
    Real sum = 0.0;
    for (unsigned k = 0; k < all; ++k) sum = sum + value(k);
    for (unsigned k = 0; k < axis.width; ++k) {
        const long long position = static_cast<long long>(left.value) - 1 + axis.skipped + k;
        put(k, Entry{mirrored(position, axis.inputs), (value(axis.skipped + k) / sum).value});
    }
}

template <class Put>
__device__ __forceinline__ void pillow_taps(const Axis& axis, unsigned output, Put put) {
    const Real scale = static_cast<double>(axis.inputs) / static_cast<double>(axis.outputs);
    const Real stretch = fmax(scale.value, 1.0), support = Real(2.0) * stretch;
    const Real center = (Real(output) + Real(0.5)) * scale;
    const unsigned first = static_cast<unsigned>(fmax((center - support + Real(0.5)).value, 0.0));
    const unsigned end = min(static_cast<unsigned>((center + support + Real(0.5)).value), axis.inputs);
    const unsigned used = min(end > first ? end - first : 0u, axis.width);
    const auto value = [&](unsigned k) {
        return cubic((Real(static_cast<double>(k + first)) - center + Real(0.5)) * (Real(1.0) / stretch));
    };
    Real sum = 0.0;
    for (unsigned k = 0; k < used; ++k) sum = sum + value(k);
    for (unsigned k = 0; k < axis.width; ++k) {
        if (k < used) {
            const Real weight = sum.value != 0.0 ? value(k) * (Real(1.0) / sum) : value(k);
            put(k, Entry{k + first, weight.value});
        } else {
            put(k, Entry{min(first, axis.inputs - 1), 0.0});
        }
    }
}

template <class Put>
__device__ __forceinline__ void opencv_taps(const Axis& axis, unsigned output, Put put) {
    const Real a = -0.75;
    const auto near = [&](Real x) { return ((a + Real(2.0)) * x - (a + Real(3.0))) * x * x + Real(1.0); };
    const auto far = [&](Real x) { return ((a * x - Real(5.0) * a) * x + Real(8.0) * a) * x - Real(4.0) * a; };
    const Real scale = Real(1.0) / Real(static_cast<double>(axis.outputs) / static_cast<double>(axis.inputs));
    const Real position = (Real(output) + Real(0.5)) * scale - Real(0.5);
    const double down = floor(position.value);
    const Real x = static_cast<double>(static_cast<float>((position - Real(down)).value));
    const long long last = static_cast<long long>(axis.inputs) - 1;
    for (unsigned k = 0; k < 4; ++k) {
        const Real weight = k == 0 ? far(x + Real(1.0)) : k == 1 ? near(x) : k == 2 ? near(Real(1.0) - x) : far(Real(2.0) - x);
        const long long source = static_cast<long long>(down) - 1 + k;
        const long long inside = source < 0 ? 0 : source > last ? last : source;
        put(k, Entry{static_cast<unsigned>(inside), static_cast<double>(static_cast<float>(weight.value))});
    }
}

// One thread per row and column of the output. A few hundred f64 operations each.
extern "C" __global__ void __launch_bounds__(256) resize_taps(unsigned char* table, const Params params) {
    const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= params.rows.outputs + params.columns.outputs) return;
    const bool down = thread < params.rows.outputs;
    const Axis axis = down ? params.rows : params.columns;
    const unsigned output = down ? thread : thread - params.rows.outputs;
    const Writable own(table, params, down);
    const auto put = [&](unsigned k, Entry entry) {
        const size_t at = static_cast<size_t>(output) * axis.width + k;
        own.weight()[at] = entry.weight;
        own.single()[at] = static_cast<float>(entry.weight);
        own.index()[at] = entry.index;
    };
    if (params.flavour == MATLAB) {
        matlab_taps(axis, output, put);
    } else if (params.flavour == PILLOW) {
        pillow_taps(axis, output, put);
    } else {
        opencv_taps(axis, output, put);
    }
    own.count()[output] = axis.width;
}
EXPORT_KERNEL(resize_taps)

// Every source with the outputs that it goes into, in their order. One thread per row and column of the source, which
// looks through the whole table of its direction.
extern "C" __global__ void __launch_bounds__(256)
    resize_transpose(const unsigned char* __restrict__ table, unsigned char* __restrict__ turned, const Turn turn) {
    const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    if (thread >= turn.to.rows.outputs + turn.to.columns.outputs) return;
    const bool down = thread < turn.to.rows.outputs;
    const unsigned source = down ? thread : thread - turn.to.rows.outputs;
    const Axis before = down ? turn.from.rows : turn.from.columns, after = down ? turn.to.rows : turn.to.columns;
    const Readable given(table, turn.from, down);
    const Writable own(turned, turn.to, down);
    unsigned count = 0;
    for (unsigned entry = 0; entry < before.outputs * before.width; ++entry) {
        if (given.index()[entry] != source) continue;
        const size_t at = static_cast<size_t>(source) * after.width + count++;
        own.weight()[at] = given.weight()[entry];
        own.single()[at] = given.single()[entry];
        own.index()[at] = entry / before.width;
    }
    own.count()[source] = count;
}
EXPORT_KERNEL(resize_transpose)

constexpr unsigned GROUP = 4;  // channels that a thread sums at a time

template <class T>
__device__ __forceinline__ void resize_pixel(const T* __restrict__ x, const unsigned char* __restrict__ table,
                                             T* __restrict__ y, const Params& params) {
    const unsigned pixel = blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= params.n * params.rows.outputs * params.columns.outputs) return;
    const unsigned column = pixel % params.columns.outputs, row = pixel / params.columns.outputs % params.rows.outputs;
    const unsigned image = pixel / params.columns.outputs / params.rows.outputs;
    const Readable down(table, params, true), across(table, params, false);
    const size_t picture = static_cast<size_t>(image) * params.rows.inputs;
    for (unsigned first = 0; first < params.c; first += GROUP) {
        float sums[GROUP] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (unsigned i = 0; i < across.count()[column]; ++i) {
            const unsigned entry = column * params.columns.width + i;
            const unsigned source_column = across.index()[entry];
            float line[GROUP] = {0.0f, 0.0f, 0.0f, 0.0f};
            for (unsigned j = 0; j < down.count()[row]; ++j) {
                const unsigned above = row * params.rows.width + j;
                const T* from = x + ((picture + down.index()[above]) * params.columns.inputs + source_column) * params.c + first;
                const float weight = down.single()[above];
#pragma unroll
                for (unsigned channel = 0; channel < GROUP; ++channel) {
                    if (first + channel < params.c) line[channel] += weight * to_float(from[channel]);
                }
            }
            const float weight = across.single()[entry];
#pragma unroll
            for (unsigned channel = 0; channel < GROUP; ++channel) sums[channel] += weight * line[channel];
        }
        T* to = y + static_cast<size_t>(pixel) * params.c + first;
#pragma unroll
        for (unsigned channel = 0; channel < GROUP; ++channel) {
            if (first + channel < params.c) to[channel] = from_float<T>(sums[channel]);
        }
    }
}

// One thread per output pixel. For x4: 16 sources (mostly from the cache) and 40 FLOP per element; 4.25 bytes per element.
extern "C" __global__ void __launch_bounds__(256)
    resize(const float* x, const unsigned char* table, float* y, const Params params) {
    resize_pixel(x, table, y, params);
}
EXPORT_KERNEL(resize)

// One thread per output pixel. For x4: 16 sources and 40 FLOP per element; 2.13 bytes per element.
extern "C" __global__ void __launch_bounds__(256)
    resize_bf16(const __nv_bfloat16* x, const unsigned char* table, __nv_bfloat16* y, const Params params) {
    resize_pixel(x, table, y, params);
}
EXPORT_KERNEL(resize_bf16)

// One output of degrade: where its picture begins, and its entries in both directions.
struct Sources {
    const unsigned char* picture;
    unsigned stride;  // bytes of a source row
    const unsigned *rows, *columns;
    const double *down, *across;
    unsigned tall, wide;

    __device__ __forceinline__ unsigned pixel(unsigned j, unsigned i) const { return picture[rows[j] * stride + columns[i] * 3]; }
};

__device__ __forceinline__ unsigned char clamped(long long level) {
    return static_cast<unsigned char>(level < 0 ? 0 : level > 255 ? 255 : level);
}

// Rounded half away from zero, as Taps::fixed does.
__device__ __forceinline__ int fixed(double weight, int bits) { return static_cast<int>(round(weight * static_cast<double>(1 << bits))); }

// Height, then width, one rounding: floor(v + 1/2). Where all weights are multiples of 2^-12 integers give the same.
__device__ __forceinline__ unsigned char degrade_matlab(const Sources& from, bool dyadic) {
    if (dyadic) {
        long long sum = 1ll << (2 * MATLAB_BITS - 1);
        for (unsigned i = 0; i < from.wide; ++i) {
            int line = 0;
            for (unsigned j = 0; j < from.tall; ++j) line += fixed(from.down[j], MATLAB_BITS) * static_cast<int>(from.pixel(j, i));
            sum += static_cast<long long>(fixed(from.across[i], MATLAB_BITS)) * line;
        }
        return clamped(sum >> (2 * MATLAB_BITS));
    }
    Real sum = 0.0;
    for (unsigned i = 0; i < from.wide; ++i) {
        Real line = 0.0;
        for (unsigned j = 0; j < from.tall; ++j) line = line + Real(from.down[j]) * Real(static_cast<double>(from.pixel(j, i)));
        sum = sum + Real(from.across[i]) * line;
    }
    return clamped(static_cast<long long>(floor((sum + Real(0.5)).value)));
}

// Width, then height, 22-bit weights, 8 bits between the passes; a pass whose size stays is skipped.
__device__ __forceinline__ unsigned char degrade_pillow(const Sources& from, bool narrows, bool lowers, unsigned row, unsigned column) {
    const auto across = [&](unsigned source_row) -> int {
        const unsigned char* line = from.picture + source_row * from.stride;
        if (!narrows) return line[column * 3];
        int sum = 1 << (PILLOW_BITS - 1);
        for (unsigned i = 0; i < from.wide; ++i) sum += fixed(from.across[i], PILLOW_BITS) * static_cast<int>(line[from.columns[i] * 3]);
        return clamped(sum >> PILLOW_BITS);
    };
    if (!lowers) return static_cast<unsigned char>(across(row));
    int sum = 1 << (PILLOW_BITS - 1);
    for (unsigned j = 0; j < from.tall; ++j) sum += fixed(from.down[j], PILLOW_BITS) * across(from.rows[j]);
    return clamped(sum >> PILLOW_BITS);
}

// Width, then height in f32 without contraction, rounded half to even.
__device__ __forceinline__ unsigned char degrade_opencv(const Sources& from) {
    Exact<float> sum = 0.0f;
    for (unsigned j = 0; j < from.tall; ++j) {
        Exact<float> line = 0.0f;
        for (unsigned i = 0; i < from.wide; ++i) {
            line = line + Exact<float>(static_cast<float>(from.across[i])) * Exact<float>(static_cast<float>(from.pixel(j, i)));
        }
        sum = sum + Exact<float>(static_cast<float>(from.down[j])) * line;
    }
    return clamped(static_cast<long long>(rintf(sum.value)));
}

// One thread per output element. For x1/4 about 64 (OpenCV: 16) sources per element, 17 bytes per element.
extern "C" __global__ void __launch_bounds__(256)
    degrade(const unsigned char* __restrict__ pixels, const unsigned char* __restrict__ table,
            unsigned char* __restrict__ out, const Params params) {
    const unsigned element = blockIdx.x * blockDim.x + threadIdx.x;
    const unsigned picture = params.rows.outputs * params.columns.outputs * 3;
    if (element >= params.n * picture) return;
    const unsigned image = element / picture, column = element / 3 % params.columns.outputs;
    const unsigned row = element / 3 / params.columns.outputs % params.rows.outputs;
    const Readable down(table, params, true), across(table, params, false);
    const unsigned above = row * params.rows.width, left = column * params.columns.width;
    const unsigned stride = params.columns.inputs * 3;
    const Sources from = {pixels + static_cast<size_t>(image) * params.rows.inputs * stride + element % 3,
                          stride,
                          down.index() + above,
                          across.index() + left,
                          down.weight() + above,
                          across.weight() + left,
                          params.rows.width,
                          params.columns.width};
    if (params.flavour == MATLAB) {
        out[element] = degrade_matlab(from, params.dyadic != 0);
    } else if (params.flavour == PILLOW) {
        const bool narrows = params.columns.inputs != params.columns.outputs, lowers = params.rows.inputs != params.rows.outputs;
        out[element] = degrade_pillow(from, narrows, lowers, row, column);
    } else {
        out[element] = degrade_opencv(from);
    }
}
EXPORT_KERNEL(degrade)
