/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate of the HTTPS listener, renewed when its files change: new handshakes get the new
 * one, open connections are not touched; files that cannot be used are said once and the former
 * ones stay. The only file that knows GnuTLS, which serves HTTPS under the HTTP library. One per
 * process: GnuTLS asks for the certificate through a function without an argument. */
#ifndef SLUICE_SERVICES_REST_HTTPS_CERT_H
#define SLUICE_SERVICES_REST_HTTPS_CERT_H

#include "common/err.h"
#include "common/loop.h"

struct https_cert;

/* New: reads the files (borrowed until https_cert_close) and looks at them every second. ERR_IO:
 * one cannot be read; ERR_INVALID: no PEM, or the key does not fit the certificate. */
ERR_MUST_USE enum err https_cert_open(struct loop *loop, const char *cert_file,
                                      const char *key_file, struct https_cert **out);
/* When no connection is served any more. */
void https_cert_close(struct https_cert *cert);
/* For the listener: the function by which GnuTLS asks. */
void *https_cert_callback(void);

#endif
