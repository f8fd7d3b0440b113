/* SPDX-License-Identifier: Apache-2.0 */
/* One command to Redis as it goes over the wire (RESP): arguments of any bytes, so there is nothing
 * to quote. Pure. */
#ifndef SERVICES_STORE_DRIVER_REDIS_COMMAND_H
#define SERVICES_STORE_DRIVER_REDIS_COMMAND_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#include <stddef.h>
#include <stdint.h>

#define DRIVER_REDIS_COMMAND_MAX  (UINT64_C(1000) << 20) /* Redis' own limit is 1 GiB */
#define DRIVER_REDIS_COMMAND_KEEP (4u << 20)             /* memory kept for the next command */

/* 64-bit numbers go as 16 hex digits, so that texts order as the numbers do. */
#define DRIVER_REDIS_HEX 16

struct driver_redis_command {
    struct buf body;
    size_t count; /* arguments in it */
};

void driver_redis_command_init(struct driver_redis_command *command);
void driver_redis_command_fini(struct driver_redis_command *command);
/* Begins the next one. */
void driver_redis_command_reset(struct driver_redis_command *command);

void driver_redis_command_add(struct driver_redis_command *command, struct slice arg);
void driver_redis_command_cstr(struct driver_redis_command *command, const char *arg);
/* Decimal. */
void driver_redis_command_u64(struct driver_redis_command *command, uint64_t arg);
void driver_redis_command_hex(struct driver_redis_command *command, uint64_t arg);
/* An argument of len bytes that the caller appends to command->body itself, then _end. */
void driver_redis_command_begin(struct driver_redis_command *command, size_t len);
void driver_redis_command_end(struct driver_redis_command *command);

/* What goes before the body. Returns its length. */
size_t driver_redis_command_head(const struct driver_redis_command *command, char out[32]);

/* OK, or ERR_TOO_LARGE: not to be sent. */
ERR_MUST_USE static inline enum err
driver_redis_command_error(const struct driver_redis_command *command)
{
    return buf_error(&command->body);
}

/* 16 hex digits without an end. */
void driver_redis_command_hex_store(char out[DRIVER_REDIS_HEX], uint64_t number);

#endif
