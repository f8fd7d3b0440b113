/* SPDX-License-Identifier: Apache-2.0 */
/* What tls.c and tls_setup.c share; nobody else includes it. */
#ifndef SERVICES_GATEWAY_TLS_PART_H
#define SERVICES_GATEWAY_TLS_PART_H

#include <openssl/ssl.h>

#include "services/gateway/tls.h"

#define TLS_FILES_MAX (2u * TLS_CERTS_MAX + 2u)

/* Which file lies behind a path, and since when. All zero: none. */
struct tls_file {
    uint64_t device, inode, size, time_s, time_ns;
};

struct tls {
    const struct tls_settings *settings;
    SSL_CTX *contexts[TLS_CERTS_MAX]; /* one for each certificate; the first begins every stream */
    struct tls_file files[TLS_FILES_MAX];
    int64_t expires_s;
};

#endif
