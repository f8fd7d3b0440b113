/* SPDX-License-Identifier: Apache-2.0 */
/* Counted message bodies; see body.h. */
#include "services/store/body.h"

#include "common/mem.h"

#include <assert.h>
#include <string.h>

struct body *
body_new(uint64_t id, struct slice record, uint64_t expiry_ms)
{
    struct body *body;
    assert(record.len <= UINT32_MAX);
    body = mem_alloc(sizeof(*body) + record.len);
    body->id = id;
    body->expiry_ms = expiry_ms;
    body->refs = 1;
    body->len = (uint32_t)record.len;
    if (record.len != 0)
        memcpy(body->bytes, record.data, record.len);
    return body;
}

struct body *
body_ref(struct body *body)
{
    body->refs++;
    return body;
}

void
body_unref(struct body *body)
{
    if (body != NULL && --body->refs == 0)
        mem_free(body);
}
