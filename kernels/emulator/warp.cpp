// Collectives of a warp: lanes meet, and the last one to come computes for all. Votes, ldmatrix and mma.sync.
//
// A lane that comes leaves a pointer to its operands on its own stack and gives the turn to the next lane. What cannot
// meet is reported: lanes in different operations, a lane outside its own mask, a lane that has returned.
#include "machine.h"

namespace emulator {

// The meeting that these lanes have begun, or a free one; null where lanes wait for each other in different places: this
// lane is awaited in a meeting by lanes that it would await in another. Nearly always all lanes meet in the first place.
static Meeting* find_meeting(Warp* warp, uint32_t lane, uint32_t mask, Operation operation) {
    Meeting* first = &warp->meetings[0];
    if (warp->open == 0) return first;
    if (first->arrived != 0 && first->mask == mask && first->operation == operation) return first;
    Meeting* free = nullptr;
    for (Meeting& meeting : warp->meetings) {
        if (meeting.arrived == 0) {
            if (free == nullptr) free = &meeting;
        } else if (meeting.mask == mask && meeting.operation == operation) {
            return &meeting;
        } else if ((meeting.mask >> lane & 1u) != 0 && (meeting.arrived & mask) != 0) {
            return nullptr;
        }
    }
    return free;
}

static void report_divergence(Fiber* me, const char* name) {
    std::string text = std::string("divergent warp collective: this lane is in ") + name;
    for (const Meeting& meeting : me->warp->meetings) {
        if (meeting.arrived == 0) continue;
        text += std::string(", another lane of its warp is in ") + meeting.name;
        break;
    }
    fault(Fault::Divergent, text.c_str());
}

static bool may_meet(Fiber* me, uint32_t mask, Operation operation, const char* name) {
    const Warp* warp = me->warp;
    std::string wrong;
    if ((mask >> me->lane & 1u) == 0) wrong = "with a mask that does not name the calling lane";
    if ((mask & warp->exited) != 0) wrong = "after another lane of its mask has returned";
    if (operation >= Operation::Ldmatrix && warp->present != 0xffffffffu) wrong = "in a warp of fewer than 32 lanes";
    if (wrong.empty()) return true;
    fault(Fault::Divergent, (std::string(name) + " " + wrong).c_str());
    return false;
}

void meet(Operation operation, uint32_t mask, void* mine, void (*compute)(void** lanes), const char* name) {
    Fiber* me = current();
    Warp* warp = me->warp;
    const uint32_t bit = 1u << me->lane;
    if (((mask & bit) == 0) | ((mask & warp->exited) != 0) | (warp->present != 0xffffffffu)) {
        if (!may_meet(me, mask, operation, name)) return;
    }
    Meeting* meeting = find_meeting(warp, me->lane, mask, operation);
    if (meeting == nullptr) return report_divergence(me, name);
    if (meeting->arrived == 0) {
        if (meeting->mask != mask) memset(meeting->lanes, 0, sizeof meeting->lanes);
        meeting->mask = mask;
        meeting->operation = operation;
        meeting->name = name;
        warp->open++;
    }
    meeting->lanes[me->lane] = mine;
    meeting->arrived |= bit;
    const uint64_t generation = meeting->generation;
    // As with barriers, two addresses take turns under ThreadSanitizer.
    char* address = reinterpret_cast<char*>(&meeting->generation) + (generation & 1) * 4;
    release(address);
    if (meeting->arrived == (mask & warp->present)) {
        acquire(address);
        compute(meeting->lanes);
        meeting->arrived = 0;
        warp->open--;
        meeting->generation = generation + 1;
        worker_of(me)->progress++;
        release(address);
        return;
    }
    me->waits_for = name;
    yield_in_warp(me);
    while (meeting->generation == generation) yield(me);
    me->waits_for = nullptr;
    acquire(address);
}

void shuffle_from_nobody() { fault(Fault::Divergent, "shuffle reads from a lane that takes no part in it"); }

void ballot_all(void** lanes) {
    uint32_t bits = 0;
    for (uint32_t lane = 0; lane < 32; lane++) {
        if (lanes[lane] != nullptr) bits |= static_cast<Vote*>(lanes[lane])->bit << lane;
    }
    for (uint32_t lane = 0; lane < 32; lane++) {
        if (lanes[lane] != nullptr) static_cast<Vote*>(lanes[lane])->result = bits;
    }
}

// ---- ldmatrix --------------------------------------------------------------------------------------------------------------

template <bool TRANSPOSED>
static void load_all(void** lanes) {
    for (uint32_t matrix = 0; matrix < 4; matrix++) {
        uint16_t values[8][8];
        for (uint32_t row = 0; row < 8; row++) {
            const auto* load = static_cast<const MatrixLoad*>(lanes[matrix * 8 + row]);
            memcpy(values[row], reinterpret_cast<const void*>(load->row), 16);
        }
        for (uint32_t lane = 0; lane < 32; lane++) {
            uint32_t& to = static_cast<MatrixLoad*>(lanes[lane])->registers[matrix];
            const uint32_t major = lane / 4, minor = lane % 4 * 2;
            if (TRANSPOSED) {
                to = values[minor][major] | static_cast<uint32_t>(values[minor + 1][major]) << 16;
            } else {
                memcpy(&to, &values[major][minor], 4);
            }
        }
    }
}

void load_matrices(uint32_t* registers, bool transposed, saddr row, const char* name) {
    if (row % 16 != 0) return fault(Fault::Misaligned, (std::string(name) + ": the row's address is not a multiple of 16").c_str());
    if (!worker_of(current())->is_shared(row, 16)) {
        return fault(Fault::IllegalAddress, (std::string(name) + " reads outside shared memory").c_str());
    }
    saw_read(reinterpret_cast<const void*>(row), 16);
    MatrixLoad mine{registers, row};
    const Operation operation = transposed ? Operation::LdmatrixTransposed : Operation::Ldmatrix;
    meet(operation, 0xffffffffu, &mine, transposed ? load_all<true> : load_all<false>, name);
}

// ---- mma.sync --------------------------------------------------------------------------------------------------------------

// Vector code for the CPU at hand; the sanitizers do not know how to instrument the run-time choice.
#if !defined(__SANITIZE_ADDRESS__) && !defined(EMULATOR_TSAN)
#define FOR_EACH_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_CPU
#endif

typedef float Row __attribute__((vector_size(32)));
typedef uint32_t RowBits __attribute__((vector_size(32)));

// D += A * B in f32, k ascending. A product of two bf16 is exact in f32, so a fused multiply-add gives the same bits. The
// tensor core adds in another order with other roundings: comparisons with a card need a tolerance.
FOR_EACH_CPU void multiply_all(void** lanes) {
    alignas(64) uint32_t a[8][16], b[8][8];
    alignas(64) float d[16][8];
    for (uint32_t lane = 0; lane < 32; lane++) {
        const auto* mine = static_cast<const Product*>(lanes[lane]);
        const uint32_t group = lane / 4, place = lane % 4;
        a[place][group] = mine->a[0];
        a[place][group + 8] = mine->a[1];
        a[place + 4][group] = mine->a[2];
        a[place + 4][group + 8] = mine->a[3];
        b[place][group] = mine->b0;
        b[place + 4][group] = mine->b1;
        memcpy(&d[group][place * 2], mine->d, 8);
        memcpy(&d[group + 8][place * 2], mine->d + 2, 8);
    }
    Row even[8], odd[8];
    for (uint32_t pair = 0; pair < 8; pair++) {
        RowBits bits;
        memcpy(&bits, b[pair], sizeof bits);
        even[pair] = (Row)(bits << 16);
        odd[pair] = (Row)(bits & 0xffff0000u);
    }
    for (uint32_t row = 0; row < 16; row += 4) {
        Row sum[4];
        memcpy(sum, d[row], sizeof sum);
        for (uint32_t pair = 0; pair < 8; pair++) {
            for (uint32_t i = 0; i < 4; i++) {
                const uint32_t bits = a[pair][row + i];
                sum[i] += __uint_as_float(bits << 16) * even[pair];
                sum[i] += __uint_as_float(bits & 0xffff0000u) * odd[pair];
            }
        }
        memcpy(d[row], sum, sizeof sum);
    }
    for (uint32_t lane = 0; lane < 32; lane++) {
        const auto* mine = static_cast<const Product*>(lanes[lane]);
        const uint32_t group = lane / 4, place = lane % 4;
        memcpy(mine->d, &d[group][place * 2], 8);
        memcpy(mine->d + 2, &d[group + 8][place * 2], 8);
    }
}

}  // namespace emulator
