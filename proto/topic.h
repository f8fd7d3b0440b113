/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topic names and topic filters: their syntax, matching one filter against one name, and the
 * $share form. Many filters at once are the matter of proto/topic_tree.h. Comparison is by bytes,
 * without any normalisation [MQTT-4.7.3-4].
 */
#ifndef SLUICE_PROTO_TOPIC_H
#define SLUICE_PROTO_TOPIC_H

#include <stdbool.h>

#include "common/str.h"

/* 1 to 65,535 bytes of valid UTF-8 without U+0000, '+' or '#'. [MQTT-3.3.2-2] [MQTT-4.7.3-1] */
bool topic_name_is_valid(struct slice name);

/* A filter, also in the form "$share/group/filter": UTF-8, 1 to 65,535 bytes; '#' only alone in the
 * last level, '+' only alone in a level; after "$share/" a group and a filter must follow.
 * [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.8.2-1] [MQTT-4.8.2-2] */
bool topic_filter_is_valid(struct slice filter);

bool topic_filter_has_wildcard(struct slice filter);

/* Number of levels: slashes plus one. */
size_t topic_level_count(struct slice topic);

/* Whether the filter (not a $share form: parse that first) matches the name. Both must be valid.
 * A filter that starts with a wildcard does not match a name that starts with '$'
 * [MQTT-4.7.2-1]; "a/#" matches "a". */
bool topic_matches(struct slice filter, struct slice name);

enum topic_share {
    TOPIC_SHARE_NONE,    /* an ordinary filter; the results are untouched */
    TOPIC_SHARE_VALID,   /* group and filter are set, borrowed from the text */
    TOPIC_SHARE_INVALID, /* starts with "$share/" but lacks a group or a filter, or the group has a
                            wildcard */
};

/* Splits "$share/group/filter". Does not check the syntax of the filter in it. */
enum topic_share topic_share_parse(struct slice text, struct slice *group, struct slice *filter);

#endif
