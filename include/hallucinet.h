/*
 * hallucinet for C: face hallucination and recognition, see README.md.
 *
 *     hallucinet_engine *engine;
 *     hallucinet_message message;
 *     if (hallucinet_load("run", HALLUCINET_BEST, 0, &engine, &message) != 0) puts(message.text);
 *
 * Every function but hallucinet_free returns 0, or a code and a sentence in the caller's own message (which may be NULL):
 *
 *     2 usage (null pointers, sizes that do not fit)   3 bad input   4 no such device   5 input/output
 *     6 numeric (weights out of range)                 7 a mistake of the library, which goes on working
 *
 * An engine may be used by any number of threads at once; their calls take turns, each with the whole device, and give the same bits
 * as from one thread. Messages are per call, there is no state besides the engine. Nothing is printed.
 *
 * Refused: NULL where something is needed, sizes of 0, lengths that do not fit, a picture of more than 64 Mi pixels, a pointer that is no
 * engine (found by its first 8 bytes, which must be readable). Not checked, since nobody can: that a pointer points to as many bytes as
 * is said, that an engine is given back once and not during a call.
 *
 * Pictures are rows of RGB bytes (red first) from top to bottom. 24x28 is low resolution and goes through the hallucinator; 96x112 is a
 * face as the recogniser knows it; others are cut as the model says, or in the centre.
 */
#ifndef HALLUCINET_H
#define HALLUCINET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A model on a device. */
typedef struct hallucinet_engine hallucinet_engine;

/* A sentence in UTF-8, empty where all went well. */
typedef struct {
    char text[512];
} hallucinet_message;

/* width x height pixels in bytes = 3 x width x height bytes. */
typedef struct {
    const uint8_t *rgb;
    size_t bytes;
    size_t width;
    size_t height;
} hallucinet_image;

/* The first CUDA device, or the processor where there is none; 0 and up name a CUDA device, which is never replaced by another. */
#define HALLUCINET_BEST (-1)
#define HALLUCINET_CPU (-2)

/* Bytes of a picture that hallucinet_hallucinate writes: 96x112 RGB. */
#define HALLUCINET_FACE_BYTES 32256

/* Reads a run, a checkpoint or a model file (a path in UTF-8). threads is for the processor, 0 means all. *engine is NULL after an error. */
int32_t hallucinet_load(const char *path, int32_t device, uint32_t threads, hallucinet_engine **engine,
                        hallucinet_message *message);

/* As hallucinet_load, from the bytes of a model file, which are not needed afterwards. */
int32_t hallucinet_load_bytes(const uint8_t *bytes, size_t length, int32_t device, uint32_t threads,
                              hallucinet_engine **engine, hallucinet_message *message);

/* Gives an engine back. NULL is nothing to do. */
void hallucinet_free(hallucinet_engine *engine);

/* The device's name, what it is and why it is this one. */
int32_t hallucinet_device(const hallucinet_engine *engine, hallucinet_message *name, hallucinet_message *message);

/* Numbers of a feature; 0 for a model without a recogniser. */
int32_t hallucinet_feature_width(const hallucinet_engine *engine, size_t *width, hallucinet_message *message);

/*
 * The feature f(x) of each picture, not normalised; with mirror other than 0 [f(x), f(flip x)], twice as wide. length is how many floats
 * features holds: count x width, or count x 2 x width.
 */
int32_t hallucinet_embed(const hallucinet_engine *engine, const hallucinet_image *images, size_t count, int32_t mirror,
                         float *features, size_t length, hallucinet_message *message);

/* Each picture at 96x112. length is how many bytes rgb holds: count x HALLUCINET_FACE_BYTES. */
int32_t hallucinet_hallucinate(const hallucinet_engine *engine, const hallucinet_image *images, size_t count,
                               uint8_t *rgb, size_t length, hallucinet_message *message);

/*
 * The cosine of the two [f(x), f(flip x)], and whether it reaches threshold: 1 the same person, 0 another, -1 where there is no threshold.
 * NAN takes the threshold of the model's calibration. cosine or same may be NULL.
 */
int32_t hallucinet_verify(const hallucinet_engine *engine, const hallucinet_image *first, const hallucinet_image *second,
                          double threshold, double *cosine, int32_t *same, hallucinet_message *message);

#ifdef __cplusplus
}
#endif

#endif
