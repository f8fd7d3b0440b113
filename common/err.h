/* SPDX-License-Identifier: Apache-2.0 */
/* Results of everything that a client, peer, disk or network can make fail. What to answer on a
 * wire (MQTT reason, HTTP status) is not decided here but at the edge that speaks it. */
#ifndef SLUICE_COMMON_ERR_H
#define SLUICE_COMMON_ERR_H

#include <stdbool.h>
#include <stdint.h>

#define ERR_MUST_USE __attribute__((warn_unused_result))

enum err {
#define ERR(name, value, text) name = (value),
#include "common/err.def"
#undef ERR
};

/* A short lower-case English text, static; "unknown error" for a number we do not know. */
const char *err_text(enum err err);

/* A number from another program as an enum err: ERR_INTERNAL when this version does not know it. */
enum err err_from_wire(uint32_t value);

#endif
