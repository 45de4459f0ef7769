// The kernels of this library by name, and how each takes a driver's argument array.
#include <map>

#include "machine.h"

namespace emulator {

static std::map<std::string, Kernel>& registry() {
    static auto* kept = new std::map<std::string, Kernel>;
    return *kept;
}

Registration::Registration(const char* name, Trampoline call, const uint32_t* sizes, uint32_t arguments) {
    registry()[name] = Kernel{name, call, std::vector<uint32_t>(sizes, sizes + arguments)};
}

const Kernel* find_kernel(const std::string& name) {
    const auto found = registry().find(name);
    return found == registry().end() ? nullptr : &found->second;
}

std::vector<std::string> kernel_names() {
    std::vector<std::string> names;
    for (const auto& entry : registry()) names.push_back(entry.first);
    return names;
}

}  // namespace emulator
