// How a launch dies: a fault in a kernel becomes a report in words and the end of its block, never of the process.
//
// Checks in the emulator call `fault`. An access to an unmapped page, a stack that overflows and an integer division by zero
// come as signals; the handler sends the thread that raised it to `land_after_signal`, on its own stack.
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

#include <map>

#include "machine.h"

namespace emulator {

static std::string place(const uint3& at) {
    return "(" + std::to_string(at.x) + "," + std::to_string(at.y) + "," + std::to_string(at.z) + ")";
}

// Who waits in what: a line for each kind of waiting, with the first thread that does.
static std::string describe_waiting(Worker* worker) {
    std::map<std::string, std::pair<uint32_t, Fiber*>> kinds;
    for (uint32_t i = 0; i < worker->total; i++) {
        Fiber* fiber = worker->fiber(i);
        if (fiber->waits_for == nullptr) continue;
        auto& kind = kinds[fiber->waits_for];
        if (kind.first++ == 0) kind.second = fiber;
    }
    std::string text;
    for (const auto& kind : kinds) {
        text += "\n  " + std::to_string(kind.second.first) + " thread(s) wait in " + kind.first + ", the first is thread " +
                place(kind.second.second->thread);
    }
    const uint32_t returned = worker->total - worker->live;
    if (returned > 0) text += "\n  " + std::to_string(returned) + " thread(s) have returned";
    return text;
}

void fault(Fault kind, const char* what) {
    Fiber* me = current();
    Worker* worker = worker_of(me);
    Launch* launch = worker->launch;
    {
        std::lock_guard<std::mutex> held(launch->lock);
        if (!launch->outcome.failed) {
            me->waits_for = nullptr;
            launch->outcome.failed = true;
            launch->outcome.kind = kind;
            launch->outcome.report = "kernel " + launch->kernel->name + ", block " + place(worker->index) + ", thread " +
                                     place(me->thread) + ": " + what + describe_waiting(worker);
        }
    }
    launch->stop = true;
    leave_block(worker);
    __builtin_unreachable();
}

static std::string describe_signal(Worker* worker) {
    const uintptr_t address = worker->signal_address;
    if (worker->signal == SIGFPE) return "integer division by zero";
    const auto lies_near = [&](const unsigned char* begin, size_t bytes) {
        return address + 4096 >= reinterpret_cast<uintptr_t>(begin) && address < reinterpret_cast<uintptr_t>(begin) + bytes + 4096;
    };
    const std::string verb = worker->signal_writes ? "writes" : "reads";
    if (lies_near(worker->stacks, worker->prepared * SLOT)) return "stack overflow: the thread's local variables need more than 48 KiB";
    if (lies_near(worker->shared_pages, worker->shared_capacity)) {
        return verb + " outside its dynamic shared memory (" + std::to_string(worker->shared_bytes) + " bytes), at byte " +
               std::to_string(static_cast<long long>(address - reinterpret_cast<uintptr_t>(worker->shared)));
    }
    return "illegal address: " + verb + " " + describe_address(address);
}

extern "C" __attribute__((visibility("hidden"))) void emulator_land_after_signal() {
    Worker* worker = worker_of(current());
    const Fault kind = worker->signal == SIGFPE ? Fault::LimitExceeded : Fault::IllegalAddress;
    fault(kind, describe_signal(worker).c_str());
}

static const int WATCHED[] = {SIGSEGV, SIGBUS, SIGFPE};
static struct sigaction previous[3];

// A signal that no kernel raised goes to whoever watched before.
static void pass_on(int number, siginfo_t* info, void* context) {
    for (int i = 0; i < 3; i++) {
        if (WATCHED[i] != number) continue;
        if ((previous[i].sa_flags & SA_SIGINFO) != 0) return previous[i].sa_sigaction(number, info, context);
        if (previous[i].sa_handler != SIG_DFL && previous[i].sa_handler != SIG_IGN) return previous[i].sa_handler(number);
        signal(number, SIG_DFL);
    }
}

static void on_signal(int number, siginfo_t* info, void* context) {
    Worker* worker = active();
    greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    const uintptr_t stack_pointer = static_cast<uintptr_t>(registers[REG_RSP]);
    const uintptr_t stacks = worker == nullptr ? 0 : reinterpret_cast<uintptr_t>(worker->stacks);
    if (worker == nullptr || stack_pointer < stacks || stack_pointer >= stacks + worker->total * SLOT) {
        return pass_on(number, info, context);
    }
    worker->signal = number;
    worker->signal_address = reinterpret_cast<uintptr_t>(info->si_addr);
    worker->signal_writes = (registers[REG_ERR] & 2) != 0;
    // The thread goes on in `emulator_land_after_signal`, as if called, at the top of its own stack: it will not return.
    const uintptr_t top = reinterpret_cast<uintptr_t>(fiber_of(stack_pointer));
    registers[REG_RSP] = static_cast<greg_t>(top - 8);
    registers[REG_RIP] = reinterpret_cast<greg_t>(&emulator_land_after_signal);
}

// Under AddressSanitizer its own handler stays: its report of the access names file and line.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool WATCH = false;
#else
constexpr bool WATCH = true;
#endif

void watch_signals() {
    static std::once_flag once;
    if (!WATCH) return;
    std::call_once(once, [] {
        struct sigaction action = {};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        for (int i = 0; i < 3; i++) sigaction(WATCHED[i], &action, &previous[i]);
    });
}

struct SignalStack::Saved {
    stack_t stack;
};

SignalStack::SignalStack(Worker* worker) : saved(new Saved) {
    worker->signal_stack.resize(65536);
    stack_t stack = {};
    stack.ss_sp = worker->signal_stack.data();
    stack.ss_size = worker->signal_stack.size();
    sigaltstack(&stack, &saved->stack);
}

SignalStack::~SignalStack() {
    sigaltstack(&saved->stack, nullptr);
    delete saved;
}

}  // namespace emulator
