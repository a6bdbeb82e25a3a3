// Work that is shared by XLA's threads.

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ffi.h"

// Work that costs less is done before another thread is awake: some 15 µs.
#define SHARED_FROM 3e6

// A job is work that threads take parts of. It outlives the call for those of XLA's
// threads that only get to it when nothing is left to do.
struct job {
    void (*part)(const void *work, size_t part);
    size_t parts;
    atomic_size_t taken, done;
    atomic_int holders;
    _Alignas(16) char work[];
};

static void leave(struct job *job) {
    if (atomic_fetch_sub(&job->holders, 1) == 1) free(job);
}

static void take_part(struct job *job) {
    size_t part;
    while ((part = atomic_fetch_add(&job->taken, 1)) < job->parts) {
        job->part(job->work, part);
        atomic_fetch_add(&job->done, 1);
    }
}

static void help(void *job) {
    take_part(job);
    leave(job);
}

// succeeded tells whether a function of the interface gave no error.
static bool succeeded(const struct ffi_api *api, void *error) {
    if (!error) return true;
    struct destroy_args args = {.size = sizeof args, .error = error};
    api->error_destroy(&args);
    return false;
}

// call_help asks XLA's other threads to join in. Without them it is this one that
// does all.
static void call_help(const struct call *call, struct job *job) {
    int64_t threads = 1;
    struct threads_args count = {.size = sizeof count, .context = call->context, .threads = &threads};
    if (!succeeded(call->api, call->api->threads(&count))) return;
    const int64_t helpers = (threads < (int64_t)job->parts ? threads : (int64_t)job->parts) - 1;
    for (int64_t i = 0; i < helpers; i++) {
        struct schedule_args args = {.size = sizeof args, .context = call->context, .task = help, .data = job};
        atomic_fetch_add(&job->holders, 1);
        if (!succeeded(call->api, call->api->schedule(&args))) return leave(job);
    }
}

void *ffi_failure(const struct call *call, int code, const char *message) {
    struct error_args args = {.size = sizeof args, .message = message, .code = code};
    return call->api->error_create(&args);
}

void *share_out(const struct call *call, size_t parts, double cost, void (*part)(const void *work, size_t part),
                const void *work, size_t size) {
    if (cost < SHARED_FROM || parts < 2) {
        for (size_t i = 0; i < parts; i++) part(work, i);
        return NULL;
    }
    struct job *job = calloc(1, sizeof *job + size);
    if (!job) return ffi_failure(call, FFI_RESOURCE_EXHAUSTED, "no memory for a kernel's job");
    job->part = part;
    job->parts = parts;
    job->holders = 1;
    memcpy(job->work, work, size);
    call_help(call, job);
    take_part(job);
    // Others may still be at the parts that they took, some 0.1 ms each.
    for (int tries = 0; atomic_load(&job->done) < parts; tries++)
        if (tries > 1000) sched_yield();
    leave(job);
    return NULL;
}
