/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the header that a stranger may send before its first byte: however many bytes of it are
 * there, the reading is the same, or it is "not yet". */
#include "common/mem.h"
#include "services/gateway/proxy_header.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static enum err
decode(const uint8_t *data, size_t size, struct proxy_header *out)
{
    uint8_t *copy =
        mem_alloc(size + 1); /* exactly, but for nothing: so that a step outside is seen */
    if (size > 0)
        memcpy(copy, data, size);
    enum err err = proxy_header_decode(slice_of(copy, size), out);
    if (err == OK) {
        require(out->len > 0 && out->len <= size && out->len <= PROXY_HEADER_MAX);
        require(out->user.len <= PROXY_HEADER_USER_MAX);
        require(out->user.len == 0 ||
                (out->user.data >= copy && out->user.data + out->user.len <= copy + out->len &&
                 str_utf8_is_valid(out->user)));
        require(!out->has_source || out->source.family != ADDRESS_NONE);
        require(proxy_header_begins(slice_of(data, size)));
        out->user.data = NULL;
    }
    mem_free(copy);
    return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole = {0}, part = {0};
    enum err err = decode(data, size, &whole);
    require(err != ERR_AGAIN || size < PROXY_HEADER_MAX);
    for (size_t n = 0; n < size; n += n < 120 ? 1 : 97) {
        enum err early = decode(data, n, &part);
        require(early == ERR_AGAIN || early == err);
        require(early != OK || memcmp(&part.source, &whole.source, sizeof(part.source)) == 0);
    }
    return 0;
}
