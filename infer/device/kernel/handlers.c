// How XLA reaches the kernels: handlers that look at what a call has brought and pass
// it on.

#include "handlers.h"

#include <dlfcn.h>
#include <string.h>

#include "attention.h"
#include "ffi.h"
#include "norm.h"
#include "product.h"
#include "simd.h"

enum { FFI_MAJOR = 0, FFI_MINOR = 4 };

bool kernels_supported(void) {
#ifdef HAVE_SIMD
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

// --- what calls bring ----------------------------------------------------------

// bfloat16 tells whether a buffer is of that type and has so many axes or more.
static bool bfloat16(const struct buffer *b, int64_t axes) { return b->dtype == FFI_BFLOAT16 && b->rank >= axes; }

static size_t last(const struct buffer *b) { return b->dims[b->rank - 1]; }

static size_t rows_of(const struct buffer *b) {
    size_t rows = 1;
    for (int64_t i = 0; i + 1 < b->rank; i++) rows *= b->dims[i];
    return rows;
}

static bool same_shape(const struct buffer *a, const struct buffer *b) {
    return a->rank == b->rank && !memcmp(a->dims, b->dims, a->rank * sizeof *a->dims);
}

// floats gives the n numbers of a buffer of settings, or NULL if it is none.
static const float *floats(const struct buffer *b, int64_t n) {
    return b->dtype == FFI_FLOAT32 && b->rank == 1 && b->dims[0] == n ? b->data : NULL;
}

// wanted tells whether XLA wants a call to be made, having told it what the handler is
// made for if that is what it asked.
static bool wanted(const struct call *call) {
    struct ffi_extension *e = call->extensions;
    if (e && e->type == FFI_EXTENSION_METADATA) {
        struct ffi_metadata *m = ((struct ffi_metadata_extension *)e)->metadata;
        m->version.major = FFI_MAJOR;
        m->version.minor = FFI_MINOR;
        return false;
    }
    return call->stage == FFI_EXECUTE;
}

static void *refuse(const struct call *call, const char *message) { return ffi_failure(call, FFI_INVALID_ARGUMENT, message); }

// --- handlers --------------------------------------------------------------------

// multiply is the handler of products: x [..., in], weights [out, in] and, if the
// finish asks for one, an addend like y.
static void *multiply(struct call *call, enum finish finish) {
    if (!wanted(call)) return NULL;
    const int64_t weights = call->args.n - 1 - (finish == ADDED);
    if (weights < 1 || weights > PRODUCT_WEIGHTS || call->results.n != 1) return refuse(call, "a product of other operands");
    const struct buffer *x = call->args.all[0], *y = call->results.all[0];
    if (!bfloat16(x, 1) || !bfloat16(y, 1)) return refuse(call, "a product of other types");
    struct product p = {.finish = finish, .x = x->data, .y = y->data, .rows = rows_of(x), .in = last(x), .weights = weights};
    size_t columns = 0;
    for (int64_t i = 0; i < weights; i++) {
        const struct buffer *weight = call->args.all[1 + i];
        if (!bfloat16(weight, 2) || weight->rank != 2 || last(weight) != p.in) return refuse(call, "a product's weight has another shape");
        p.weight[i] = weight->data;
        columns += p.out[i] = weight->dims[0];
    }
    if (finish == SILU_GATED || finish == GELU_GATED) {
        if (weights != 2 || p.out[0] != p.out[1]) return refuse(call, "a gated product has two weights of one shape");
        columns = p.out[0];
    }
    if (finish == ADDED) {
        const struct buffer *addend = call->args.all[call->args.n - 1];
        if (weights != 1 || !bfloat16(addend, 1) || !same_shape(addend, y)) return refuse(call, "what is added to a product has another shape");
        p.addend = addend->data;
    }
    if (rows_of(y) != p.rows || last(y) != columns) return refuse(call, "a product's result has another shape");
    if (finish != SIDE_BY_SIDE && finish != ADDED) columns *= 2;
    // To read a weight takes as long as to multiply it with 8 rows.
    return share_out(call, product_parts(&p), (8. + p.rows) * p.in * columns, product_part, &p, sizeof p);
}

static void *side_by_side(struct call *call) { return multiply(call, SIDE_BY_SIDE); }
static void *added(struct call *call) { return multiply(call, ADDED); }
static void *silu_gated(struct call *call) { return multiply(call, SILU_GATED); }
static void *gelu_gated(struct call *call) { return multiply(call, GELU_GATED); }

// attend is the handler of attention: q, keys, values, start int32 [B], column int32,
// and scale, cap and window float32 [3].
static void *attend(struct call *call) {
    if (!wanted(call)) return NULL;
    if (call->args.n != 6 || call->results.n != 1) return refuse(call, "attention of other operands");
    struct buffer **in = call->args.all, *y = call->results.all[0];
    const struct buffer *q = in[0], *keys = in[1], *values = in[2], *start = in[3], *column = in[4];
    const float *settings = floats(in[5], 3);
    if (!bfloat16(q, 4) || !bfloat16(keys, 4) || !bfloat16(values, 4) || !bfloat16(y, 4) || start->dtype != FFI_INT32 ||
        column->dtype != FFI_INT32 || !settings)
        return refuse(call, "attention of other types");
    if (q->rank != 4 || !same_shape(q, y) || keys->rank != 4 || !same_shape(keys, values) || start->rank != 1 || column->rank != 0 ||
        start->dims[0] != q->dims[0] || keys->dims[0] != q->dims[0] || keys->dims[3] != q->dims[3] || q->dims[3] > ATTENTION_WIDTH ||
        keys->dims[1] < 1 || q->dims[2] % keys->dims[1] != 0)
        return refuse(call, "attention of other shapes");
    struct attention a = {
        .q = q->data, .keys = keys->data, .values = values->data, .y = y->data, .start = start->data,
        .rows = q->dims[0], .tokens = q->dims[1], .heads = q->dims[2], .width = q->dims[3],
        .groups = keys->dims[1], .columns = keys->dims[2], .column = *(const int32_t *)column->data,
        .scale = settings[0], .cap = settings[1], .window = (int64_t)settings[2],
    };
    return share_out(call, attention_parts(&a), 5. * rows_of(q) * a.columns * a.width, attention_part, &a, sizeof a);
}

// norm is the handler of RMSNorm: x [..., width], weight [width], and epsilon and
// offset float32 [2].
static void *norm(struct call *call) {
    if (!wanted(call)) return NULL;
    if (call->args.n != 3 || call->results.n != 1) return refuse(call, "a norm of other operands");
    const struct buffer *x = call->args.all[0], *weight = call->args.all[1], *y = call->results.all[0];
    const float *settings = floats(call->args.all[2], 2);
    if (!bfloat16(x, 1) || !bfloat16(weight, 1) || !bfloat16(y, 1) || !settings) return refuse(call, "a norm of other types");
    if (!same_shape(x, y) || weight->rank != 1 || last(weight) != last(x)) return refuse(call, "a norm of other shapes");
    struct norm n = {
        .x = x->data, .weight = weight->data, .y = y->data, .rows = rows_of(x), .width = last(x), .epsilon = settings[0], .offset = settings[1],
    };
    return share_out(call, norm_parts(&n), 30. * n.rows * n.width, norm_part, &n, sizeof n);
}

// --- the plugin: named after XLA's pjrt_c_api_ffi_extension.h ------------------------

enum { EXTENSION_FFI = 5 };

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

const char *kernels_register(const char *plugin) {
    static const struct {
        const char *target;
        void *(*handler)(struct call *);
    } all[] = {
        {"mergeway_product", side_by_side},     {"mergeway_product_added", added}, {"mergeway_product_silu", silu_gated},
        {"mergeway_product_gelu", gelu_gated}, {"mergeway_attention", attend},    {"mergeway_norm", norm},
    };
    void *library = dlopen(plugin, RTLD_NOW | RTLD_NOLOAD);
    if (!library) return "the plugin is not loaded";
    const struct pjrt_api *(*get)(void) = (const struct pjrt_api *(*)(void))dlsym(library, "GetPjrtApi");
    const struct pjrt_extension *e = get ? get()->extensions : NULL;
    while (e && e->type != EXTENSION_FFI) e = e->next;
    if (!e || e->size < sizeof(struct pjrt_ffi)) return "the plugin takes no foreign functions";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct register_handler_args args = {
            .size = sizeof args, .target = all[i].target, .target_length = strlen(all[i].target),
            .handler = all[i].handler, .platform = "Host", .platform_length = strlen("Host"),
        };
        // An error would have to be freed, by a part of the interface that has no other use here.
        if (((const struct pjrt_ffi *)e)->register_handler(&args)) return "the plugin refuses a handler";
    }
    return NULL;
}
