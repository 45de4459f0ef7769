// Arithmetic that a compiler may not contract: every operation is rounded by itself, as Rust does it. A product and a sum
// that nvcc fuses into one rounding give other bits, and a picture that is rounded to bytes must not differ by one level.
#pragma once
#include "ptx.cuh"

#ifdef __CUDACC__
__device__ __forceinline__ double exact_mul(double a, double b) { return __dmul_rn(a, b); }
__device__ __forceinline__ double exact_add(double a, double b) { return __dadd_rn(a, b); }
__device__ __forceinline__ float exact_mul(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ float exact_add(float a, float b) { return __fadd_rn(a, b); }
#else
// x86-64 without FMA instructions, which the emulator is built for, has nothing to contract to; the barrier makes sure.
inline double exact_mul(double a, double b) {
    double product = a * b;
    __asm__("" : "+x"(product));
    return product;
}
inline double exact_add(double a, double b) { return a + b; }
inline float exact_mul(float a, float b) {
    float product = a * b;
    __asm__("" : "+x"(product));
    return product;
}
inline float exact_add(float a, float b) { return a + b; }
#endif

// A number whose operators are those above.
template <class T>
struct Exact {
    T value;
    __device__ __forceinline__ Exact(T value) : value(value) {}
};

template <class T>
__device__ __forceinline__ Exact<T> operator*(Exact<T> a, Exact<T> b) {
    return exact_mul(a.value, b.value);
}
template <class T>
__device__ __forceinline__ Exact<T> operator+(Exact<T> a, Exact<T> b) {
    return exact_add(a.value, b.value);
}
template <class T>
__device__ __forceinline__ Exact<T> operator-(Exact<T> a, Exact<T> b) {
    return exact_add(a.value, -b.value);
}
template <class T>
__device__ __forceinline__ Exact<T> operator/(Exact<T> a, Exact<T> b) {
    return a.value / b.value;
}
