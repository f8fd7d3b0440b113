/* SPDX-License-Identifier: Apache-2.0 */
/* See driver_redis_command.h. */
#include "services/store/driver_redis_command.h"

#include <stdio.h>

void
driver_redis_command_init(struct driver_redis_command *command)
{
    buf_init(&command->body, DRIVER_REDIS_COMMAND_MAX);
    command->count = 0;
}

void
driver_redis_command_fini(struct driver_redis_command *command)
{
    buf_fini(&command->body);
}

void
driver_redis_command_reset(struct driver_redis_command *command)
{
    if (command->body.size > DRIVER_REDIS_COMMAND_KEEP)
        buf_fini(&command->body);
    buf_reset(&command->body);
    command->count = 0;
}

void
driver_redis_command_begin(struct driver_redis_command *command, size_t len)
{
    char text[24];
    size_t at = sizeof(text);
    text[--at] = '\n';
    text[--at] = '\r';
    do {
        text[--at] = (char)('0' + len % 10);
        len /= 10;
    } while (len != 0);
    text[--at] = '$';
    buf_append(&command->body, text + at, sizeof(text) - at);
    command->count++;
}

void
driver_redis_command_end(struct driver_redis_command *command)
{
    buf_append(&command->body, "\r\n", 2);
}

void
driver_redis_command_add(struct driver_redis_command *command, struct slice arg)
{
    driver_redis_command_begin(command, arg.len);
    buf_append_slice(&command->body, arg);
    driver_redis_command_end(command);
}

void
driver_redis_command_cstr(struct driver_redis_command *command, const char *arg)
{
    driver_redis_command_add(command, slice_cstr(arg));
}

void
driver_redis_command_u64(struct driver_redis_command *command, uint64_t arg)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)arg);
    driver_redis_command_add(command, slice_of(text, (size_t)n));
}

void
driver_redis_command_hex_store(char out[DRIVER_REDIS_HEX], uint64_t number)
{
    static const char digits[] = "0123456789abcdef";
    int i;
    for (i = DRIVER_REDIS_HEX - 1; i >= 0; i--) {
        out[i] = digits[number & 15];
        number >>= 4;
    }
}

void
driver_redis_command_hex(struct driver_redis_command *command, uint64_t arg)
{
    char text[DRIVER_REDIS_HEX];
    driver_redis_command_hex_store(text, arg);
    driver_redis_command_add(command, slice_of(text, sizeof(text)));
}

size_t
driver_redis_command_head(const struct driver_redis_command *command, char out[32])
{
    return (size_t)snprintf(out, 32, "*%zu\r\n", command->count);
}
