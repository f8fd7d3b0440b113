/* SPDX-License-Identifier: Apache-2.0 */
/* The desk for what operators ask a core: how it is, groups of shared subscriptions, and questions
 * to gateways, which have no call socket: those go out in their feed and come back in it. */
#ifndef SLUICE_CORE_ON_QUESTION_H
#define SLUICE_CORE_ON_QUESTION_H

#include "common/call.h"
#include "common/str.h"
#include "proto/trace_desk.h"
#include "services/core/relays.h"
#include "services/core/router.h"
#include <stdint.h>

struct conf;
struct loop;
struct metrics;
struct peers;

struct on_question {
    const struct conf *conf;
    struct loop *loop;
    struct metrics *metrics;
    struct peers *peers;
    struct router *router;
    struct relays *relays;
    struct trace_desk trace;
    uint64_t started_ms;
    /* Appends a record to the feed of the gateway at this place. */
    enum err (*send)(void *arg, uint32_t place, uint8_t type, const struct slice *parts, size_t n);
    void *arg;
};

/* A call. */
void on_question_call(struct on_question *desk, struct call_request request, uint16_t method,
                      struct slice body);
/* FEED_ANSWER of the gateway at this place. ERR_MALFORMED. */
ERR_MUST_USE enum err on_question_answer(struct on_question *desk, uint32_t place,
                                         struct slice body);
/* The gateway at this place is gone: what it was asked is answered so. */
void on_question_down(struct on_question *desk, uint32_t place);
void on_question_tick(struct on_question *desk, uint64_t now_ms);
/* As router_io.gave, for live traces. */
void on_question_gave(struct on_question *desk, struct slice topic, struct slice share,
                      uint32_t place);

#endif
