// Runs one kernel of the planted library through the driver calls and says what came of it, one word a line:
//
//   probe KERNEL [shape=SHAPE] [free=1] [SETTING=VALUE ...]
//
//   result CODE         what the wait after the launch returned
//   bits HASH           of the output (only when the result is 0)
//   nan COUNT           NaN values in the output
//   error RELATIVE      largest difference from the plain loop in f64, where the kernel has one
//   report TEXT         the stand-in's report, where there is one
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <string>
#include <vector>

extern "C" {
int cuInit(unsigned);
int cuDevicePrimaryCtxRetain(void**, int);
int cuCtxSetCurrent(void*);
int cuCtxSynchronize();
int cuModuleLoadData(void**, const void*);
int cuModuleGetFunction(void**, void*, const char*);
int cuFuncSetAttribute(void*, int, int);
int cuMemAlloc_v2(void**, size_t);
int cuMemFree_v2(void*);
int cuMemcpyHtoD_v2(void*, const void*, size_t);
int cuMemcpyDtoH_v2(void*, const void*, size_t);
int cuLaunchKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**);
int standin_set(const char*, const char*);
const char* standin_last_report();
}

static void need(int result, const char* what) {
    if (result == 0) return;
    printf("setup %s failed with %d\n", what, result);
    exit(3);
}

static float next_value() {
    static uint64_t state = 12345;
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<float>(static_cast<int>(state >> 40 & 0xffff)) / 32768.0f - 1.0f;
}
static uint16_t to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
static double from_bf16(uint16_t value) {
    const uint32_t bits = static_cast<uint32_t>(value) << 16;
    float result;
    memcpy(&result, &bits, 4);
    return result;
}

struct Run {
    std::vector<void*> buffers;
    void* function = nullptr;
    void* upload(const void* from, size_t bytes) {
        void* at = nullptr;
        need(cuMemAlloc_v2(&at, bytes), "cuMemAlloc");
        if (from != nullptr) need(cuMemcpyHtoD_v2(at, from, bytes), "cuMemcpyHtoD");
        buffers.push_back(at);
        return at;
    }
};

// Launches, waits, prints; the output comes back when all went well.
static std::vector<float> finish(Run& run, unsigned gx, unsigned gy, unsigned threads, unsigned shared, void** arguments, void* out,
                                 size_t count) {
    timespec begin, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    int result = cuLaunchKernel(run.function, gx, gy, 1, threads, 1, 1, shared, nullptr, arguments, nullptr);
    if (result == 0) result = cuCtxSynchronize();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    printf("result %d\n", result);
    printf("seconds %.4f\n", static_cast<double>(end.tv_sec - begin.tv_sec) + static_cast<double>(end.tv_nsec - begin.tv_nsec) * 1e-9);
    if (*standin_last_report() != 0) printf("report %s\n", standin_last_report());
    std::vector<float> values(count);
    if (result != 0) return {};
    need(cuMemcpyDtoH_v2(values.data(), out, count * 4), "cuMemcpyDtoH");
    uint64_t hash = 14695981039346656037ull;
    size_t nan = 0;
    for (float value : values) {
        uint32_t bits;
        memcpy(&bits, &value, 4);
        hash = (hash ^ bits) * 1099511628211ull;
        nan += value != value;
    }
    printf("bits %016llx\nnan %zu\n", static_cast<unsigned long long>(hash), nan);
    return values;
}

static void product(Run& run, unsigned rows, unsigned columns, unsigned depth) {
    std::vector<uint16_t> a(size_t(rows) * depth), b(size_t(columns) * depth);
    for (uint16_t& value : a) value = to_bf16(next_value());
    for (uint16_t& value : b) value = to_bf16(next_value());
    void *da = run.upload(a.data(), a.size() * 2), *db = run.upload(b.data(), b.size() * 2);
    void* dc = run.upload(nullptr, size_t(rows) * columns * 4);
    unsigned params[4] = {rows, columns, depth, 0};
    void* arguments[] = {&da, &db, &dc, params};
    const std::vector<float> c = finish(run, columns / 32, rows / 32, 128, 3 * 64 * 64, arguments, dc, size_t(rows) * columns);
    double worst = 0.0;
    for (unsigned i = 0; i < rows && !c.empty() && rows * columns <= 65536; i++) {
        for (unsigned j = 0; j < columns; j++) {
            double sum = 0.0;
            for (unsigned k = 0; k < depth; k++) sum += from_bf16(a[size_t(i) * depth + k]) * from_bf16(b[size_t(j) * depth + k]);
            const double difference = fabs(sum - static_cast<double>(c[size_t(i) * columns + j]));
            if (!(difference <= worst)) worst = difference;
        }
    }
    printf("error %.3g\n", worst);
}

static void softmax(Run& run) {
    const unsigned long long rows = 20, columns = 300;
    std::vector<float> x(rows * columns);
    for (float& value : x) value = next_value() * 4.0f;
    void *dx = run.upload(x.data(), x.size() * 4), *dy = run.upload(nullptr, x.size() * 4);
    unsigned long long wide = columns;
    void* arguments[] = {&dx, &dy, &wide};
    const std::vector<float> y = finish(run, rows, 1, 256, 0, arguments, dy, x.size());
    double worst = 0.0;
    for (size_t row = 0; row < rows && !y.empty(); row++) {
        double sum = 0.0;
        for (size_t i = 0; i < columns; i++) sum += exp(static_cast<double>(x[row * columns + i]));
        for (size_t i = 0; i < columns; i++) {
            const double difference = fabs(exp(static_cast<double>(x[row * columns + i])) / sum - static_cast<double>(y[row * columns + i]));
            if (!(difference <= worst)) worst = difference;
        }
    }
    printf("error %.3g\n", worst);
}

static void small(Run& run, unsigned shared, bool free_first) {
    std::vector<float> x(64);
    for (float& value : x) value = next_value();
    void *dx = run.upload(x.data(), 256), *dy = run.upload(nullptr, 256);
    if (free_first) need(cuMemFree_v2(dx), "cuMemFree");
    void* arguments[] = {&dx, &dy};
    finish(run, 1, 1, 64, shared, arguments, dy, 64);
}

int main(int count, char** given) {
    if (count < 2) return 2;
    const std::string name = given[1];
    bool free_first = false;
    unsigned size = 64, shared = 256;
    for (int i = 2; i < count; i++) {
        char* value = strchr(given[i], '=');
        if (value == nullptr) return 2;
        *value++ = 0;
        if (strcmp(given[i], "free") == 0) free_first = true;
        else if (strcmp(given[i], "size") == 0) size = static_cast<unsigned>(atoi(value));
        else if (strcmp(given[i], "shared") == 0) shared = static_cast<unsigned>(atoi(value));
        else need(standin_set(given[i], value), given[i]);
    }
    void *context = nullptr, *module = nullptr;
    Run run;
    need(cuInit(0), "cuInit");
    need(cuDevicePrimaryCtxRetain(&context, 0), "cuDevicePrimaryCtxRetain");
    need(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    need(cuModuleLoadData(&module, "image"), "cuModuleLoadData");
    need(cuModuleGetFunction(&run.function, module, name.c_str()), "cuModuleGetFunction");
    if (name.compare(0, 7, "product") == 0) product(run, size, size, size * 2);
    else if (name == "row_softmax") softmax(run);
    else small(run, shared, free_first);
    return 0;
}
