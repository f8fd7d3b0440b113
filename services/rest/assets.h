/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are part of the program: the two OpenAPI documents, which are the contract of what is
 * served, and the pages around Swagger UI. */
#ifndef SLUICE_SERVICES_REST_ASSETS_H
#define SLUICE_SERVICES_REST_ASSETS_H

#include "common/str.h"

struct slice assets_openapi(void);      /* of /api/v1 */
struct slice assets_seed_openapi(void); /* of /rest */
struct slice assets_swagger_page(void);
struct slice assets_swagger_script(void);
struct slice assets_swagger_missing(void);
struct slice assets_no_console(void);

#endif
