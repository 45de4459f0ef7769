// Driver calls about memory: allocations with guard pages, copies and fills that check their ranges.
#include <map>

#include "driver.h"

namespace emulator {

struct Allocations {
    std::mutex lock;
    std::map<void*, size_t> device;
    uint64_t used = 0;
};
static Allocations& allocations() {
    static auto* kept = new Allocations;
    return *kept;
}

uint64_t memory_used() {
    std::lock_guard<std::mutex> held(allocations().lock);
    return allocations().used;
}

static Result allocate(void** at, size_t bytes) {
    if (bytes == 0) return INVALID_VALUE;
    if (is_due(settings().fail_allocation)) return OUT_OF_MEMORY;
    std::lock_guard<std::mutex> held(allocations().lock);
    if (bytes > settings().memory_bytes || allocations().used > settings().memory_bytes - bytes) return OUT_OF_MEMORY;
    *at = take_memory(bytes, DEVICE_MEMORY);
    if (*at == nullptr) return OUT_OF_MEMORY;
    allocations().device[*at] = bytes;
    allocations().used += bytes;
    return SUCCESS;
}

static Result release_memory(void* at) {
    std::lock_guard<std::mutex> held(allocations().lock);
    const auto found = allocations().device.find(at);
    if (found == allocations().device.end()) return INVALID_VALUE;
    allocations().used -= found->second;
    allocations().device.erase(found);
    return give_memory(at, DEVICE_MEMORY) ? SUCCESS : INVALID_VALUE;
}

void free_all_memory() {
    std::lock_guard<std::mutex> held(allocations().lock);
    for (const auto& entry : allocations().device) give_memory(entry.first, DEVICE_MEMORY);
    allocations().device.clear();
    allocations().used = 0;
}

static bool is_device(const void* at, size_t bytes) { return bytes == 0 || memory_left(at, DEVICE_MEMORY) >= bytes; }

// Copies in the stream's order. Pageable host memory is read at the call, as a driver does; pinned memory when the copy's
// turn comes, so that an upload slot which is overwritten too early shows.
static Result copy_in(void* to, const void* from, size_t bytes, void* stream) {
    if (!is_device(to, bytes)) return INVALID_VALUE;
    if (settings().late_streams && !is_captured(stream) && memory_left(from, PINNED_MEMORY) < bytes) {
        const auto* begin = static_cast<const unsigned char*>(from);
        auto kept = std::make_shared<std::vector<unsigned char>>(begin, begin + bytes);
        return give_work(stream, [=] { memcpy(to, kept->data(), bytes); });
    }
    return give_work(stream, [=] { memcpy(to, from, bytes); });
}

// A copy to pageable memory returns when it is done.
static Result copy_out(void* to, const void* from, size_t bytes, void* stream) {
    if (!is_device(from, bytes)) return INVALID_VALUE;
    const bool waits = !is_captured(stream) && memory_left(to, PINNED_MEMORY) < bytes;
    const Result given = give_work(stream, [=] { memcpy(to, from, bytes); });
    return given == SUCCESS && waits ? finish_stream(stream) : given;
}

static Result copy_within(void* to, const void* from, size_t bytes, void* stream) {
    if (!is_device(to, bytes) || !is_device(from, bytes)) return INVALID_VALUE;
    return give_work(stream, [=] { memmove(to, from, bytes); });
}

template <class T>
static Result fill(void* to, T value, size_t count, void* stream) {
    if (!is_device(to, count * sizeof(T)) || reinterpret_cast<uintptr_t>(to) % sizeof(T) != 0) return INVALID_VALUE;
    return give_work(stream, [=] { std::fill_n(static_cast<T*>(to), count, value); });
}

}  // namespace emulator
using namespace emulator;

// Every call below needs a context that works; the calls that wait finish all streams first.
#define NEEDS_CONTEXT                          \
    if (check_context() != SUCCESS) return check_context()
#define FINISHES_EVERYTHING                    \
    NEEDS_CONTEXT;                             \
    const Result finished = finish_everything(); \
    if (finished != SUCCESS) return finished

