/* SPDX-License-Identifier: Apache-2.0 */
/* The door to jansson: one line of JSON, an object, and what it has under a key. */
#ifndef SERVICES_STORE_TRANSFER_JSON_H
#define SERVICES_STORE_TRANSFER_JSON_H

#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transfer_json;

/* New; NULL if it is no object of JSON: why (160 bytes) says where. */
struct transfer_json *transfer_json_new(struct slice text, char *why);
void transfer_json_free(struct transfer_json *json);

/* False: no such key, or it is something else. Borrowed from json. */
bool transfer_json_text(const struct transfer_json *json, const char *key, struct slice *out);
/* A number from 0 on, or one in a string. */
bool transfer_json_number(const struct transfer_json *json, const char *key, uint64_t *out);
/* A list of at most max numbers; none is an empty one. */
bool transfer_json_ids(const struct transfer_json *json, const char *key, uint32_t *out, size_t max,
                       size_t *count);
/* Text i of a list of texts; false: there is none. *is_list: there is a list. */
bool transfer_json_item(const struct transfer_json *json, const char *key, size_t i, bool *is_list,
                        struct slice *out);

#endif
