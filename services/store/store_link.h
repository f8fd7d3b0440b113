/* SPDX-License-Identifier: Apache-2.0 */
/* The store's side of its peers: gateways (own sessions, take pushes), cores (route), rest (calls).
 * A door: binds the events of common/peer to desks, keeps what cannot be taken or sent now. */
#ifndef SERVICES_STORE_STORE_LINK_H
#define SERVICES_STORE_STORE_LINK_H

#include "common/buf.h"
#include "common/peer.h"
#include "services/store/sessions.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

enum store_link_kind { STORE_LINK_GATEWAY, STORE_LINK_CORE, STORE_LINK_OTHER };

/* One peer. Lives from its first `up` to its `gone`. */
struct store_link {
    struct store_link *next;
    struct store *store;
    uint32_t peer;
    uint32_t core; /* number in core_client */
    enum store_link_kind kind;
    struct owner owner; /* of a gateway's sessions */
    struct buf parked;  /* records taken over but not handled: u8 type, u64 seq, u32 len, body */
    struct buf backlog; /* control records to send: u8 type, u32 len, body */
};

/* For peers_new; arg is the store. */
const struct peers_events *store_link_events(void);
/* Handles what was parked, as far as there is room. */
void store_link_unpark(struct store *store);
/* Appends a control record to the gateway that the owner is; kept if its feed is full, dropped if
 * it is not in session. */
void store_link_send(struct store *store, const struct owner *owner, uint8_t type,
                     struct slice body);
/* Appends a data record. ERR_BUSY: wait for room; ERR_PEER_LOST. */
ERR_MUST_USE enum err store_link_push(struct store *store, const struct owner *owner, uint8_t type,
                                      const struct slice *parts, size_t n);
/* The owner of a peer in session, NULL if it is no gateway. */
struct owner *store_link_owner(struct peer *peer);
/* To every gateway in session. */
void store_link_broadcast(struct store *store, uint8_t type, struct slice body);
/* Whether a gateway of this incarnation is in session. */
bool store_link_has_gateway(const struct store *store, uint64_t incarnation);
void store_link_free_all(struct store *store);

#endif
