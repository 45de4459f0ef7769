// Driver calls about the device, the context and errors.
#include <algorithm>

#include "driver.h"

namespace emulator {

static std::atomic<bool> initialized{false};
static int primary_context;  // its address is the handle
static std::atomic<int> retained{0};

static Result check_device(int device) {
    if (!initialized) return NOT_INITIALIZED;
    return device == 0 ? SUCCESS : INVALID_DEVICE;
}

// The numbers of CUdevice_attribute that this project's executor may ask for. An H100's where a size is meant, so that
// kernels are chosen as on one; the two cores and clocks are nobody's.
static int attribute(int which) {
    switch (which) {
        case 1: return 1024;                        // MAX_THREADS_PER_BLOCK
        case 2: case 3: return 1024;                // MAX_BLOCK_DIM_X, Y
        case 4: return 64;                          // MAX_BLOCK_DIM_Z
        case 5: return 2147483647;                  // MAX_GRID_DIM_X
        case 6: case 7: return 65535;               // MAX_GRID_DIM_Y, Z
        case 8: return SHARED_DEFAULT;              // MAX_SHARED_MEMORY_PER_BLOCK
        case 9: return 65536;                       // TOTAL_CONSTANT_MEMORY
        case 10: return 32;                         // WARP_SIZE
        case 12: return 65536;                      // MAX_REGISTERS_PER_BLOCK
        case 13: return 1000000;                    // CLOCK_RATE, kHz
        case 16: return CORES_REPORTED;             // MULTIPROCESSOR_COUNT
        case 31: case 41: case 78: return 1;        // CONCURRENT_KERNELS, UNIFIED_ADDRESSING, STREAM_PRIORITIES_SUPPORTED
        case 36: return 1000000;                    // MEMORY_CLOCK_RATE, kHz
        case 37: return 64;                         // GLOBAL_MEMORY_BUS_WIDTH, bits
        case 38: return 1 << 20;                    // L2_CACHE_SIZE
        case 39: return 2048;                       // MAX_THREADS_PER_MULTIPROCESSOR
        case 40: return 1;                          // ASYNC_ENGINE_COUNT
        case 75: return settings().capability_major;
        case 76: return settings().capability_minor;
        case 81: return 233472;                     // MAX_SHARED_MEMORY_PER_MULTIPROCESSOR
        case 82: return 65536;                      // MAX_REGISTERS_PER_MULTIPROCESSOR
        case 97: return settings().capability_major >= 9 ? 232448 : 101376;  // MAX_SHARED_MEMORY_PER_BLOCK_OPTIN
        case 106: return 32;                        // MAX_BLOCKS_PER_MULTIPROCESSOR
        case 111: return 1024;                      // RESERVED_SHARED_MEMORY_PER_BLOCK
        case 115: return 1;                         // MEMORY_POOLS_SUPPORTED
        default: return 0;
    }
}

struct ErrorText {
    Result code;
    const char *name, *text;
};
static const ErrorText ERRORS[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {LAUNCH_TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not initiated in this stream"},
    {CAPTURE_UNJOINED, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"},
    {CAPTURE_ISOLATION, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "dependency created on uncaptured work in another stream"},
    {CAPTURE_IMPLICIT, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT", "operation would make the legacy stream depend on a capturing blocking stream"},
};

static const ErrorText* find_error(Result code) {
    for (const ErrorText& error : ERRORS) {
        if (error.code == code) return &error;
    }
    return nullptr;
}

}  // namespace emulator
using namespace emulator;

DRIVER_CALL cuInit(unsigned) {
    if (settings().no_device) return NO_DEVICE;
    initialized = true;
    return SUCCESS;
}
DRIVER_CALL cuDriverGetVersion(int* version) {
    *version = settings().driver_version;
    return SUCCESS;
}
DRIVER_CALL cuDeviceGetCount(int* count) {
    if (!initialized) return NOT_INITIALIZED;
    *count = settings().no_device ? 0 : 1;
    return SUCCESS;
}
DRIVER_CALL cuDeviceGet(int* device, int ordinal) {
    *device = ordinal;
    return check_device(ordinal);
}
DRIVER_CALL cuDeviceGetName(char* name, int length, int device) {
    if (length > 0) {
        strncpy(name, "stand-in (host emulation, not a GPU)", static_cast<size_t>(length) - 1);
        name[length - 1] = 0;
    }
    return check_device(device);
}
DRIVER_CALL cuDeviceGetUuid(unsigned char* uuid, int device) {
    memcpy(uuid, "stand-in driver", 16);
    return check_device(device);
}
DRIVER_CALL cuDeviceGetUuid_v2(unsigned char* uuid, int device) { return cuDeviceGetUuid(uuid, device); }
DRIVER_CALL cuDeviceTotalMem_v2(size_t* bytes, int device) {
    *bytes = settings().memory_bytes;
    return check_device(device);
}
DRIVER_CALL cuDeviceGetAttribute(int* value, int which, int device) {
    *value = attribute(which);
    return check_device(device);
}
DRIVER_CALL cuDeviceComputeCapability(int* major, int* minor, int device) {
    *major = settings().capability_major;
    *minor = settings().capability_minor;
    return check_device(device);
}

DRIVER_CALL cuDevicePrimaryCtxRetain(void** context, int device) {
    const Result checked = check_device(device);
    if (checked != SUCCESS) return checked;
    retained++;
    *context = &primary_context;
    return SUCCESS;
}
// The last release destroys a context; a later retain makes a new one, which works even if the old one was broken.
DRIVER_CALL cuDevicePrimaryCtxRelease_v2(int device) {
    if (retained > 0 && --retained == 0) {
        free_all_memory();
        mend_context();
    }
    return check_device(device);
}
DRIVER_CALL cuDevicePrimaryCtxReset_v2(int device) {
    mend_context();
    return check_device(device);
}
DRIVER_CALL cuDevicePrimaryCtxSetFlags_v2(int device, unsigned) { return check_device(device); }
DRIVER_CALL cuDevicePrimaryCtxGetState(int device, unsigned* flags, int* is_active) {
    *flags = 0;
    *is_active = retained > 0;
    return check_device(device);
}
DRIVER_CALL cuCtxSetCurrent(void* context) {
    if (!initialized) return NOT_INITIALIZED;
    current_context() = context;
    return SUCCESS;
}
DRIVER_CALL cuCtxGetCurrent(void** context) {
    *context = current_context();
    return initialized ? SUCCESS : NOT_INITIALIZED;
}
DRIVER_CALL cuCtxGetDevice(int* device) {
    *device = 0;
    return current_context() == nullptr ? INVALID_CONTEXT : SUCCESS;
}
DRIVER_CALL cuCtxSetFlags(unsigned) { return check_context(); }
DRIVER_CALL cuCtxSetLimit(int, size_t) { return check_context(); }
DRIVER_CALL cuCtxGetLimit(size_t* value, int) {
    *value = 0;
    return check_context();
}
DRIVER_CALL cuCtxSetCacheConfig(int) { return check_context(); }
DRIVER_CALL cuCtxGetCacheConfig(int* config) {
    *config = 0;
    return check_context();
}
DRIVER_CALL cuCtxGetStreamPriorityRange(int* least, int* greatest) {
    *least = 0;
    *greatest = -5;
    return check_context();
}
DRIVER_CALL cuCtxSynchronize() {
    const Result checked = check_context();
    return checked != SUCCESS ? checked : finish_everything();
}
DRIVER_CALL cuProfilerStart() { return check_context(); }
DRIVER_CALL cuProfilerStop() { return check_context(); }

DRIVER_CALL cuGetErrorName(Result code, const char** name) {
    const ErrorText* error = find_error(code);
    *name = error == nullptr ? nullptr : error->name;
    return error == nullptr ? INVALID_VALUE : SUCCESS;
}
DRIVER_CALL cuGetErrorString(Result code, const char** text) {
    const ErrorText* error = find_error(code);
    *text = error == nullptr ? nullptr : error->text;
    return error == nullptr ? INVALID_VALUE : SUCCESS;
}
