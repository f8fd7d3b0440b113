/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who must not connect: users, client ids, addresses and networks, each until a time. A look-up
 * costs a hash, for addresses one per length of prefix in use. Pure: the clock is told; what a ban
 * does to somebody, the desks say.
 */
#ifndef SERVICES_GATEWAY_BANS_H
#define SERVICES_GATEWAY_BANS_H

#include "common/address.h"
#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As enum BanKind of access.proto. */
enum bans_kind { BANS_USER = 1, BANS_CLIENT = 2, BANS_ADDRESS = 3 };

struct bans;

struct bans *bans_new(void);
void bans_free(struct bans *bans);

/* until_ms: wall clock, 0: no end. Replaces the one for the same subject. ERR_INVALID: no such kind
 * or address. */
ERR_MUST_USE enum err bans_set(struct bans *bans, uint8_t kind, struct slice subject,
                               uint64_t until_ms);
void bans_remove(struct bans *bans, uint8_t kind, struct slice subject);
/* From reset to end the whole list is told anew: what is not among it goes at the end. */
void bans_reset(struct bans *bans);
void bans_end(struct bans *bans);

bool bans_has_name(const struct bans *bans, enum bans_kind kind, struct slice name,
                   uint64_t now_ms);
/* ADDRESS_NONE has no bans. */
bool bans_has_address(const struct bans *bans, const struct address *address, uint64_t now_ms);
size_t bans_count(const struct bans *bans);

#endif
