// Memory that the stand-in driver hands out: every buffer ends at an unmapped page, and is unmapped when freed.
#include <sys/mman.h>

#include <deque>
#include <map>

#include "machine.h"

namespace emulator {

constexpr size_t PAGE = 4096;
// Freed address ranges that stay unmapped: enough for any test, and bounded.
constexpr size_t REMEMBERED = 4096;

struct Pages {
    unsigned char *data, *pages;  // what was handed out; the first page that may be touched
    size_t bytes, page_bytes;
    std::string kind;
    uintptr_t begin() const { return reinterpret_cast<uintptr_t>(pages) - PAGE; }
    size_t whole() const { return page_bytes + 2 * PAGE; }
};

struct Memory {
    std::mutex lock;
    std::map<uintptr_t, Pages> live;  // by the address of the first guard page
    std::deque<Pages> freed;
};
static Memory& memory() {
    static auto* kept = new Memory;
    return *kept;
}

void* take_memory(size_t bytes, const char* kind) {
    if (bytes == 0 || bytes > (size_t{1} << 46)) return nullptr;
    Pages taken;
    taken.bytes = bytes;
    taken.kind = kind;
    taken.page_bytes = (bytes + PAGE - 1) / PAGE * PAGE;
    void* with_guards = mmap(nullptr, taken.whole(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (with_guards == MAP_FAILED) return nullptr;
    taken.pages = static_cast<unsigned char*>(with_guards) + PAGE;
    if (mprotect(taken.pages, taken.page_bytes, PROT_READ | PROT_WRITE) != 0) {
        munmap(with_guards, taken.whole());
        return nullptr;
    }
    memset(taken.pages, 0xff, taken.page_bytes);
    taken.data = taken.pages + taken.page_bytes - (bytes + 15) / 16 * 16;
    std::lock_guard<std::mutex> held(memory().lock);
    memory().live[taken.begin()] = taken;
    return taken.data;
}

// The live buffer whose pages or guards hold the address. The lock is held by the caller.
static const Pages* find(uintptr_t address) {
    auto after = memory().live.upper_bound(address);
    if (after == memory().live.begin()) return nullptr;
    const Pages& found = std::prev(after)->second;
    return address < found.begin() + found.whole() ? &found : nullptr;
}

bool give_memory(void* given, const char* kind) {
    std::lock_guard<std::mutex> held(memory().lock);
    const Pages* found = find(reinterpret_cast<uintptr_t>(given));
    if (found == nullptr || found->data != given || found->kind != kind) return false;
    const Pages pages = *found;
    memory().live.erase(pages.begin());
    // Mapped anew without rights: the memory goes back to the host, the addresses stay taken.
    mmap(reinterpret_cast<void*>(pages.begin()), pages.whole(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    memory().freed.push_back(pages);
    if (memory().freed.size() > REMEMBERED) {
        munmap(reinterpret_cast<void*>(memory().freed.front().begin()), memory().freed.front().whole());
        memory().freed.pop_front();
    }
    return true;
}

size_t memory_left(const void* at, const char* kind) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(at);
    std::lock_guard<std::mutex> held(memory().lock);
    const Pages* found = find(address);
    if (found == nullptr || found->kind != kind) return 0;
    const uintptr_t begin = reinterpret_cast<uintptr_t>(found->data);
    return address >= begin && address < begin + found->bytes ? begin + found->bytes - address : 0;
}

std::string describe_address(uintptr_t address) {
    std::lock_guard<std::mutex> held(memory().lock);
    if (address < PAGE) return "near a null pointer (" + std::to_string(address) + ")";
    if (const Pages* found = find(address)) {
        const uintptr_t begin = reinterpret_cast<uintptr_t>(found->data), end = begin + found->bytes;
        const std::string whose = "a " + found->kind + " buffer of " + std::to_string(found->bytes) + " bytes";
        if (address >= end) return "at byte " + std::to_string(address - begin) + " of " + whose + " (past its end)";
        if (address < begin) return std::to_string(begin - address) + " bytes before the beginning of " + whose;
        return "inside " + whose;
    }
    for (const Pages& pages : memory().freed) {
        if (address >= pages.begin() && address < pages.begin() + pages.whole()) {
            return "a " + pages.kind + " buffer of " + std::to_string(pages.bytes) + " bytes that was freed";
        }
    }
    char text[64];
    snprintf(text, sizeof text, "an address that is no buffer's (0x%llx)", static_cast<unsigned long long>(address));
    return text;
}

// Whether any byte differs from what the allocation left there; made good, so that it is reported once.
static bool heal(unsigned char* from, const unsigned char* end) {
    bool damaged = false;
    for (; from < end; from++) {
        damaged |= *from != 0xff;
        *from = 0xff;
    }
    return damaged;
}

std::string find_damage() {
    std::lock_guard<std::mutex> held(memory().lock);
    for (const auto& entry : memory().live) {
        const Pages& pages = entry.second;
        unsigned char *end = pages.pages + pages.page_bytes, *begin = pages.data - min<ptrdiff_t>(64, pages.data - pages.pages);
        const std::string whose = " a " + pages.kind + " buffer of " + std::to_string(pages.bytes) + " bytes";
        if (heal(pages.data + pages.bytes, end)) return "wrote just past the end of" + whose;
        if (heal(begin, pages.data)) return "wrote just before the beginning of" + whose;
    }
    return "";
}

}  // namespace emulator
