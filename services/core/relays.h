/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions of operators that this core has passed on to gateways, by number, until they are
 * answered, their deadline passes or the gateway is gone. Bounded. Pure: the clock is told, and who
 * is answered how is the caller's business.
 */
#ifndef SLUICE_CORE_RELAYS_H
#define SLUICE_CORE_RELAYS_H

#include "common/call.h"
#include "common/err.h"
#include <stddef.h>
#include <stdint.h>

#define RELAYS_MAX 1024u

struct relays;

struct relays *relays_new(void);
void relays_free(struct relays *relays);

/* A question for the gateway at this place. *id names it from now on. ERR_BUSY: too many. */
ERR_MUST_USE enum err relays_add(struct relays *relays, uint32_t place, struct call_request request,
                                 uint64_t until_ms, uint64_t *id);
/* Takes the question of this number out, if it was for this place. ERR_NOT_FOUND. */
ERR_MUST_USE enum err relays_take(struct relays *relays, uint64_t id, uint32_t place,
                                  struct call_request *request);
/* Takes out one that is for this place; ERR_NOT_FOUND: none. */
ERR_MUST_USE enum err relays_take_of(struct relays *relays, uint32_t place,
                                     struct call_request *request);
/* Takes out one whose deadline has passed; ERR_NOT_FOUND: none. */
ERR_MUST_USE enum err relays_take_due(struct relays *relays, uint64_t now_ms,
                                      struct call_request *request);
size_t relays_count(const struct relays *relays);

#endif
