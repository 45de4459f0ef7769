// The instructions behind ptx.cuh's wrappers, for the host. ptx.cuh documents each; here is only what differs.
#pragma once
#include "host_threads.h"

using saddr = uintptr_t;
inline saddr smem_addr(const void* pointer) { return reinterpret_cast<saddr>(pointer); }

namespace emulator {

void copy_async(saddr to, const void* from, uint32_t bytes, bool inside);
void copy_commit();
void copy_wait(uint32_t pending);

struct MatrixLoad {
    uint32_t* registers;
    saddr row;
};
void load_matrices(uint32_t* registers, bool transposed, saddr row, const char* name);

struct Product {
    float* d;
    const uint32_t* a;
    uint32_t b0, b1;
};
void multiply_all(void** lanes);

}  // namespace emulator

inline void cp_async16(saddr to, const void* from, bool inside = true) { emulator::copy_async(to, from, 16, inside); }
inline void cp_async8(saddr to, const void* from, bool inside = true) { emulator::copy_async(to, from, 8, inside); }
inline void cp_async4(saddr to, const void* from, bool inside = true) { emulator::copy_async(to, from, 4, inside); }
inline void cp_async_commit() { emulator::copy_commit(); }
template <int PENDING>
inline void cp_async_wait() {
    emulator::copy_wait(PENDING);
}

inline void ldmatrix_x4(uint32_t (&r)[4], saddr row) { emulator::load_matrices(r, false, row, "ldmatrix.x4"); }
inline void ldmatrix_x4_trans(uint32_t (&r)[4], saddr row) { emulator::load_matrices(r, true, row, "ldmatrix.x4.trans"); }

inline void mma_bf16_16816(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    emulator::Product mine{d, a, b0, b1};
    emulator::meet(emulator::Operation::Mma, 0xffffffffu, &mine, emulator::multiply_all, "mma.sync");
}
