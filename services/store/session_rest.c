/* SPDX-License-Identifier: Apache-2.0 */
/* See session_rest.h. */
#include "services/store/session_rest.h"

#include "common/mem.h"

void
session_rest_free(struct session_rest *rest)
{
    size_t i;
    for (i = 0; rest != NULL && i < rest->count; i++)
        body_unref(rest->entries[i].body);
    mem_free(rest);
}
