/* SPDX-License-Identifier: Apache-2.0 */
/* Questions in protobuf to the programs behind: packs, asks, unpacks. Decides nothing. */
#ifndef SLUICE_SERVICES_REST_ASK_H
#define SLUICE_SERVICES_REST_ASK_H

#include "services/rest/upstream.h"

#include <protobuf-c/protobuf-c.h>

/* Asks one program. *out: the answer as `expected`, new (ask_free); not touched if that is NULL.
 * ERR_INTERNAL: the answer makes no sense. deadline_ms 0: the setting. */
ERR_MUST_USE enum err ask_program(struct upstream *upstream, enum upstream_kind kind, size_t index,
                                  uint16_t method, const ProtobufCMessage *message,
                                  const ProtobufCMessageDescriptor *expected, uint32_t deadline_ms,
                                  ProtobufCMessage **out);
/* Asks the store that keeps people: the first one. */
ERR_MUST_USE enum err ask_people(struct upstream *upstream, uint16_t method,
                                 const ProtobufCMessage *message,
                                 const ProtobufCMessageDescriptor *expected,
                                 ProtobufCMessage **out);
/* NULL is nothing. */
void ask_free(ProtobufCMessage *answer);

#endif
