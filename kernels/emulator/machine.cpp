// Fibers and their scheduler: one fiber for each CUDA thread, taking turns until every thread of the block has returned.
//
// Cooperative on purpose. A thread runs until it waits, so a schedule is a fixed order that can be turned round: a kernel
// that lacks a barrier then gives other results in another order. Blocks are independent and run on several OS threads.
#include "machine.h"

#include <sys/mman.h>
#include <link.h>
#include <stdlib.h>

#include <thread>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

// Saves what a call must keep, takes the other stack, restores what that one had saved.
asm(R"(
.text
.globl emulator_switch
.hidden emulator_switch
.type emulator_switch, @function
emulator_switch:
    pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
    ret
.size emulator_switch, .-emulator_switch
)");
extern "C" void emulator_switch(void** save, void* to);

namespace emulator {

constexpr uint32_t MOST_THREADS = 1024;
constexpr size_t PAGE = 4096;

static void switch_to(Fiber* from, Fiber* to) {
#if defined(EMULATOR_TSAN)
    __tsan_switch_to_fiber(to->sanitizer, 1);
#endif
    emulator_switch(&from->stack_pointer, to->stack_pointer);
}

void leave_block(Worker* worker) {
#if defined(EMULATOR_TSAN)
    __tsan_switch_to_fiber(worker->main_sanitizer, 1);
#endif
    void* forgotten;
    emulator_switch(&forgotten, worker->main_stack_pointer);
}

void yield(Fiber* me) {
    Worker* worker = worker_of(me);
    if (worker->progress != worker->seen_progress) {
        worker->seen_progress = worker->progress;
        worker->idle = 0;
    } else if (++worker->idle > worker->live * 4ull + 64) {
        return fault(Fault::Deadlock, "deadlock: every thread waits");
    }
    if (me->next == me) return;
    switch_to(me, me->next);
}

void yield_in_warp(Fiber* me) {
    if (me->warp_next == me) return yield(me);
    switch_to(me, me->warp_next);
}

// ---- barriers ------------------------------------------------------------------------------------------------------------

// Releases of one barrier must not reach the next but one, or ThreadSanitizer would miss races: two addresses take turns.
static void* barrier_address(Worker* worker, uint64_t generation) {
    return reinterpret_cast<char*>(&worker->barrier_generation) + (generation & 1) * 4;
}

void barrier() {
    Fiber* me = current();
    Worker* worker = worker_of(me);
    if (worker->live < worker->total) return fault(Fault::Divergent, "__syncthreads after other threads of the block have returned");
    const uint64_t generation = worker->barrier_generation;
    release(barrier_address(worker, generation));
    if (++worker->at_barrier == worker->live) {
        worker->at_barrier = 0;
        worker->barrier_generation++;
        worker->progress++;
    } else {
        me->waits_for = "__syncthreads";
        do {
            yield(me);
        } while (worker->barrier_generation == generation);
        me->waits_for = nullptr;
    }
    acquire(barrier_address(worker, generation));
}

// `operation`: 0 counts, 1 is the logical and, 2 the logical or of the predicates. The last to come leaves the count.
int barrier_vote(int operation, int predicate) {
    Worker* worker = worker_of(current());
    worker->vote[operation] += predicate != 0;
    if (worker->at_barrier + 1 == worker->live) {
        worker->voted[operation] = worker->vote[operation];
        worker->vote[operation] = 0;
    }
    barrier();
    const uint32_t count = worker->voted[operation];
    barrier();
    if (operation == 0) return static_cast<int>(count);
    return operation == 1 ? count == worker->total : count > 0;
}

// ---- the life of a thread ------------------------------------------------------------------------------------------------

static void unlink(Fiber* me) {
    me->previous->next = me->next;
    me->next->previous = me->previous;
    me->warp_previous->warp_next = me->warp_next;
    me->warp_next->warp_previous = me->warp_previous;
}

extern "C" __attribute__((visibility("hidden"))) void emulator_thread_begins() {
    Fiber* me = current();
    Worker* worker = worker_of(me);
    acquire(&worker->total);
    worker->launch->kernel->call(worker->launch->arguments);
    release(&worker->live);
    finish_copies(me);
    Warp* warp = me->warp;
    warp->exited |= 1u << me->lane;
    for (const Meeting& meeting : warp->meetings) {
        if (meeting.arrived != 0 && (meeting.mask >> me->lane & 1u) != 0) {
            fault(Fault::Divergent, "returns while other lanes of its warp wait for it in a warp collective");
        }
    }
    if (worker->at_barrier > 0) fault(Fault::Divergent, "returns while other threads of the block wait for it in __syncthreads");
    worker->live--;
    worker->progress++;
    if (me->next == me) return leave_block(worker);
    unlink(me);
    switch_to(me, me->next);
}

// The first entry into a fiber "returns" into emulator_thread_begins with an aligned stack.
static void start_stack(Fiber* fiber) {
#if defined(__SANITIZE_ADDRESS__)
    // Functions that the last block left in the middle have marked parts of their frames.
    const uintptr_t slot = reinterpret_cast<uintptr_t>(fiber) & ~(SLOT - 1);
    __asan_unpoison_memory_region(reinterpret_cast<void*>(slot + PAGE), SLOT - PAGE);
#endif
    void** top = reinterpret_cast<void**>(fiber);
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(emulator_thread_begins);
    for (int saved = 0; saved < 6; saved++) *--top = nullptr;
    fiber->stack_pointer = top;
}

// ---- a block ---------------------------------------------------------------------------------------------------------------

static uint64_t next_random(uint64_t& state) {
    state += 0x9e3779b97f4a7c15ull;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

static void choose_order(Worker* worker, uint64_t block_number) {
    const Schedule& schedule = worker->launch->schedule;
    std::vector<uint32_t>& order = worker->order;
    const uint32_t total = worker->total;
    order.resize(total);
    for (uint32_t i = 0; i < total; i++) order[i] = schedule.order == Order::Reverse ? total - 1 - i : i;
    if (schedule.order == Order::Random) {
        uint64_t state = schedule.seed * 0x2545f4914f6cdd1dull + block_number;
        for (uint32_t i = total - 1; i > 0; i--) std::swap(order[i], order[next_random(state) % (i + 1)]);
    }
    if (schedule.order == Order::WarpsReversed) {
        uint32_t at = 0;
        for (uint32_t warp = (total + 31) / 32; warp-- > 0;) {
            for (uint32_t i = warp * 32; i < min(total, warp * 32 + 32); i++) order[at++] = i;
        }
    }
}

static void link_rings(Worker* worker) {
    const std::vector<uint32_t>& order = worker->order;
    Fiber *first[32] = {}, *last[32] = {};
    for (uint32_t i = 0; i < worker->total; i++) {
        Fiber* fiber = worker->fiber(order[i]);
        Fiber* follower = worker->fiber(order[i + 1 == worker->total ? 0 : i + 1]);
        fiber->next = follower;
        follower->previous = fiber;
        const uint32_t warp = order[i] / 32;
        if (last[warp] == nullptr) {
            first[warp] = fiber;
        } else {
            last[warp]->warp_next = fiber;
            fiber->warp_previous = last[warp];
        }
        last[warp] = fiber;
    }
    for (uint32_t warp = 0; warp < (worker->total + 31) / 32; warp++) {
        last[warp]->warp_next = first[warp];
        first[warp]->warp_previous = last[warp];
    }
}

static void set_up_threads(Worker* worker) {
    const dim3& threads = worker->threads;
    for (uint32_t i = 0; i < worker->total; i++) {
        Fiber* fiber = worker->fiber(i);
        fiber->thread = {i % threads.x, i / threads.x % threads.y, i / (threads.x * threads.y)};
        fiber->lane = i % 32;
        fiber->number = i;
        fiber->warp = &worker->warps[i / 32];
        fiber->block = worker;
        fiber->waits_for = nullptr;
        fiber->copies = &worker->copies[i];
        fiber->copies->copies.clear();
        fiber->copies->ends.clear();
        start_stack(fiber);
#if defined(EMULATOR_TSAN)
        if (fiber->sanitizer == nullptr) fiber->sanitizer = __tsan_create_fiber(0);
#endif
    }
    for (uint32_t i = 0; i < worker->warps.size(); i++) {
        const uint32_t lanes = min(32u, worker->total - i * 32);
        worker->warps[i] = Warp{};
        worker->warps[i].present = lanes == 32 ? 0xffffffffu : (1u << lanes) - 1;
    }
}

static __thread Worker* active_worker = nullptr;

// What a kernel reads of shared memory that nobody wrote is NaN. The thread-local storage of this library is the static
// shared memory of its kernels, plus the one pointer above.
static void poison_shared(Worker* worker) {
    memset(worker->shared, 0xff, worker->shared_pages + worker->shared_capacity - worker->shared);
    memset(worker->static_shared, 0xff, worker->static_shared_bytes);
    active_worker = worker;
}

static void run_block(Worker* worker, uint64_t number) {
    const dim3& grid = worker->grid;
    worker->index = {static_cast<unsigned>(number % grid.x), static_cast<unsigned>(number / grid.x % grid.y),
                     static_cast<unsigned>(number / grid.x / grid.y)};
    worker->live = worker->total;
    worker->at_barrier = 0;
    worker->progress = 1, worker->seen_progress = 0, worker->idle = 0;
    for (int i = 0; i < 3; i++) worker->vote[i] = 0;
    poison_shared(worker);
    choose_order(worker, number);
    set_up_threads(worker);
    link_rings(worker);
    Fiber* first = worker->fiber(worker->order[0]);
#if defined(EMULATOR_TSAN)
    worker->main_sanitizer = __tsan_get_current_fiber();
    release(&worker->total);
    __tsan_switch_to_fiber(first->sanitizer, 1);
#endif
    emulator_switch(&worker->main_stack_pointer, first->stack_pointer);
    acquire(&worker->live);
    // The few bytes between the end of shared memory and the unmapped page must be as they were.
    for (unsigned char* byte = worker->shared + worker->shared_bytes; byte < worker->shared_pages + worker->shared_capacity; byte++) {
        if (*byte != 0xff && !worker->launch->stop) {
            std::lock_guard<std::mutex> held(worker->launch->lock);
            worker->launch->outcome = {true, Fault::IllegalAddress,
                                       "kernel " + worker->launch->kernel->name + " wrote past the end of its dynamic shared memory (" +
                                           std::to_string(worker->shared_bytes) + " bytes)"};
            worker->launch->stop = true;
        }
    }
}

// ---- workers -----------------------------------------------------------------------------------------------------------------

static int find_own_storage(dl_phdr_info* info, size_t, void* found) {
    const uintptr_t here = reinterpret_cast<uintptr_t>(&find_own_storage);
    bool ours = false;
    size_t bytes = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr)& part = info->dlpi_phdr[i];
        const uintptr_t begin = info->dlpi_addr + part.p_vaddr;
        if (part.p_type == PT_LOAD && here >= begin && here < begin + part.p_memsz) ours = true;
        if (part.p_type == PT_TLS) bytes = part.p_memsz;
    }
    if (!ours) return 0;
    auto* result = static_cast<size_t*>(found);
    result[0] = info->dlpi_tls_modid;
    result[1] = bytes;
    return 1;
}

