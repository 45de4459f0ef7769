/*
 * The C interface in use: embeds a face from 16 threads at once, compares two faces, writes a sharper one.
 *
 *     cargo build --release
 *     cc -O2 -Iinclude examples/c/embed.c -Ltarget/release -lhallucinet -lpthread -lm -o embed
 *     LD_LIBRARY_PATH=target/release ./embed MODEL > sharper.rgb
 */
#include <hallucinet.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 96, HEIGHT = 112, BYTES = 3 * WIDTH * HEIGHT, THREADS = 16, CALLS = 4 };

/* Some pixels; a program has those of a camera or a file. */
static void paint(uint8_t *rgb, unsigned seed) {
    for (size_t i = 0; i < BYTES; i++) {
        seed = seed * 1664525u + 1013904223u;
        rgb[i] = (uint8_t)(seed >> 24);
    }
}

typedef struct {
    const hallucinet_engine *engine;
    hallucinet_image image;
    size_t width;
    float *features;
    int32_t code;
    hallucinet_message message;
} job;

static void *work(void *given) {
    job *mine = given;
    for (int call = 0; call < CALLS && mine->code == 0; call++)
        mine->code = hallucinet_embed(mine->engine, &mine->image, 1, 0, mine->features, mine->width, &mine->message);
    return NULL;
}

static int failed(int32_t code, const hallucinet_message *message) {
    fprintf(stderr, "%s\n", message->text);
    return code;
}

int main(int count, char **words) {
    static uint8_t first[BYTES], second[BYTES], sharper[HALLUCINET_FACE_BYTES];
    static job jobs[THREADS];
    hallucinet_engine *engine = NULL;
    hallucinet_message message, device;
    size_t width = 0;
    int32_t code;
    if (count != 2) {
        fprintf(stderr, "usage: embed MODEL > sharper.rgb\n");
        return 2;
    }
    if ((code = hallucinet_load(words[1], HALLUCINET_BEST, 0, &engine, &message)) != 0) return failed(code, &message);
    if ((code = hallucinet_device(engine, &device, &message)) != 0) return failed(code, &message);
    if ((code = hallucinet_feature_width(engine, &width, &message)) != 0) return failed(code, &message);
    fprintf(stderr, "device %s\nfeatures of %zu numbers\n", device.text, width);

    /* One thread says what is right, sixteen at once have to agree to the last bit. */
    paint(first, 1);
    paint(second, 2);
    hallucinet_image images[2] = {{first, BYTES, WIDTH, HEIGHT}, {second, BYTES, WIDTH, HEIGHT}};
    float *right = malloc(2 * width * sizeof *right);
    if ((code = hallucinet_embed(engine, images, 2, 0, right, 2 * width, &message)) != 0) return failed(code, &message);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){engine, images[i % 2], width, malloc(width * sizeof(float)), 0, {{0}}};
        if (pthread_create(&threads[i], NULL, work, &jobs[i]) != 0) return 1;
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        if (jobs[i].code != 0) return failed(jobs[i].code, &jobs[i].message);
        if (memcmp(jobs[i].features, right + (i % 2) * width, width * sizeof(float)) != 0) {
            fprintf(stderr, "thread %d disagrees\n", i);
            return 1;
        }
        free(jobs[i].features);
    }
    fprintf(stderr, "%d threads agree\n", THREADS);

    double cosine = 0;
    int32_t same = 0;
    if ((code = hallucinet_verify(engine, &images[0], &images[1], NAN, &cosine, &same, &message)) != 0)
        return failed(code, &message);
    fprintf(stderr, "cosine %.4f, the same person: %s\n", cosine, same == 1 ? "yes" : same == 0 ? "no" : "not calibrated");
    if ((code = hallucinet_hallucinate(engine, images, 1, sharper, sizeof sharper, &message)) != 0)
        return failed(code, &message);
    fwrite(sharper, 1, sizeof sharper, stdout);
    free(right);
    hallucinet_free(engine);
    return 0;
}
