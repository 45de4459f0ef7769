// CUDA C++ for the host compiler: all that a kernel's text needs to compile with g++ and run on the emulator.
//
// ptx.cuh includes this file where nvcc includes <cuda_bf16.h> and the inline PTX. Three parts: the words and types of the
// language, how threads run and meet, and the instructions behind ptx.cuh's wrappers.
#pragma once
#include "host_language.h"

#include "host_threads.h"

#include "host_ptx.h"
