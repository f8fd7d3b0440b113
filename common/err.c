/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of the results; both functions are generated from err.def. */
#include "common/err.h"

const char *
err_text(enum err err)
{
    switch (err) {
#define ERR(name, value, text)                                                                     \
    case name:                                                                                     \
        return text;
#include "common/err.def"
#undef ERR
    }
    return "unknown error";
}

enum err
err_from_wire(uint32_t value)
{
    switch (value) {
#define ERR(name, value, text)                                                                     \
    case (value):                                                                                  \
        return name;
#include "common/err.def"
#undef ERR
    default:
        return ERR_INTERNAL;
    }
}
