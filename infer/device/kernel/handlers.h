#ifndef KERNEL_HANDLERS_H
#define KERNEL_HANDLERS_H

#include <stdbool.h>

// kernels_supported tells whether this processor has what the kernels need.
bool kernels_supported(void);

// kernels_register makes the kernels known to a PJRT plugin, which must have been
// loaded from this path, as custom calls of its CPU platform. NULL if all went well,
// else what did not.
const char *kernels_register(const char *plugin);

#endif
