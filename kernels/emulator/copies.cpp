// cp.async: copies that may land at once or as late as the hardware is allowed to, at the wait that covers them.
//
// In late mode the destination holds NaN bits between the request and the wait: on a card its content is undefined there,
// so a kernel that reads too early, or asks for a copy into a stage that others still read, gives a wrong result.
#include "machine.h"

namespace emulator {

static void make(const Copy& copy) {
    void* to = reinterpret_cast<void*>(copy.to);
    if (copy.inside) {
        saw_read(copy.from, copy.bytes);
        memcpy(to, copy.from, copy.bytes);
    } else {
        memset(to, 0, copy.bytes);
    }
    saw_write(to, copy.bytes);
}

void copy_async(saddr to, const void* from, uint32_t bytes, bool inside) {
    Fiber* me = current();
    if (to % bytes != 0) return fault(Fault::Misaligned, "cp.async: the shared address is not a multiple of the copy's bytes");
    if (reinterpret_cast<uintptr_t>(from) % bytes != 0) {
        return fault(Fault::Misaligned, "cp.async: the global address is not a multiple of the copy's bytes");
    }
    if (!worker_of(me)->is_shared(to, bytes)) return fault(Fault::IllegalAddress, "cp.async writes outside shared memory");
    const Copy copy{to, from, bytes, inside};
    if (!me->block->late_copies) return make(copy);
    memset(reinterpret_cast<void*>(to), 0xff, bytes);
    me->copies->copies.push_back(copy);
}

void copy_commit() {
    Fiber* me = current();
    if (me->block->late_copies) me->copies->ends.push_back(me->copies->copies.size());
}

void copy_wait(uint32_t pending) {
    Fiber* me = current();
    CopyQueue& queue = *me->copies;
    if (queue.ends.size() <= pending) return;
    const size_t groups = queue.ends.size() - pending, copies = queue.ends[groups - 1];
    for (size_t i = 0; i < copies; i++) make(queue.copies[i]);
    queue.copies.erase(queue.copies.begin(), queue.copies.begin() + static_cast<ptrdiff_t>(copies));
    queue.ends.erase(queue.ends.begin(), queue.ends.begin() + static_cast<ptrdiff_t>(groups));
    for (size_t& end : queue.ends) end -= copies;
}

// A thread that returns leaves nothing in flight.
void finish_copies(Fiber* thread) {
    for (const Copy& copy : thread->copies->copies) make(copy);
    thread->copies->copies.clear();
    thread->copies->ends.clear();
}

}  // namespace emulator