extern "C" void* __tls_get_addr(size_t* module_and_offset);

static void find_static_shared(Worker* worker) {
    active_worker = worker;
    static const std::pair<size_t, size_t> own = [] {
        size_t found[2] = {0, 0};
        dl_iterate_phdr(find_own_storage, found);
        return std::make_pair(found[0], found[1]);
    }();
    size_t index[2] = {own.first, 0};
    worker->static_shared = static_cast<unsigned char*>(__tls_get_addr(index));
    worker->static_shared_bytes = own.second;
}

static void* map_pages(size_t bytes, int protection) {
    void* at = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) abort();
    return at;
}

static void prepare_shared(Worker* worker, uint32_t bytes) {
    const size_t needed = (bytes + PAGE - 1) / PAGE * PAGE;
    if (worker->shared_pages == nullptr || needed > worker->shared_capacity) {
        if (worker->shared_pages != nullptr) munmap(worker->shared_pages - PAGE, worker->shared_capacity + 2 * PAGE);
        worker->shared_capacity = max(needed, 16 * PAGE);
        auto* with_guards = static_cast<unsigned char*>(map_pages(worker->shared_capacity + 2 * PAGE, PROT_NONE));
        mprotect(with_guards + PAGE, worker->shared_capacity, PROT_READ | PROT_WRITE);
        worker->shared_pages = with_guards + PAGE;
    }
    worker->shared_bytes = bytes;
    worker->shared = worker->shared_pages + worker->shared_capacity - (bytes + 15ull) / 16 * 16;
}

