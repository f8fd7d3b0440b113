/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the console and of Swagger UI, served from a directory: GET and HEAD, an ETag each, the
 * type by the name's end. Nothing outside the directory, no hidden files, no listings. Who may see
 * them is decided before. */
#ifndef SLUICE_SERVICES_REST_STATIC_FILES_H
#define SLUICE_SERVICES_REST_STATIC_FILES_H

#include "services/rest/exchange.h"

/* Serves `folder` of the directory under the path that is left ("app.js", "img/x.svg"; "": index
 * "index.html"). False, with the exchange untouched: there is no such file. */
bool static_files_serve(const char *directory, const char *folder, struct slice path,
                        struct exchange *exchange);

/* The directory to use: the setting, or web/ beside the program's folder, or
 * /usr/share/sluice/web; new text, NULL: none of them is there. */
char *static_files_directory(const char *setting);

#endif
