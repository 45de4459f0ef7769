// Driver calls about streams, events, capture and graphs.
//
// Eager streams do their work at the call. Late ones keep it until somebody waits (for the stream, for an event, for the
// context), the latest moment a card may take: what forgot to wait then reads old bytes. A captured stream records; a
// graph is the recorded work, arguments included, in the order of the calls.
#include <algorithm>
#include <deque>
#include <map>
#include <time.h>

#include "driver.h"

namespace emulator {

using Covered = std::map<Stream*, uint64_t>;  // work of captured streams that is waited for, by how many pieces

struct Capture {
    Stream* origin;
    std::vector<Stream*> members;
    std::vector<Work> nodes;
    bool lost = false;
};

struct Stream {
    bool waits_for_default;  // made without CU_STREAM_NON_BLOCKING
    std::deque<Work> queue;
    Capture* capture = nullptr;
    uint64_t captured_work = 0;
    Covered covered;
};

// One recording of an event.
struct Ticket {
    Stream* stream;
    bool done = false;
    double seconds = 0.0;
    Capture* capture = nullptr;
    Covered covered;
};
struct Event {
    std::shared_ptr<Ticket> ticket;
};
struct Graph {
    std::vector<Work> nodes;
};

struct Streams {
    std::recursive_mutex lock;
    Stream by_default{true, {}, nullptr, 0, {}};
    std::map<void*, std::unique_ptr<Stream>> streams;
    std::map<void*, std::unique_ptr<Event>> events;
    std::map<void*, std::unique_ptr<Graph>> graphs;
};
static Streams& all() {
    static auto* kept = new Streams;
    return *kept;
}
using Held = std::lock_guard<std::recursive_mutex>;

static Stream* stream_of(void* handle) {
    if (reinterpret_cast<uintptr_t>(handle) <= 2) return &all().by_default;  // null, CU_STREAM_LEGACY, CU_STREAM_PER_THREAD
    const auto found = all().streams.find(handle);
    return found == all().streams.end() ? nullptr : found->second.get();
}

// Runs what a stream keeps, up to and with the recording of `until` where one is given.
static void drain(Stream* stream, const Ticket* until = nullptr) {
    while (!stream->queue.empty() && (until == nullptr || !until->done)) {
        Work work = std::move(stream->queue.front());
        stream->queue.pop_front();
        work();
    }
}

static void drain_others(Stream* stream) {
    if (stream != &all().by_default) {
        if (stream->waits_for_default) drain(&all().by_default);
        return;
    }
    for (const auto& entry : all().streams) {
        if (entry.second->waits_for_default) drain(entry.second.get());
    }
}

bool is_captured(void* handle) {
    Held held(all().lock);
    Stream* stream = stream_of(handle);
    return stream != nullptr && stream->capture != nullptr;
}

Result give_work(void* handle, Work work) {
    std::unique_lock<std::recursive_mutex> held(all().lock);
    Stream* stream = stream_of(handle);
    if (stream == nullptr) return INVALID_HANDLE;
    if (stream->capture != nullptr) {
        if (stream->capture->lost) return CAPTURE_INVALIDATED;
        stream->capture->nodes.push_back(std::move(work));
        stream->captured_work++;
        return SUCCESS;
    }
    drain_others(stream);
    if (settings().late_streams && stream != &all().by_default) {
        stream->queue.push_back(std::move(work));
        return SUCCESS;
    }
    drain(stream);
    // Eager work needs no lock: threads with streams of their own run side by side.
    held.unlock();
    work();
    return SUCCESS;
}

Result finish_everything() {
    Held held(all().lock);
    for (const auto& entry : all().streams) {
        if (entry.second->capture == nullptr) continue;
        entry.second->capture->lost = true;
        return CAPTURE_UNSUPPORTED;
    }
    for (const auto& entry : all().streams) drain(entry.second.get());
    drain(&all().by_default);
    return check_context();
}

Result finish_stream(void* handle) {
    Held held(all().lock);
    Stream* stream = stream_of(handle);
    if (stream == nullptr) return INVALID_HANDLE;
    if (stream->capture != nullptr) {
        stream->capture->lost = true;
        return CAPTURE_UNSUPPORTED;
    }
    drain_others(stream);
    drain(stream);
    return check_context();
}

static double now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

static Event* event_of(void* handle) {
    const auto found = all().events.find(handle);
    return found == all().events.end() ? nullptr : found->second.get();
}

static Result record(Event* event, Stream* stream, void* handle) {
    auto ticket = std::make_shared<Ticket>();
    ticket->stream = stream;
    event->ticket = ticket;
    if (stream->capture != nullptr) {
        ticket->capture = stream->capture;
        ticket->covered = stream->covered;
        ticket->covered[stream] = stream->captured_work;
        return stream->capture->lost ? CAPTURE_INVALIDATED : SUCCESS;
    }
    return give_work(handle, [ticket] {
        ticket->done = true;
        ticket->seconds = now();
    });
}

// A stream that waits for an event recorded in a capture joins that capture.
static Result wait_in_capture(Stream* stream, const Ticket& ticket) {
    if (ticket.capture == nullptr) {
        if (ticket.done) return SUCCESS;
        stream->capture->lost = true;
        return CAPTURE_ISOLATION;
    }
    if (stream->capture == nullptr) {
        stream->capture = ticket.capture;
        stream->captured_work = 0;
        stream->covered.clear();
        ticket.capture->members.push_back(stream);
    }
    if (stream->capture != ticket.capture) return CAPTURE_ISOLATION;
    for (const auto& entry : ticket.covered) stream->covered[entry.first] = max(stream->covered[entry.first], entry.second);
    return SUCCESS;
}

static bool has_unjoined_work(const Capture& capture) {
    for (Stream* member : capture.members) {
        if (member == capture.origin) continue;
        const auto joined = capture.origin->covered.find(member);
        if (member->captured_work > (joined == capture.origin->covered.end() ? 0 : joined->second)) return true;
    }
    return false;
}

}  // namespace emulator
using namespace emulator;

