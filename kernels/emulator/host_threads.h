// How a kernel's threads run and meet on the host: indices, barriers, warp collectives, registration of kernels.
//
// One CUDA thread is one fiber; the fibers of a block take turns on one OS thread (machine.cpp). This header is what a
// kernel's text sees of that: it holds the fields that must be quick and declares the rest.
#pragma once
#include "host_language.h"

namespace emulator {

struct Warp;
struct Block;
struct CopyQueue;

// One CUDA thread. It lives at the top of its own stack, so that a thread finds itself from its stack pointer.
struct alignas(64) Fiber {
    void* stack_pointer;
    Fiber *next, *previous;            // every live thread of the block, in the launch's order
    Fiber *warp_next, *warp_previous;  // the same for its warp
    uint3 thread;
    uint32_t lane;
    Warp* warp;
    Block* block;
    const char* waits_for;  // what it waits in, or null
    CopyQueue* copies;      // its asynchronous copies
    void* sanitizer;        // ThreadSanitizer's name for it
    uint32_t number;        // its place in the block
};

// What the kernel's text reads of its block.
struct Block {
    uint3 index;
    dim3 threads, grid;
    unsigned char* shared;
    uint32_t shared_bytes;
    bool late_copies;
};

// A stack is a slot of 64 KiB at a multiple of 64 KiB. The fiber lies in its top quarter, at a place that differs from slot
// to slot, or else the busy cache lines of all stacks would fall into the same few sets of the caches.
constexpr uintptr_t SLOT = 65536;
constexpr uintptr_t COLOURS = 64, COLOUR_STEP = 192;
static_assert(sizeof(Fiber) <= COLOUR_STEP, "a fiber must fit between two colours");

inline Fiber* fiber_of(uintptr_t address) {
    return reinterpret_cast<Fiber*>((address & ~(SLOT - 1)) + SLOT - (1 + (address / SLOT) % COLOURS) * COLOUR_STEP);
}
inline Fiber* current() {
    uintptr_t stack_pointer;
    asm("movq %%rsp, %0" : "=r"(stack_pointer));
    return fiber_of(stack_pointer);
}

// What a launch may die of; each becomes a driver error and a report that names kernel, block and thread.
// Does not return: it leaves the thread, and with it the block. (Not declared so, or AddressSanitizer would clean up a
// stack that it does not know.)
enum class Fault { IllegalAddress, Misaligned, Divergent, Deadlock, LimitExceeded };
void fault(Fault kind, const char* what);

void barrier();
int barrier_vote(int operation, int predicate);

// Lanes of a warp that meet in the same operation: each leaves a pointer to its operands, the last one to come calls
// `compute` for all. Lanes outside `mask` have null pointers.
enum class Operation : uint32_t { Syncwarp, Shuffle, Ballot, Ldmatrix, LdmatrixTransposed, Mma };
void meet(Operation operation, uint32_t mask, void* mine, void (*compute)(void** lanes), const char* name);

template <class T>
struct Shuffle {
    T value, result;
    uint32_t source;
};
void shuffle_from_nobody();

template <class T>
inline void shuffle_all(void** lanes) {
    for (uint32_t lane = 0; lane < 32; lane++) {
        if (lanes[lane] == nullptr) continue;
        auto* to = static_cast<Shuffle<T>*>(lanes[lane]);
        auto* from = static_cast<Shuffle<T>*>(lanes[to->source]);
        if (from == nullptr) return shuffle_from_nobody();
        to->result = from->value;
    }
}

template <class T>
inline T shuffle(uint32_t mask, T value, uint32_t source, const char* name) {
    Shuffle<T> mine{value, value, source};
    meet(Operation::Shuffle, mask, &mine, shuffle_all<T>, name);
    return mine.result;
}

struct Vote {
    uint32_t bit, result;
};
void ballot_all(void** lanes);

// A kernel in the registry: how to call it with a driver's array of argument pointers, and how large each argument is.
using Trampoline = void (*)(void** arguments);
struct Registration {
    Registration(const char* name, Trampoline call, const uint32_t* sizes, uint32_t arguments);
};

template <class>
struct Call;
template <class... A>
struct Call<void (*)(A...)> {
    static constexpr uint32_t arguments = sizeof...(A);
    static constexpr uint32_t sizes[arguments + 1] = {static_cast<uint32_t>(sizeof(A))..., 0};
    template <size_t... I>
    static void run(void (*kernel)(A...), void** given, std::index_sequence<I...>) {
        kernel(*static_cast<std::remove_cv_t<A>*>(given[I])...);
    }
    static void run(void (*kernel)(A...), void** given) { run(kernel, given, std::index_sequence_for<A...>{}); }
};

}  // namespace emulator

