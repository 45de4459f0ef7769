// Driver calls about modules, functions and launches: a function is a kernel of this library by its name.
#include "driver.h"

namespace emulator {

static int the_module;  // its address is every module's handle

struct Function {
    const Kernel* kernel;
    std::atomic<uint32_t> most_shared{SHARED_DEFAULT};
};

// Handles of functions, made once for each kernel and kept.
static Function* function_of(const std::string& name) {
    static std::mutex lock;
    static auto* kept = new std::vector<std::unique_ptr<Function>>;
    const Kernel* kernel = find_kernel(name);
    if (kernel == nullptr) return nullptr;
    std::lock_guard<std::mutex> held(lock);
    for (const auto& function : *kept) {
        if (function->kernel == kernel) return function.get();
    }
    kept->emplace_back(new Function);
    kept->back()->kernel = kernel;
    return kept->back().get();
}

static Result error_of(Fault kind) {
    switch (kind) {
        case Fault::IllegalAddress: return ILLEGAL_ADDRESS;
        case Fault::Misaligned: return MISALIGNED_ADDRESS;
        case Fault::Deadlock: return LAUNCH_TIMEOUT;
        case Fault::Divergent: case Fault::LimitExceeded: return LAUNCH_FAILED;
    }
    return LAUNCH_FAILED;
}

// A launch with its arguments as they were at the call.
struct Prepared {
    const Kernel* kernel;
    dim3 grid, block;
    uint32_t shared;
    std::vector<std::vector<unsigned char>> arguments;
};

static void run(const Prepared& prepared) {
    if (check_context() != SUCCESS) return;  // nothing runs in a broken context
    if (is_due(settings().fail_launch)) {
        return break_context(LAUNCH_FAILED, "kernel " + prepared.kernel->name + ": an injected failure (fail_launch)");
    }
    // Each argument in memory of its own, aligned as the kernel's parameter may ask (64 bytes at most).
    std::vector<std::vector<unsigned char>> room;
    std::vector<void*> pointers;
    for (const auto& argument : prepared.arguments) {
        room.emplace_back(argument.size() + 64);
        void* aligned = reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(room.back().data()) + 63) & ~uintptr_t{63});
        memcpy(aligned, argument.data(), argument.size());
        pointers.push_back(aligned);
    }
    const Outcome outcome =
        launch(*prepared.kernel, prepared.grid, prepared.block, prepared.shared, pointers.data(), settings().schedule);
    if (outcome.failed) return break_context(error_of(outcome.kind), outcome.report);
    const std::string damage = find_damage();
    if (!damage.empty()) break_context(ILLEGAL_ADDRESS, "kernel " + prepared.kernel->name + " " + damage);
}

static bool is_shape(unsigned x, unsigned y, unsigned z, uint64_t most_x, uint64_t most_y, uint64_t most_z) {
    return x > 0 && y > 0 && z > 0 && x <= most_x && y <= most_y && z <= most_z;
}

}  // namespace emulator
using namespace emulator;

#define NEEDS_CONTEXT \
    if (check_context() != SUCCESS) return check_context()

// The image is not read: the kernels are this library's. What a driver would refuse is refused.
DRIVER_CALL cuModuleLoadData(void** module, const void* image) {
    NEEDS_CONTEXT;
    if (image == nullptr) return INVALID_VALUE;
    if (settings().driver_version < 13000) return UNSUPPORTED_PTX_VERSION;
    if (settings().capability_major < 8) return NO_BINARY_FOR_GPU;
    *module = &the_module;
    return SUCCESS;
}
DRIVER_CALL cuModuleLoadFatBinary(void** module, const void* image) { return cuModuleLoadData(module, image); }
DRIVER_CALL cuModuleLoadDataEx(void** module, const void* image, unsigned, int*, void**) { return cuModuleLoadData(module, image); }
DRIVER_CALL cuModuleUnload(void* module) { return module == &the_module ? SUCCESS : INVALID_HANDLE; }
DRIVER_CALL cuModuleGetFunction(void** function, void* module, const char* name) {
    NEEDS_CONTEXT;
    if (module != &the_module || name == nullptr) return INVALID_HANDLE;
    *function = function_of(name);
    return *function == nullptr ? NOT_FOUND : SUCCESS;
}

// Registers, local memory and static shared memory are the compiler's for a card; here they are 0.
DRIVER_CALL cuFuncGetAttribute(int* value, int which, void* handle) {
    if (handle == nullptr) return INVALID_HANDLE;
    const auto* function = static_cast<const Function*>(handle);
    switch (which) {
        case 0: *value = 1024; return SUCCESS;                                          // MAX_THREADS_PER_BLOCK
        case 5: case 6: *value = settings().capability_major * 10; return SUCCESS;      // PTX_VERSION, BINARY_VERSION
        case 8: *value = static_cast<int>(function->most_shared.load()); return SUCCESS;  // MAX_DYNAMIC_SHARED_SIZE_BYTES
        default: *value = 0; return SUCCESS;
    }
}
DRIVER_CALL cuFuncSetAttribute(void* handle, int which, int value) {
    NEEDS_CONTEXT;
    if (handle == nullptr) return INVALID_HANDLE;
    if (which != 8) return SUCCESS;
    const int most = settings().capability_major >= 9 ? 232448 : 101376;
    if (value < 0 || value > most) return INVALID_VALUE;
    static_cast<Function*>(handle)->most_shared = static_cast<uint32_t>(value);
    return SUCCESS;
}
DRIVER_CALL cuFuncSetCacheConfig(void*, int) { return check_context(); }
DRIVER_CALL cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* handle, int threads, size_t shared) {
    NEEDS_CONTEXT;
    if (handle == nullptr) return INVALID_HANDLE;
    if (threads <= 0 || threads > 1024) return INVALID_VALUE;
    *blocks = min(min(32, 2048 / threads), static_cast<int>(233472 / (shared + 1024)));
    return SUCCESS;
}

DRIVER_CALL cuLaunchKernel(void* handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                           unsigned block_z, unsigned shared, void* stream, void** arguments, void** extra) {
    NEEDS_CONTEXT;
    if (handle == nullptr) return INVALID_HANDLE;
    if (extra != nullptr) return NOT_SUPPORTED;
    auto* function = static_cast<Function*>(handle);
    if (!is_shape(grid_x, grid_y, grid_z, 2147483647, 65535, 65535) || !is_shape(block_x, block_y, block_z, 1024, 1024, 64) ||
        static_cast<uint64_t>(block_x) * block_y * block_z > 1024 || shared > function->most_shared) {
        return INVALID_VALUE;
    }
    if (is_due(settings().refuse_launch)) return LAUNCH_OUT_OF_RESOURCES;
    auto prepared = std::make_shared<Prepared>();
    prepared->kernel = function->kernel;
    prepared->grid = dim3(grid_x, grid_y, grid_z);
    prepared->block = dim3(block_x, block_y, block_z);
    prepared->shared = shared;
    for (size_t i = 0; i < function->kernel->sizes.size(); i++) {
        if (arguments == nullptr || arguments[i] == nullptr) return INVALID_VALUE;
        const auto* begin = static_cast<const unsigned char*>(arguments[i]);
        prepared->arguments.emplace_back(begin, begin + function->kernel->sizes[i]);
    }
    return give_work(stream, [prepared] { run(*prepared); });
}