#define NEEDS_CONTEXT \
    if (check_context() != SUCCESS) return check_context()

DRIVER_CALL cuStreamCreate(void** handle, unsigned flags) {
    NEEDS_CONTEXT;
    Held held(all().lock);
    auto made = std::make_unique<Stream>();
    made->waits_for_default = (flags & 1) == 0;
    *handle = made.get();
    all().streams[*handle] = std::move(made);
    return SUCCESS;
}
DRIVER_CALL cuStreamCreateWithPriority(void** handle, unsigned flags, int) { return cuStreamCreate(handle, flags); }
DRIVER_CALL cuStreamDestroy_v2(void* handle) {
    Held held(all().lock);
    const auto found = all().streams.find(handle);
    if (found == all().streams.end()) return INVALID_HANDLE;
    drain(found->second.get());
    all().streams.erase(found);
    return SUCCESS;
}
DRIVER_CALL cuStreamSynchronize(void* handle) {
    NEEDS_CONTEXT;
    return finish_stream(handle);
}
DRIVER_CALL cuStreamQuery(void* handle) {
    NEEDS_CONTEXT;
    Held held(all().lock);
    Stream* stream = stream_of(handle);
    if (stream == nullptr) return INVALID_HANDLE;
    if (stream->queue.empty()) return SUCCESS;
    // Each question lets one piece of work go on, or a loop of them would never end.
    Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    work();
    return stream->queue.empty() ? check_context() : NOT_READY;
}
DRIVER_CALL cuStreamWaitEvent(void* handle, void* event_handle, unsigned) {
    NEEDS_CONTEXT;
    Held held(all().lock);
    Stream* stream = stream_of(handle);
    Event* event = event_of(event_handle);
    if (stream == nullptr || event == nullptr) return INVALID_HANDLE;
    std::shared_ptr<Ticket> ticket = event->ticket;
    if (ticket == nullptr) return SUCCESS;
    if (stream->capture != nullptr || ticket->capture != nullptr) return wait_in_capture(stream, *ticket);
    return give_work(handle, [ticket] {
        Held held(all().lock);
        if (!ticket->done) drain(ticket->stream, ticket.get());
    });
}
DRIVER_CALL cuLaunchHostFunc(void* handle, void (*call)(void*), void* argument) {
    NEEDS_CONTEXT;
    return give_work(handle, [=] { call(argument); });
}

