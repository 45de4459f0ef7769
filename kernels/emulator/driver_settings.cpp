// What a test can ask of the stand-in: how launches are scheduled, which device it pretends to be, which calls fail.
//
//   standin_set(name, value)   for the calling thread's later calls; 0, or 1 for a name or value it does not know
//   STANDIN_<NAME>=value       in the environment, for every thread, read when the library is loaded
//
//   order      forward | reverse | random | warps_reversed     turns of the threads of a block, and of the blocks
//   seed       a number, of order=random
//   copies     eager | late      when cp.async lands
//   threads    OS threads of a launch; 0: one for each core
//   streams    eager | late      late: a stream's work is done only when somebody waits for it
//   device     present | none
//   driver     the driver's version, 13000
//   capability 9.0, 8.0, ...
//   memory     bytes of device memory
//   fail_allocation   n: the n-th allocation from now is refused as out of memory (1: the next, 0: none)
//   refuse_launch     n: the n-th launch call from now is refused as asking for too many resources
//   fail_launch       n: the n-th kernel that runs from now dies; the next call that waits reports it
//   reset      (no value) a broken context works again
#include <pthread.h>
#include <stdlib.h>

#include <map>

#include "driver.h"

namespace emulator {

// A number that takes the whole text, or false.
static bool number(const std::string& text, uint64_t& value) {
    char* end = nullptr;
    if (text.empty() || text[0] < '0' || text[0] > '9') return false;
    value = strtoull(text.c_str(), &end, 10);
    return *end == 0;
}

static bool choose(const std::string& text, const char* no, const char* yes, bool& chosen) {
    if (text != no && text != yes) return false;
    chosen = text == yes;
    return true;
}

static bool set_order(Schedule& schedule, const std::string& value) {
    static const std::map<std::string, Order> orders = {
        {"forward", Order::Forward}, {"reverse", Order::Reverse}, {"random", Order::Random}, {"warps_reversed", Order::WarpsReversed}};
    const auto found = orders.find(value);
    if (found != orders.end()) schedule.order = found->second;
    return found != orders.end();
}

static bool set(Settings& to, const std::string& name, const std::string& value) {
    if (name == "order") return set_order(to.schedule, value);
    if (name == "copies") return choose(value, "eager", "late", to.schedule.late_copies);
    if (name == "streams") return choose(value, "eager", "late", to.late_streams);
    if (name == "device") return choose(value, "present", "none", to.no_device);
    if (name == "capability") {
        const char major = value.size() >= 3 ? value[0] : '?';
        const bool two_digits = value.size() == 4 && value[2] == '.';
        if (!two_digits && !(value.size() == 3 && value[1] == '.' && major >= '0' && major <= '9')) return false;
        to.capability_major = two_digits ? atoi(value.substr(0, 2).c_str()) : major - '0';
        to.capability_minor = value.back() - '0';
        return true;
    }
    uint64_t count = 0;
    if (!number(value, count)) return false;
    if (name == "seed") to.schedule.seed = count;
    else if (name == "threads") to.schedule.os_threads = static_cast<unsigned>(count);
    else if (name == "driver") to.driver_version = static_cast<int>(count);
    else if (name == "memory") to.memory_bytes = count;
    else if (name == "fail_allocation") to.fail_allocation = count;
    else if (name == "refuse_launch") to.refuse_launch = count;
    else if (name == "fail_launch") to.fail_launch = count;
    else return false;
    return true;
}

static Settings from_environment() {
    Settings made;
    static const char* const names[] = {"order",  "seed",       "copies", "threads",         "streams",       "device",
                                        "driver", "capability", "memory", "fail_allocation", "refuse_launch", "fail_launch"};
    for (const char* name : names) {
        std::string variable = "STANDIN_";
        for (const char* letter = name; *letter != 0; letter++) variable += *letter == '_' ? '_' : static_cast<char>(*letter - 32);
        const char* value = getenv(variable.c_str());
        if (value != nullptr && !set(made, name, value)) {
            fprintf(stderr, "stand-in driver: %s=%s is not understood\n", variable.c_str(), value);
            exit(2);
        }
    }
    return made;
}

// What each thread has for itself. Not thread-local storage of the language: that is the kernels' shared memory here.
struct ThreadState {
    Settings settings;
    void* context = nullptr;
};

static ThreadState& thread_state() {
    static const Settings defaults = from_environment();
    static const pthread_key_t key = [] {
        pthread_key_t made;
        if (pthread_key_create(&made, [](void* state) { delete static_cast<ThreadState*>(state); }) != 0) abort();
        return made;
    }();
    auto* state = static_cast<ThreadState*>(pthread_getspecific(key));
    if (state == nullptr) {
        state = new ThreadState;
        state->settings = defaults;
        pthread_setspecific(key, state);
    }
    return *state;
}

Settings& settings() { return thread_state().settings; }
void*& current_context() { return thread_state().context; }

// ---- reports -------------------------------------------------------------------------------------------------------------

struct Condition {
    std::mutex lock;
    Result broken = SUCCESS;
    std::string report;
};
static Condition& condition() {
    static auto* kept = new Condition;
    return *kept;
}

void remember_report(const std::string& report) {
    std::lock_guard<std::mutex> held(condition().lock);
    condition().report = report;
}

void break_context(Result error, const std::string& report) {
    std::lock_guard<std::mutex> held(condition().lock);
    if (condition().broken != SUCCESS) return;
    condition().broken = error;
    condition().report = report;
}

void mend_context() {
    std::lock_guard<std::mutex> held(condition().lock);
    condition().broken = SUCCESS;
}

Result check_context() {
    if (current_context() == nullptr) return INVALID_CONTEXT;
    std::lock_guard<std::mutex> held(condition().lock);
    return condition().broken;
}

}  // namespace emulator

// Sets one thing for the calling thread (see the top of this file). 0, or 1 where name or value are not known.
extern "C" __attribute__((visibility("default"))) int standin_set(const char* name, const char* value) {
    if (name == nullptr) return 1;
    if (strcmp(name, "reset") == 0) {
        emulator::mend_context();
        return 0;
    }
    return value != nullptr && emulator::set(emulator::settings(), name, value) ? 0 : 1;
}

// The text of the last report (kernel, block, thread, what), or an empty one. Valid until the calling thread asks again.
extern "C" __attribute__((visibility("default"))) const char* standin_last_report() {
    static pthread_key_t key;
    static std::once_flag once;
    std::call_once(once, [] { pthread_key_create(&key, [](void* text) { delete static_cast<std::string*>(text); }); });
    auto* text = static_cast<std::string*>(pthread_getspecific(key));
    if (text == nullptr) {
        text = new std::string;
        pthread_setspecific(key, text);
    }
    std::lock_guard<std::mutex> held(emulator::condition().lock);
    *text = emulator::condition().report;
    return text->c_str();
}
