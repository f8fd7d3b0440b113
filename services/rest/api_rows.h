/* SPDX-License-Identifier: Apache-2.0 */
/* What is alike for roles, bans and keys: a page of them, one with its ETag, and deleting one. Each
 * kind says how it looks as JSON; putting one is its desk's matter. */
#ifndef SLUICE_SERVICES_REST_API_ROWS_H
#define SLUICE_SERVICES_REST_API_ROWS_H

#include "services/rest/api.h"

#include <protobuf-c/protobuf-c.h>

struct api_rows {
    const char *what;           /* the parameter of the path, and the word for people */
    uint16_t list, get, remove; /* CALL_* */
    const ProtobufCMessageDescriptor *row;
    json_t *(*to_json)(const ProtobufCMessage *row); /* new; has "revision" */
};

void api_rows_list(struct api_request *request, const struct api_rows *rows);
/* The row of this name, with its ETag. */
void api_rows_answer(struct api_request *request, const struct api_rows *rows, const char *name,
                     int status);
/* The row of the path. */
void api_rows_get(struct api_request *request, const struct api_rows *rows);
/* The row of the path goes; deleting again is no error. */
void api_rows_delete(struct api_request *request, const struct api_rows *rows);

#endif
