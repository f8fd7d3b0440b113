/* SPDX-License-Identifier: Apache-2.0 */
/* Threads for password hashes: scrypt takes tens of milliseconds and must not hold up the store.
 * Each thread has a mailbox; answers come back through the owner's. Knows no users. */
#ifndef SERVICES_STORE_VERIFY_POOL_H
#define SERVICES_STORE_VERIFY_POOL_H

#include "common/crypt.h"
#include "common/err.h"
#include "common/loop.h"

#include <stdint.h>

struct verify_pool;

/* OK with text set for hashes; OK or ERR_DENIED for checks; other errors as crypt.h. text is
 * borrowed. On the owner's thread, once for each job; not after verify_pool_free. */
typedef void (*verify_pool_fn)(void *arg, enum err err, const char *text);

/* New; starts the threads. At most cap jobs wait. */
struct verify_pool *verify_pool_new(struct loop *loop, unsigned threads, size_t cap);
/* Waits for the jobs under way; the others are dropped and forgotten: free them (arg) before. */
void verify_pool_free(struct verify_pool *pool);

/* Does the password fit the stored text? Both are copied. ERR_BUSY. */
ERR_MUST_USE enum err verify_pool_check(struct verify_pool *pool, struct slice password,
                                        struct slice text, verify_pool_fn fn, void *arg);
/* A new stored text for a password (hash and SCRAM verifier), or for the MD5 digits of one (hash
 * alone). ERR_BUSY. */
ERR_MUST_USE enum err verify_pool_hash(struct verify_pool *pool, struct slice password, bool md5,
                                       verify_pool_fn fn, void *arg);
size_t verify_pool_waiting(const struct verify_pool *pool);

#endif