static void prepare_stacks(Worker* worker, uint32_t threads) {
    if (worker->stacks == nullptr) {
        const uintptr_t anywhere = reinterpret_cast<uintptr_t>(map_pages((MOST_THREADS + 1) * SLOT, PROT_READ | PROT_WRITE));
        worker->stacks = reinterpret_cast<unsigned char*>((anywhere + SLOT - 1) & ~(SLOT - 1));
        madvise(worker->stacks, MOST_THREADS * SLOT, MADV_NOHUGEPAGE);
    }
    for (; worker->prepared < threads; worker->prepared++) mprotect(worker->stacks + worker->prepared * SLOT, PAGE, PROT_NONE);
}

// Workers are kept: their stacks are already mapped and warm.
struct Pool {
    std::mutex lock;
    std::vector<Worker*> idle;
};
static Pool& pool() {
    static Pool* kept = new Pool;
    return *kept;
}

static Worker* take_worker(Launch* launch) {
    Worker* worker = nullptr;
    {
        std::lock_guard<std::mutex> held(pool().lock);
        if (!pool().idle.empty()) {
            worker = pool().idle.back();
            pool().idle.pop_back();
        }
    }
    if (worker == nullptr) worker = new Worker;
    worker->launch = launch;
    worker->grid = launch->grid;
    worker->threads = launch->block;
    worker->late_copies = launch->schedule.late_copies;
    worker->total = launch->block.x * launch->block.y * launch->block.z;
    worker->warps.resize((worker->total + 31) / 32);
    if (worker->copies.size() < worker->total) worker->copies.resize(worker->total);
    prepare_stacks(worker, worker->total);
    prepare_shared(worker, launch->shared);
    return worker;
}

