#ifndef PRODUCT_HANDLER_H
#define PRODUCT_HANDLER_H

#include <stddef.h>

// product_register makes the kernel known to a PJRT plugin, which must have been
// loaded from this path, as the custom call `target` of its CPU platform. NULL if
// all went well, else what did not.
const char *product_register(const char *plugin, const char *target);

#endif
