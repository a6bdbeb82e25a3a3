// How XLA reaches the kernel: a handler of its foreign function interface (FFI),
// registered through an extension of the plugin's C interface.
//
// Both interfaces are meant to stay compatible between versions; a struct begins
// with its size as its user knows it. Declared here is what is used of them, named
// after XLA's pjrt_c_api_ffi_extension.h and ffi/api/c_api.h.

#include "handler.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

enum { EXTENSION_FFI = 5, FFI_MAJOR = 0, FFI_MINOR = 4, FFI_METADATA = 1, FFI_EXECUTE = 3, FFI_BFLOAT16 = 16 };
enum { INVALID_ARGUMENT = 3, RESOURCE_EXHAUSTED = 8 };

struct version {
    size_t size;
    void *extensions;
    int major, minor;
};

// --- the plugin --------------------------------------------------------------

struct pjrt_extension {
    size_t size;
    int type;
    struct pjrt_extension *next;
};

struct pjrt_api {
    size_t size;
    struct pjrt_extension *extensions;
    struct version version;
};

struct register_handler_args {
    size_t size;
    const char *target;
    size_t target_length;
    void *handler;
    const char *platform;
    size_t platform_length;
    int traits;
};

struct pjrt_ffi {
    struct pjrt_extension base;
    void *type_register, *user_data_add;
    void *(*register_handler)(struct register_handler_args *);
};

// --- a call ------------------------------------------------------------------

struct ffi_extension {
    size_t size;
    int type;
    struct ffi_extension *next;
};

struct ffi_metadata {
    size_t size;
    struct version version;
};

struct ffi_metadata_extension {
    struct ffi_extension base;
    struct ffi_metadata *metadata;
};

struct buffer {
    size_t size;
    void *extensions;
    int dtype;
    void *data;
    int64_t rank;
    int64_t *dims;
};

struct buffers {
    size_t size;
    void *extensions;
    int64_t n;
    int *types;
    struct buffer **all;
};

struct error_args {
    size_t size;
    void *extensions;
    const char *message;
    int code;
};

struct destroy_args {
    size_t size;
    void *extensions;
    void *error;
};

struct threads_args {
    size_t size;
    void *extensions, *context;
    int64_t *threads; // out
};

struct schedule_args {
    size_t size;
    void *extensions, *context;
    void (*task)(void *);
    void *data;
};

struct ffi_api {
    size_t size;
    void *extensions;
    struct version version;
    void *internal;
    void *(*error_create)(struct error_args *);
    void *error_details;
    void (*error_destroy)(struct destroy_args *);
    void *others[8]; // handlers, streams, types, states, memory
    void *(*schedule)(struct schedule_args *);
    void *(*threads)(struct threads_args *);
};

struct call {
    size_t size;
    struct ffi_extension *extensions;
    const struct ffi_api *api;
    void *context;
    int stage;
    struct buffers args, results;
};

// --- the work, shared by threads -----------------------------------------------

// A job is a product that threads take parts of. It outlives the call for those of
// XLA's threads that only get to it when nothing is left to do.
struct job {
    struct product product;
    size_t parts;
    atomic_size_t taken, done;
    atomic_int holders;
};

static void leave(struct job *job) {
    if (atomic_fetch_sub(&job->holders, 1) == 1) free(job);
}

static void work(struct job *job) {
    size_t part;
    while ((part = atomic_fetch_add(&job->taken, 1)) < job->parts) {
        product_columns(&job->product, part * PRODUCT_COLUMNS);
        atomic_fetch_add(&job->done, 1);
    }
}

static void help(void *job) {
    work(job);
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
    for (int64_t i = 1; i < threads && i < (int64_t)job->parts; i++) {
        struct schedule_args args = {.size = sizeof args, .context = call->context, .task = help, .data = job};
        atomic_fetch_add(&job->holders, 1);
        if (!succeeded(call->api, call->api->schedule(&args))) return leave(job);
    }
}

static void *failure(const struct call *call, int code, const char *message) {
    struct error_args args = {.size = sizeof args, .message = message, .code = code};
    return call->api->error_create(&args);
}

static bool is_bfloat16(const struct buffer *b) { return b->dtype == FFI_BFLOAT16 && b->rank > 0; }

// product_call is the handler: x [..., in] and weight [out, in] to y [..., out].
static void *product_call(struct call *call) {
    struct ffi_extension *e = call->extensions;
    if (e && e->type == FFI_METADATA) { // XLA asks what the handler is made for
        struct ffi_metadata *m = ((struct ffi_metadata_extension *)e)->metadata;
        m->version.major = FFI_MAJOR;
        m->version.minor = FFI_MINOR;
        return NULL;
    }
    if (call->stage != FFI_EXECUTE) return NULL;
    if (call->args.n != 2 || call->results.n != 1) return failure(call, INVALID_ARGUMENT, "a product has two arguments");
    const struct buffer *x = call->args.all[0], *weight = call->args.all[1], *y = call->results.all[0];
    if (!is_bfloat16(x) || !is_bfloat16(weight) || !is_bfloat16(y) || weight->rank != 2 || x->rank != y->rank ||
        x->dims[x->rank - 1] != weight->dims[1] || y->dims[y->rank - 1] != weight->dims[0])
        return failure(call, INVALID_ARGUMENT, "a product's arguments are of other shapes");
    size_t rows = 1;
    for (int64_t i = 0; i + 1 < x->rank; i++) rows *= x->dims[i];

    struct job *job = calloc(1, sizeof *job);
    if (!job) return failure(call, RESOURCE_EXHAUSTED, "no memory for a product");
    job->product = (struct product){
        .x = x->data, .weight = weight->data, .y = y->data,
        .rows = rows, .in = weight->dims[1], .out = weight->dims[0],
    };
    job->parts = (job->product.out + PRODUCT_COLUMNS - 1) / PRODUCT_COLUMNS;
    job->holders = 1;
    call_help(call, job);
    work(job);
    // Others may still be at the parts that they took, some 0.1 ms each.
    for (int tries = 0; atomic_load(&job->done) < job->parts; tries++)
        if (tries > 1000) sched_yield();
    leave(job);
    return NULL;
}

const char *product_register(const char *plugin, const char *target) {
    void *library = dlopen(plugin, RTLD_NOW | RTLD_NOLOAD);
    if (!library) return "the plugin is not loaded";
    const struct pjrt_api *(*get)(void) = (const struct pjrt_api *(*)(void))dlsym(library, "GetPjrtApi");
    const struct pjrt_extension *e = get ? get()->extensions : NULL;
    while (e && e->type != EXTENSION_FFI) e = e->next;
    if (!e || e->size < sizeof(struct pjrt_ffi)) return "the plugin takes no foreign functions";
    struct register_handler_args args = {
        .size = sizeof args, .target = target, .target_length = strlen(target),
        .handler = product_call, .platform = "Host", .platform_length = strlen("Host"),
    };
    // An error would have to be freed, by a part of the interface that has no other use here.
    if (((const struct pjrt_ffi *)e)->register_handler(&args)) return "the plugin refuses the handler";
    return NULL;
}