static void give_worker(Worker* worker) {
#if defined(EMULATOR_TSAN)
    // Making a ThreadSanitizer fiber takes a hundred times as long as a switch, so they are kept; but one that was left in the middle of
    // a kernel is of no more use.
    for (uint32_t i = 0; worker->launch->stop && i < worker->total; i++) {
        Fiber* fiber = worker->fiber(i);
        if (fiber->sanitizer != nullptr) __tsan_destroy_fiber(fiber->sanitizer);
        fiber->sanitizer = nullptr;
    }
#endif
    std::lock_guard<std::mutex> held(pool().lock);
    pool().idle.push_back(worker);
}

// Which block is the `turn`-th to run, in the launch's order.
static uint64_t block_at(const Schedule& schedule, uint64_t turn, uint64_t blocks) {
    if (schedule.order == Order::Reverse || schedule.order == Order::WarpsReversed) return blocks - 1 - turn;
    if (schedule.order == Order::Random) return (turn + schedule.seed * 0x9e3779b1ull) % blocks;
    return turn;
}

static void work(Launch* launch, uint64_t blocks) {
    Worker* worker = take_worker(launch);
    {
        SignalStack on_own_stack(worker);
        find_static_shared(worker);
        for (uint64_t turn; !launch->stop && (turn = launch->next++) < blocks;) {
            run_block(worker, block_at(launch->schedule, turn, blocks));
        }
        active_worker = nullptr;
    }
    give_worker(worker);
}

Worker* active() { return active_worker; }

bool Worker::is_shared(uintptr_t address, size_t bytes) const {
    const auto inside = [&](const unsigned char* begin, size_t length) {
        const uintptr_t from = reinterpret_cast<uintptr_t>(begin);
        return address >= from && address + bytes <= from + length;
    };
    return inside(shared, shared_bytes) || inside(static_shared, static_shared_bytes);
}

Outcome launch(const Kernel& kernel, dim3 grid, dim3 block, uint32_t shared, void** arguments, const Schedule& schedule) {
    watch_signals();
    pool();  // made before there are threads, which is the order that ThreadSanitizer can see
    Launch launch;
    launch.kernel = &kernel;
    launch.arguments = arguments;
    launch.schedule = schedule;
    launch.grid = grid;
    launch.block = block;
    launch.shared = shared;
    const uint64_t blocks = static_cast<uint64_t>(grid.x) * grid.y * grid.z;
    uint64_t threads = schedule.os_threads != 0 ? schedule.os_threads : max(1u, std::thread::hardware_concurrency());
    threads = min(threads, blocks);
    std::vector<std::thread> helpers;
    for (uint64_t i = 1; i < threads; i++) helpers.emplace_back(work, &launch, blocks);
    work(&launch, blocks);
    for (std::thread& helper : helpers) helper.join();
    return launch.outcome;
}

}  // namespace emulator
