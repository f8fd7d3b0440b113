/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topic aliases towards one client that allows them (5.0, Topic Alias Maximum in CONNECT): which
 * topics have one, most frequently sent ones first. Free aliases go to whatever topic comes; once
 * all are taken, a topic that is sent clearly more often than the least frequent holder takes its
 * alias over. Counts are kept for as many further topics as there are aliases (the rarest gives way
 * to a newcomer) and halved now and then, so that the choice follows what is sent now. Pure; it
 * knows nothing of packets. Bounded: 16 bytes a counted topic, and the topic of each alias.
 */
#ifndef SERVICES_GATEWAY_ALIAS_OUT_H
#define SERVICES_GATEWAY_ALIAS_OUT_H

#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

#define ALIAS_OUT_MAX       256u  /* aliases of one client: they are looked up in a row */
#define ALIAS_OUT_TOPIC_MIN 4u    /* the property itself takes 3 bytes */
#define ALIAS_OUT_TOPIC_MAX 1024u /* longer ones are not remembered */

struct alias_out;

/* New; max: 1 to ALIAS_OUT_MAX (larger counts as that). */
struct alias_out *alias_out_new(uint16_t max);
/* NULL is nothing. */
void alias_out_free(struct alias_out *aliases);

struct alias_out_choice {
    uint16_t alias; /* 0: send the topic alone */
    bool is_known;  /* the client knows it: the topic may be left out */
};
/* The alias to send a topic with. Counts the topic. Unless is_known, the choice becomes real only
 * with alias_out_sent: the client must first have been sent both. */
struct alias_out_choice alias_out_choose(struct alias_out *aliases, struct slice topic);
/* A packet with topic and alias of the last choice is in the output. */
void alias_out_sent(struct alias_out *aliases, struct alias_out_choice choice, struct slice topic);

#endif
