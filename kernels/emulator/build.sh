#!/bin/sh
# Builds the stand-in driver: every kernel compiled for the host, with the emulator and the driver calls, as one library.
#
#   kernels/emulator/build.sh OUT [o2|asan|tsan] [FOLDER ...]
#
# makes OUT/libcuda.so.1 (and the link OUT/libcuda.so) from every .cu under FOLDER, by default all of kernels/. Only what
# changed is compiled again, JOBS at a time (default: one for each core). CXX chooses the compiler, a g++ of version 9 or later.
#
# asan and tsan are for small shapes. AddressSanitizer also watches local arrays, and names file and line where an access
# leaves a buffer (it ends the process there); ThreadSanitizer sees races between the threads of a block. The program that
# loads such a library needs the sanitizer's runtime from its start: built with the same -fsanitize, or
# LD_PRELOAD="$(g++ -print-file-name=libasan.so)".
set -eu

here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { echo "usage: $0 OUT [o2|asan|tsan] [FOLDER ...]" >&2; exit 2; }
out=$1
mode=${2:-o2}
[ $# -ge 2 ] && shift 2 || shift 1
[ $# -ge 1 ] || set -- "$here/.."

# The emulator itself is never instrumented by ThreadSanitizer: it announces what its fibers do instead.
case $mode in
o2) kernel_flags="-O2 -fstack-clash-protection" machine_flags="-O2" link_flags="-Wl,-z,defs" ;;
asan) kernel_flags="-O1 -g -fsanitize=address --param asan-use-after-return=0" machine_flags=$kernel_flags link_flags="-fsanitize=address" ;;
tsan) kernel_flags="-O1 -g -fsanitize=thread -DEMULATOR_TSAN" machine_flags="-O1 -g -DEMULATOR_TSAN" link_flags="-fsanitize=thread" ;;
*) echo "$0: mode is o2, asan or tsan, not '$mode'" >&2; exit 2 ;;
esac
common="-std=c++17 -fPIC -fvisibility=hidden -pthread -Wall -Wextra -Werror -Wno-unknown-pragmas -MMD -MP -I$here/.."

mkdir -p "$out/objects-$mode"
{
    echo "CXX ?= g++"
    echo "ifeq (\$(origin CXX),default)"
    echo "CXX := g++"
    echo "endif"
    objects=""
    # A rule's command follows its target's name, so a change of flags is a change of this file and compiles anew.
    rule() { # source object flags
        printf '%s: %s %s\n\t$(CXX) %s %s -c -o $@ %s\n' "$2" "$1" "$here/build.sh" "$common" "$3" "$4$1"
        objects="$objects $2"
    }
    for source in "$here"/*.cpp; do
        rule "$source" "$out/objects-$mode/$(basename "$source" .cpp).o" "$machine_flags" ""
    done
    for source in $(find "$@" -name '*.cu' | sort); do
        name=$(echo "$source" | sed "s|^$here/\.\./||; s|[/.]|_|g")
        rule "$source" "$out/objects-$mode/kernel_$name.o" "$kernel_flags" "-x c++ "
    done
    printf '%s/libcuda.so.1: %s\n\t$(CXX) -shared %s -pthread -Wl,-soname,libcuda.so.1 -Wl,-z,nodelete -o $@.part %s && mv $@.part $@\n' \
        "$out" "$objects" "$link_flags" "$objects"
    printf -- '-include %s/objects-%s/*.d\n' "$out" "$mode"
} > "$out/objects-$mode/Makefile.new"
mv "$out/objects-$mode/Makefile.new" "$out/objects-$mode/Makefile"
# A library of another mode, or with a kernel that is gone, is linked anew.
grep -o 'objects.*' "$out/objects-$mode/Makefile" | cmp -s - "$out/linked" 2>/dev/null || rm -f "$out/libcuda.so.1"
${MAKE:-make} -s -j "${JOBS:-$(nproc)}" -f "$out/objects-$mode/Makefile" "$out/libcuda.so.1"
grep -o 'objects.*' "$out/objects-$mode/Makefile" > "$out/linked"
ln -sf libcuda.so.1 "$out/libcuda.so"
