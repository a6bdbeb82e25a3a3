#ifndef KERNEL_FFI_H
#define KERNEL_FFI_H

// What is used of XLA's foreign function interface (FFI), by which its programs call
// ours. It is meant to stay compatible between versions; a struct begins with its
// size as its user knows it. Named after XLA's ffi/api/c_api.h.

#include <stddef.h>
#include <stdint.h>

enum { FFI_EXTENSION_METADATA = 1, FFI_EXECUTE = 3, FFI_INT32 = 4, FFI_FLOAT32 = 11, FFI_BFLOAT16 = 16 };
enum { FFI_INVALID_ARGUMENT = 3, FFI_RESOURCE_EXHAUSTED = 8 };

struct version {
    size_t size;
    void *extensions;
    int major, minor;
};

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

// ffi_failure is the error that a handler gives back.
void *ffi_failure(const struct call *call, int code, const char *message);

// share_out computes all parts of some work, on this thread and on XLA's others that
// are free, and gives what the handler returns. The work is copied. The cost is what
// all of it takes, in units of some 5 ps.
void *share_out(const struct call *call, size_t parts, double cost, void (*part)(const void *work, size_t part),
                const void *work, size_t size);

#endif
