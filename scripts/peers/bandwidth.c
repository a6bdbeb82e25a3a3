// Measures how fast memory is read: every thread sums up its own part of 2 GiB,
// as the STREAM benchmarks do. Prints the best of 10 passes in GB/s (10^9 bytes).
//
//   cc -O3 -march=native -pthread bandwidth.c -o bandwidth && ./bandwidth THREADS

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PASSES = 10 };
static const size_t total = (size_t)2 << 30;
static size_t part; // bytes of a thread
static pthread_barrier_t barrier;
static uint64_t sink;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void *reader(void *arg) {
    uint64_t *data = aligned_alloc(4096, part);
    if (!data) abort();
    memset(data, 1, part); // touched by who reads it
    double *seconds = arg;
    for (int pass = 0; pass < PASSES; pass++) {
        pthread_barrier_wait(&barrier);
        double began = now();
        uint64_t sums[64] = {0}; // independent, so that nothing waits for an addition
        for (size_t i = 0; i < part / 8; i += 64)
            for (int j = 0; j < 64; j++) sums[j] += data[i + j];
        for (int j = 0; j < 64; j++) __atomic_fetch_add(&sink, sums[j], __ATOMIC_RELAXED);
        pthread_barrier_wait(&barrier);
        seconds[pass] = now() - began;
    }
    free(data);
    return NULL;
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 0;
    if (threads < 1) {
        fprintf(stderr, "usage: bandwidth THREADS\n");
        return 2;
    }
    part = total / threads & ~(size_t)4095;
    pthread_barrier_init(&barrier, NULL, threads);
    pthread_t *all = calloc(threads, sizeof *all);
    double (*seconds)[PASSES] = calloc(threads, sizeof *seconds);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&all[i], NULL, reader, seconds[i])) abort();
    for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
    double best = 1e9;
    for (int pass = 0; pass < PASSES; pass++) {
        double slowest = 0;
        for (int i = 0; i < threads; i++)
            if (seconds[i][pass] > slowest) slowest = seconds[i][pass];
        if (slowest < best) best = slowest;
    }
    printf("%.1f\n", part * threads / best / 1e9);
}