DRIVER_CALL cuEventCreate(void** handle, unsigned) {
    NEEDS_CONTEXT;
    Held held(all().lock);
    auto made = std::make_unique<Event>();
    *handle = made.get();
    all().events[*handle] = std::move(made);
    return SUCCESS;
}
DRIVER_CALL cuEventDestroy_v2(void* handle) {
    Held held(all().lock);
    return all().events.erase(handle) == 1 ? SUCCESS : INVALID_HANDLE;
}
DRIVER_CALL cuEventRecord(void* handle, void* stream_handle) {
    NEEDS_CONTEXT;
    Held held(all().lock);
    Stream* stream = stream_of(stream_handle);
    Event* event = event_of(handle);
    return stream == nullptr || event == nullptr ? INVALID_HANDLE : record(event, stream, stream_handle);
}
DRIVER_CALL cuEventSynchronize(void* handle) {
    NEEDS_CONTEXT;
    Held held(all().lock);
    Event* event = event_of(handle);
    if (event == nullptr) return INVALID_HANDLE;
    if (event->ticket == nullptr || event->ticket->done) return SUCCESS;
    if (event->ticket->capture != nullptr) return CAPTURE_UNSUPPORTED;
    drain(event->ticket->stream, event->ticket.get());
    return check_context();
}
DRIVER_CALL cuEventQuery(void* handle) {
    NEEDS_CONTEXT;
    Held held(all().lock);
    Event* event = event_of(handle);
    if (event == nullptr) return INVALID_HANDLE;
    if (event->ticket == nullptr || event->ticket->done) return SUCCESS;
    if (event->ticket->capture != nullptr) return CAPTURE_UNSUPPORTED;
    return cuStreamQuery(event->ticket->stream == &all().by_default ? nullptr : event->ticket->stream) == NOT_READY ? NOT_READY
           : event->ticket->done                                                                                    ? SUCCESS
                                                                                                                    : NOT_READY;
}
DRIVER_CALL cuEventElapsedTime_v2(float* milliseconds, void* from_handle, void* to_handle) {
    NEEDS_CONTEXT;
    Held held(all().lock);
    Event *from = event_of(from_handle), *to = event_of(to_handle);
    if (from == nullptr || to == nullptr || from->ticket == nullptr || to->ticket == nullptr) return INVALID_HANDLE;
    if (!from->ticket->done || !to->ticket->done) return NOT_READY;
    *milliseconds = static_cast<float>((to->ticket->seconds - from->ticket->seconds) * 1e3);
    return SUCCESS;
}
DRIVER_CALL cuEventElapsedTime(float* milliseconds, void* from, void* to) { return cuEventElapsedTime_v2(milliseconds, from, to); }

DRIVER_CALL cuStreamBeginCapture_v2(void* handle, int) {
    NEEDS_CONTEXT;
    Held held(all().lock);
    Stream* stream = stream_of(handle);
    if (stream == nullptr) return INVALID_HANDLE;
    if (stream == &all().by_default) return CAPTURE_UNSUPPORTED;
    if (stream->capture != nullptr) return INVALID_VALUE;
    drain(stream);
    stream->capture = new Capture{stream, {stream}, {}};
    stream->captured_work = 0;
    stream->covered.clear();
    return SUCCESS;
}
DRIVER_CALL cuStreamEndCapture(void* handle, void** graph) {
    Held held(all().lock);
    *graph = nullptr;
    Stream* stream = stream_of(handle);
    if (stream == nullptr) return INVALID_HANDLE;
    Capture* capture = stream->capture;
    if (capture == nullptr || capture->origin != stream) return CAPTURE_UNMATCHED;
    const Result result = capture->lost ? CAPTURE_INVALIDATED : has_unjoined_work(*capture) ? CAPTURE_UNJOINED : SUCCESS;
    if (result == SUCCESS) {
        auto made = std::make_unique<Graph>();
        made->nodes = std::move(capture->nodes);
        *graph = made.get();
        all().graphs[*graph] = std::move(made);
    }
    for (Stream* member : capture->members) member->capture = nullptr;
    delete capture;
    return result;
}
DRIVER_CALL cuStreamIsCapturing(void* handle, int* status) {
    Held held(all().lock);
    Stream* stream = stream_of(handle);
    if (stream == nullptr) return INVALID_HANDLE;
    *status = stream->capture == nullptr ? 0 : stream->capture->lost ? 2 : 1;
    return SUCCESS;
}

DRIVER_CALL cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
    NEEDS_CONTEXT;
    Held held(all().lock);
    const auto found = all().graphs.find(graph);
    if (found == all().graphs.end()) return INVALID_HANDLE;
    auto made = std::make_unique<Graph>(*found->second);
    *executable = made.get();
    all().graphs[*executable] = std::move(made);
    return SUCCESS;
}
DRIVER_CALL cuGraphLaunch(void* executable, void* stream) {
    NEEDS_CONTEXT;
    std::vector<Work> nodes;
    {
        Held held(all().lock);
        const auto found = all().graphs.find(executable);
        if (found == all().graphs.end()) return INVALID_HANDLE;
        nodes = found->second->nodes;
    }
    return give_work(stream, [nodes] {
        for (const Work& work : nodes) work();
    });
}
DRIVER_CALL cuGraphUpload(void* executable, void*) {
    NEEDS_CONTEXT;
    Held held(all().lock);
    return all().graphs.count(executable) == 1 ? SUCCESS : INVALID_HANDLE;
}
// How many nodes a graph has; the nodes themselves have no handles here.
DRIVER_CALL cuGraphGetNodes(void* graph, void** nodes, size_t* count) {
    Held held(all().lock);
    const auto found = all().graphs.find(graph);
    if (found == all().graphs.end()) return INVALID_HANDLE;
    if (nodes != nullptr) return NOT_SUPPORTED;
    *count = found->second->nodes.size();
    return SUCCESS;
}
DRIVER_CALL cuGraphDestroy(void* graph) {
    Held held(all().lock);
    return all().graphs.erase(graph) == 1 ? SUCCESS : INVALID_HANDLE;
}
DRIVER_CALL cuGraphExecDestroy(void* executable) { return cuGraphDestroy(executable); }