#define threadIdx (emulator::current()->thread)
#define blockIdx (emulator::current()->block->index)
#define blockDim (emulator::current()->block->threads)
#define gridDim (emulator::current()->block->grid)
#define warpSize 32
#define DYNAMIC_SHARED(name) unsigned char* const name = emulator::current()->block->shared
#define EXPORT_KERNEL(entry)                                                                             \
    static void emulator_call_##entry(void** given) { emulator::Call<decltype(&entry)>::run(&entry, given); } \
    static emulator::Registration emulator_registration_##entry(#entry, emulator_call_##entry,          \
                                                                emulator::Call<decltype(&entry)>::sizes, \
                                                                emulator::Call<decltype(&entry)>::arguments);

inline void __syncthreads() { emulator::barrier(); }
inline int __syncthreads_count(int predicate) { return emulator::barrier_vote(0, predicate); }
inline int __syncthreads_and(int predicate) { return emulator::barrier_vote(1, predicate); }
inline int __syncthreads_or(int predicate) { return emulator::barrier_vote(2, predicate); }
inline void __syncwarp(unsigned mask = 0xffffffffu) {
    char nothing;
    emulator::meet(emulator::Operation::Syncwarp, mask, &nothing, [](void**) {}, "__syncwarp");
}

// `width` is a power of two; each segment of that many lanes shuffles by itself.
template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
    const uint32_t lane = emulator::current()->lane, segment = static_cast<uint32_t>(width) - 1;
    return emulator::shuffle(mask, value, (lane & ~segment) | (static_cast<uint32_t>(source) & segment), "__shfl_sync");
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
    const uint32_t lane = emulator::current()->lane, source = lane ^ static_cast<uint32_t>(bits);
    const uint32_t end = (lane & ~(static_cast<uint32_t>(width) - 1)) + static_cast<uint32_t>(width);
    return emulator::shuffle(mask, value, source < end ? source : lane, "__shfl_xor_sync");
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32) {
    const uint32_t lane = emulator::current()->lane, source = lane + distance;
    const uint32_t end = (lane & ~(static_cast<uint32_t>(width) - 1)) + static_cast<uint32_t>(width);
    return emulator::shuffle(mask, value, source < end ? source : lane, "__shfl_down_sync");
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32) {
    const uint32_t lane = emulator::current()->lane, begin = lane & ~(static_cast<uint32_t>(width) - 1);
    return emulator::shuffle(mask, value, lane >= begin + distance ? lane - distance : lane, "__shfl_up_sync");
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
    emulator::Vote mine{predicate != 0, 0};
    emulator::meet(emulator::Operation::Ballot, mask, &mine, emulator::ballot_all, "__ballot_sync");
    return mine.result;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate != 0 ? 0 : 1) == 0; }

// Integer atomics only: a floating-point one would make the bits depend on the order of the threads.
template <class T>
inline T atomicAdd(T* at, T value) {
    static_assert(std::is_integral<T>::value, "no floating-point atomics: their result depends on the order of the threads");
    return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}
template <class T>
inline T atomicMax(T* at, T value) {
    static_assert(std::is_integral<T>::value, "integer atomics only");
    T old = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (old < value && !__atomic_compare_exchange_n(at, &old, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
    return old;
}
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
