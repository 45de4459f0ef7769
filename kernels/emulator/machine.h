// The machine that runs a launch on the host: what the parts of the emulator know of each other.
//
// A launch is spread over OS threads block by block. Each OS thread has a Worker, which holds the stacks, the shared memory
// and the warps of the one block that it runs at a time. The driver calls `launch`; kernels see only host_threads.h.
#pragma once
#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "host_ptx.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

namespace emulator {

// In which order the threads of a block (and the blocks of a grid) get their turns.
enum class Order { Forward, Reverse, Random, WarpsReversed };

// How a launch is scheduled. A correct kernel gives the same bits for every choice.
struct Schedule {
    Order order = Order::Forward;
    uint64_t seed = 1;         // of Order::Random
    bool late_copies = false;  // cp.async lands at the wait that covers it instead of at once
    unsigned os_threads = 0;   // 0: one for each core
};

// A kernel as its EXPORT_KERNEL registered it.
struct Kernel {
    std::string name;
    Trampoline call;
    std::vector<uint32_t> sizes;  // of its arguments, in bytes
};
const Kernel* find_kernel(const std::string& name);
std::vector<std::string> kernel_names();

// What became of a launch.
struct Outcome {
    bool failed = false;
    Fault kind = Fault::IllegalAddress;
    std::string report;  // kernel, block, thread, what happened
};
Outcome launch(const Kernel& kernel, dim3 grid, dim3 block, uint32_t shared, void** arguments, const Schedule& schedule);

// ---- memory that the driver hands out ----------------------------------------------------------------------------------

// Takes `bytes` of memory that ends (up to 15 bytes) at an unmapped page and is filled with NaN bits; null when the host
// has none. Freed memory stays unmapped for a long while, so that a late use of it is caught.
void* take_memory(size_t bytes, const char* kind);
bool give_memory(void* memory, const char* kind);
// The bytes from `memory` to the end of the buffer that holds it, or 0.
size_t memory_left(const void* memory, const char* kind);
// Says in words where an address lies: in which buffer, past the end of which, in one that was freed.
std::string describe_address(uintptr_t address);
// A sentence about a buffer whose few bytes before the unmapped page were written, or nothing.
std::string find_damage();

// ---- inside the machine ------------------------------------------------------------------------------------------------

// Lanes on their way into one collective.
struct Meeting {
    uint32_t mask, arrived;
    Operation operation;
    const char* name;
    uint64_t generation;
    void* lanes[32];
};
struct Warp {
    Meeting meetings[4];  // more than one only where disjoint masks meet at the same time
    uint32_t open;              // meetings that wait for lanes
    uint32_t present, exited;  // lanes that there are, that have returned
};

// One asynchronous copy that has been asked for and not yet made.
struct Copy {
    saddr to;
    const void* from;
    uint32_t bytes;
    bool inside;
};
// A thread's copies in order; `ends[i]` is where its i-th closed group ends.
struct CopyQueue {
    std::vector<Copy> copies;
    std::vector<size_t> ends;
};

struct Launch {
    const Kernel* kernel;
    void** arguments;
    Schedule schedule;
    dim3 grid, block;
    uint32_t shared;
    std::atomic<uint64_t> next{0};
    std::atomic<bool> stop{false};
    std::mutex lock;
    Outcome outcome;
};

// One OS thread's share of the machine, and the block that it runs.
struct Worker : Block {
    Launch* launch = nullptr;
    unsigned char* stacks = nullptr;  // 1024 slots
    uint32_t prepared = 0;            // slots whose guard page is set
    void* main_stack_pointer = nullptr;
    void* main_sanitizer = nullptr;
    uint32_t total = 0, live = 0, at_barrier = 0;
    uint64_t barrier_generation = 0;
    uint32_t vote[3] = {0, 0, 0}, voted[3] = {0, 0, 0};
    uint64_t progress = 0, seen_progress = 0, idle = 0;
    std::vector<Warp> warps;
    std::vector<CopyQueue> copies;
    std::vector<uint32_t> order;
    // Dynamic shared memory ends at an unmapped page.
    unsigned char *shared_pages = nullptr, *static_shared = nullptr;
    size_t shared_capacity = 0, static_shared_bytes = 0;
    std::vector<unsigned char> signal_stack;
    // Left by the signal handler for the thread that it sends to `land_after_signal`.
    int signal = 0;
    uintptr_t signal_address = 0;
    bool signal_writes = false;

    Fiber* fiber(uint32_t number) const { return fiber_of(reinterpret_cast<uintptr_t>(stacks) + number * SLOT); }
    bool is_shared(uintptr_t address, size_t bytes) const;
};
inline Worker* worker_of(Fiber* fiber) { return static_cast<Worker*>(fiber->block); }

// Gives the turn to the next thread of the block, or of the same warp. Faults with a deadlock when nobody can go on.
void yield(Fiber* me);
void yield_in_warp(Fiber* me);
// Leaves the running fiber for the worker's own stack.
void leave_block(Worker* worker);

// The worker that runs on this OS thread, or null.
Worker* active();
void finish_copies(Fiber* thread);
void watch_signals();
// Puts this thread's signal handling on a stack of its own while a worker runs on it.
struct SignalStack {
    explicit SignalStack(Worker* worker);
    ~SignalStack();
    struct Saved;
    Saved* saved;
};

// The parts that ThreadSanitizer is told about; nothing in other builds.
#if defined(EMULATOR_TSAN)
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void __tsan_read_range(void* address, unsigned long bytes);
void __tsan_write_range(void* address, unsigned long bytes);
}
inline void acquire(void* address) { __tsan_acquire(address); }
inline void release(void* address) { __tsan_release(address); }
inline void saw_read(const void* address, size_t bytes) { __tsan_read_range(const_cast<void*>(address), bytes); }
inline void saw_write(void* address, size_t bytes) { __tsan_write_range(address, bytes); }
#else
inline void acquire(void*) {}
inline void release(void*) {}
inline void saw_read(const void*, size_t) {}
inline void saw_write(void*, size_t) {}
#endif

}  // namespace emulator
