/* SPDX-License-Identifier: Apache-2.0 */
/* uthash with our keyed hash and our memory: include this instead of <uthash.h>. It adds nothing
 * of its own and sets no cap: the owner of a table checks HASH_COUNT before adding. */
#ifndef SLUICE_COMMON_TABLE_H
#define SLUICE_COMMON_TABLE_H

#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"

#define HASH_FUNCTION(keyptr, keylen, hashv)                                                       \
    ((hashv) = (unsigned)hash_local((keyptr), (size_t)(keylen)))
#define uthash_malloc(size)    mem_alloc(size)
#define uthash_free(ptr, size) mem_free(ptr)
#define uthash_fatal(text)     log_fatal("table_broken", (text))

#include <uthash.h>

#endif
