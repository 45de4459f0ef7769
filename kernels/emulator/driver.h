// The stand-in driver: what its parts know of each other. Every `cu...` function that cudarc 0.19 may call for this project
// is defined over the machine, so that the unchanged executor runs where there is no GPU.
//
// Values of enumerations are CUDA's (cuda.h 13.0); that header itself is not needed to build this library.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "machine.h"

#define DRIVER_CALL extern "C" __attribute__((visibility("default"))) emulator::Result

namespace emulator {

enum Result : int {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY_FOR_GPU = 209,
    UNSUPPORTED_PTX_VERSION = 222,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_OUT_OF_RESOURCES = 701,
    LAUNCH_TIMEOUT = 702,
    MISALIGNED_ADDRESS = 716,
    LAUNCH_FAILED = 719,
    NOT_SUPPORTED = 801,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
    CAPTURE_UNMATCHED = 903,
    CAPTURE_UNJOINED = 904,
    CAPTURE_ISOLATION = 905,
    CAPTURE_IMPLICIT = 906,
};

constexpr int CORES_REPORTED = 2;
constexpr uint32_t SHARED_DEFAULT = 48 * 1024;    // dynamic shared bytes that need no opt-in
constexpr const char* DEVICE_MEMORY = "device";
constexpr const char* PINNED_MEMORY = "pinned host";

// What can be set by `standin_set` (for the calling thread) or the environment (for all), see driver_settings.cpp.
struct Settings {
    Schedule schedule;
    bool late_streams = false;
    bool no_device = false;
    int driver_version = 13000;
    int capability_major = 9, capability_minor = 0;
    uint64_t memory_bytes = uint64_t{16} << 30;
    uint64_t fail_allocation = 0;  // the n-th allocation from now is refused; 0: none
    uint64_t refuse_launch = 0;    // the n-th launch call from now is refused at once
    uint64_t fail_launch = 0;      // the n-th kernel that runs from now dies, which a later call reports
};
Settings& settings();

// The current context of the calling thread, by cuCtxSetCurrent.
void*& current_context();

// Kernel faults are found at a later call, as with a real driver, and stay until the context is reset.
void break_context(Result error, const std::string& report);
void mend_context();
// SUCCESS, or why no call that needs a working context may go on.
Result check_context();
void remember_report(const std::string& report);

// ---- streams (driver_stream.cpp) ---------------------------------------------------------------------------------------

struct Stream;
using Work = std::function<void()>;
// Gives work to a stream: run at once, or kept until somebody waits for it, or recorded while the stream is captured.
Result give_work(void* stream, Work work);
bool is_captured(void* stream);
// Runs all that streams still keep. Refused, and the capture lost, while any stream is captured.
Result finish_everything();
Result finish_stream(void* stream);

// Bytes of device memory that are taken.
uint64_t memory_used();
// What the end of a context does with it.
void free_all_memory();
// Counts down to an injected failure: true when it is this call's turn.
inline bool is_due(uint64_t& countdown) { return countdown > 0 && --countdown == 0; }

}  // namespace emulator
