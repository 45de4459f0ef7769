// What CUDA C++ has no word for: tensor-core products, matrix loads from shared memory, asynchronous copies.
//
// Every inline PTX instruction of this project lives here, behind a function. Under nvcc the functions are the
// instructions; under the host compiler they are the emulator's (emulator/cuda_on_host.h), so one kernel text serves both.
// Every .cu includes this file first. Nothing here knows an op.
//
// Two macros belong to the agreement between the two compilers:
//   DYNAMIC_SHARED(name)   declares the block's dynamic shared memory as `unsigned char* name`, 16-byte aligned
//                          (1024-byte aligned where the launch's shared bytes are a multiple of 1024)
//   EXPORT_KERNEL(entry)   after each global function: registers it with the stand-in driver; nothing under nvcc
// Addresses in shared memory have the type `saddr`: 32 bits on the card, a pointer's width on the host.
#pragma once
#include <stdint.h>

#ifdef __CUDACC__
#include <cuda_bf16.h>

#define DYNAMIC_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]
#define EXPORT_KERNEL(entry)

using saddr = uint32_t;

// The shared-memory address that the instructions below take.
__device__ __forceinline__ saddr smem_addr(const void* pointer) {
    return static_cast<saddr>(__cvta_generic_to_shared(pointer));
}

// ---- asynchronous copies, global to shared (sm_80) -----------------------------------------------------------------
// Each copies 16, 8 or 4 aligned bytes, or writes zeros where `inside` is false; `from` must then still be a valid
// pointer, but nothing is read through it. A copy belongs to the thread's open group until cp_async_commit closes it.

__device__ __forceinline__ void cp_async16(saddr to, const void* from, bool inside = true) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(to), "l"(from), "r"(inside ? 16 : 0) : "memory");
}

__device__ __forceinline__ void cp_async8(saddr to, const void* from, bool inside = true) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;\n" ::"r"(to), "l"(from), "r"(inside ? 8 : 0) : "memory");
}

__device__ __forceinline__ void cp_async4(saddr to, const void* from, bool inside = true) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(to), "l"(from), "r"(inside ? 4 : 0) : "memory");
}

__device__ __forceinline__ void cp_async_commit() {
    asm volatile("cp.async.commit_group;\n" ::: "memory");
}

// Waits until at most `PENDING` of this thread's newest groups are in flight. Other threads' copies need a barrier too.
template <int PENDING>
__device__ __forceinline__ void cp_async_wait() {
    asm volatile("cp.async.wait_group %0;\n" ::"n"(PENDING) : "memory");
}

// ---- 8x8 matrices of 16-bit values, shared memory to registers (whole warp) ----------------------------------------
// Lane l gives the address of row l % 8 of matrix l / 8 (16 bytes, 16-byte aligned). Register m of lane l receives
// elements (row l / 4, columns 2 * (l % 4) and the next) of matrix m, of its transpose in the `_trans` form.

__device__ __forceinline__ void ldmatrix_x4(uint32_t (&r)[4], saddr row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(row)
                 : "memory");
}

__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&r)[4], saddr row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(row)
                 : "memory");
}

// ---- the tensor core: D(16x8, f32) += A(16x16, bf16, rows) * B(16x8, bf16, columns) (whole warp) --------------------
// With g = lane / 4 and t = lane % 4 a lane holds: d[0..1] = D(g, 2t..), d[2..3] = D(g + 8, 2t..);
// a[0] = A(g, 2t..), a[1] = A(g + 8, 2t..), a[2] = A(g, 2t + 8..), a[3] = A(g + 8, 2t + 8..);
// b0 = B(2t.., g), b1 = B(2t + 8.., g). The even element of a pair is in the low half of the word.

__device__ __forceinline__ void mma_bf16_16816(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#else
#include "emulator/cuda_on_host.h"
#endif