DRIVER_CALL cuMemGetInfo_v2(size_t* free_bytes, size_t* total) {
    NEEDS_CONTEXT;
    *total = settings().memory_bytes;
    *free_bytes = *total - min<size_t>(*total, memory_used());
    return SUCCESS;
}
DRIVER_CALL cuMemAlloc_v2(void** at, size_t bytes) {
    FINISHES_EVERYTHING;
    return allocate(at, bytes);
}
DRIVER_CALL cuMemFree_v2(void* at) {
    FINISHES_EVERYTHING;
    return at == nullptr ? SUCCESS : release_memory(at);
}
DRIVER_CALL cuMemAllocAsync(void** at, size_t bytes, void* stream) {
    NEEDS_CONTEXT;
    return is_captured(stream) ? NOT_SUPPORTED : allocate(at, bytes);
}
DRIVER_CALL cuMemFreeAsync(void* at, void* stream) {
    NEEDS_CONTEXT;
    if (is_captured(stream)) return NOT_SUPPORTED;
    if (!is_device(at, 1)) return INVALID_VALUE;
    return give_work(stream, [=] { release_memory(at); });
}
DRIVER_CALL cuMemHostAlloc(void** at, size_t bytes, unsigned) {
    NEEDS_CONTEXT;
    if (bytes == 0) return INVALID_VALUE;
    if (is_due(settings().fail_allocation)) return OUT_OF_MEMORY;
    *at = take_memory(bytes, PINNED_MEMORY);
    return *at == nullptr ? OUT_OF_MEMORY : SUCCESS;
}
DRIVER_CALL cuMemAllocHost_v2(void** at, size_t bytes) { return cuMemHostAlloc(at, bytes, 0); }
DRIVER_CALL cuMemFreeHost(void* at) {
    FINISHES_EVERYTHING;
    return give_memory(at, PINNED_MEMORY) ? SUCCESS : INVALID_VALUE;
}

DRIVER_CALL cuMemcpyHtoDAsync_v2(void* to, const void* from, size_t bytes, void* stream) {
    NEEDS_CONTEXT;
    return copy_in(to, from, bytes, stream);
}
DRIVER_CALL cuMemcpyDtoHAsync_v2(void* to, const void* from, size_t bytes, void* stream) {
    NEEDS_CONTEXT;
    return copy_out(to, from, bytes, stream);
}
DRIVER_CALL cuMemcpyDtoDAsync_v2(void* to, const void* from, size_t bytes, void* stream) {
    NEEDS_CONTEXT;
    return copy_within(to, from, bytes, stream);
}
DRIVER_CALL cuMemcpyHtoD_v2(void* to, const void* from, size_t bytes) {
    FINISHES_EVERYTHING;
    if (!is_device(to, bytes)) return INVALID_VALUE;
    memcpy(to, from, bytes);
    return SUCCESS;
}
DRIVER_CALL cuMemcpyDtoH_v2(void* to, const void* from, size_t bytes) {
    FINISHES_EVERYTHING;
    if (!is_device(from, bytes)) return INVALID_VALUE;
    memcpy(to, from, bytes);
    return SUCCESS;
}
DRIVER_CALL cuMemcpyDtoD_v2(void* to, const void* from, size_t bytes) {
    FINISHES_EVERYTHING;
    return copy_within(to, from, bytes, nullptr);
}
DRIVER_CALL cuMemsetD8Async(void* to, unsigned char value, size_t count, void* stream) {
    NEEDS_CONTEXT;
    return fill(to, value, count, stream);
}
DRIVER_CALL cuMemsetD16Async(void* to, unsigned short value, size_t count, void* stream) {
    NEEDS_CONTEXT;
    return fill(to, value, count, stream);
}
DRIVER_CALL cuMemsetD32Async(void* to, unsigned value, size_t count, void* stream) {
    NEEDS_CONTEXT;
    return fill(to, value, count, stream);
}
DRIVER_CALL cuMemsetD8_v2(void* to, unsigned char value, size_t count) {
    FINISHES_EVERYTHING;
    return fill(to, value, count, nullptr);
}
DRIVER_CALL cuMemsetD32_v2(void* to, unsigned value, size_t count) {
    FINISHES_EVERYTHING;
    return fill(to, value, count, nullptr);
}
