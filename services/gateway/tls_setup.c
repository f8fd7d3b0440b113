/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates: read at the start, watched, renewed. See tls.h. Files are compared by what stat
 * says of the file behind all links, so that the swap of a directory link (as Kubernetes does with
 * a mounted Secret) counts. A set of files is used whole or not at all.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>

#include "common/crypt.h"
#include "common/mem.h"
#include "services/gateway/tls_part.h"

#define TICKET_KEYS_LEN 80u
#define TICKET_LIFE_S   3600
#define CHAIN_DEPTH_MAX 8
#define CERT_LIST_MAX   65536 /* bytes of certificates that a client may send */

/* No prompt: a key with a pass phrase is a mistake. */
static int
no_pass_phrase(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static bool
say(char reason[TLS_REASON_SIZE], const char *what, const char *value)
{
    unsigned long code = ERR_peek_last_error();
    const char *why = code != 0 ? ERR_reason_error_string(code) : NULL;
    (void)str_format(reason, TLS_REASON_SIZE, "%s '%s': %s", what, value,
                     why != NULL ? why : "not accepted");
    ERR_clear_error();
    return false;
}

static void
look(const struct tls_settings *settings, struct tls_file files[TLS_FILES_MAX])
{
    const char *paths[TLS_FILES_MAX] = {settings->ca, settings->crl};
    for (size_t i = 0; i < settings->count; i++) {
        paths[2 + 2 * i] = settings->certs[i];
        paths[3 + 2 * i] = settings->keys[i];
    }
    memset(files, 0, TLS_FILES_MAX * sizeof(*files));
    for (size_t i = 0; i < 2 + 2 * settings->count; i++) {
        struct stat st;
        if (paths[i][0] != '\0' && stat(paths[i], &st) == 0)
            files[i] =
                (struct tls_file){(uint64_t)st.st_dev, (uint64_t)st.st_ino, (uint64_t)st.st_size,
                                  (uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec};
    }
}

/* SNI: the certificate that is good for the name that the client asks for. */
static int
choose_certificate(SSL *ssl, int *alert, void *arg)
{
    const struct tls *tls = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    if (name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    for (size_t i = 0; i < tls->settings->count; i++) {
        X509 *cert = SSL_CTX_get0_certificate(tls->contexts[i]);
        if (X509_check_host(cert, name, strlen(name), 0, NULL) != 1)
            continue;
        if (i > 0)
            SSL_set_SSL_CTX(ssl, tls->contexts[i]);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK; /* the first one; the client decides whether it is good enough */
}

static bool
load_clients(SSL_CTX *context, const struct tls_settings *settings, char reason[TLS_REASON_SIZE])
{
    static const unsigned char id[] = "sluice";
    if (settings->client_cert == TLS_CLIENT_NONE)
        return true;
    if (SSL_CTX_load_verify_file(context, settings->ca) != 1)
        return say(reason, "tls-ca", settings->ca);
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(settings->ca);
    if (names == NULL)
        return say(reason, "tls-ca", settings->ca);
    SSL_CTX_set_client_CA_list(context, names);
    if (settings->crl[0] != '\0') {
        X509_STORE *store = SSL_CTX_get_cert_store(context);
        X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
        if (lookup == NULL || X509_load_crl_file(lookup, settings->crl, X509_FILETYPE_PEM) < 1)
            return say(reason, "tls-crl", settings->crl);
        (void)X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    }
    SSL_CTX_set_verify(
        context,
        SSL_VERIFY_PEER |
            (settings->client_cert == TLS_CLIENT_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        NULL);
    SSL_CTX_set_verify_depth(context, CHAIN_DEPTH_MAX);
    (void)SSL_CTX_set_session_id_context(context, id, sizeof(id) - 1);
    return true;
}

static bool
load_certificate(SSL_CTX *context, const char *cert, const char *key, char reason[TLS_REASON_SIZE])
{
    SSL_CTX_set_default_passwd_cb(context, no_pass_phrase);
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return say(reason, "tls-cert", cert);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return say(reason, "tls-key", key);
    return true;
}

static void
set_ticket_keys(SSL_CTX *context, const struct tls_settings *settings,
                const struct tls_file files[TLS_FILES_MAX])
{
    uint8_t keys[3 * CRYPT_SHA256_LEN];
    for (uint8_t i = 0; i < 3; i++) {
        const struct slice parts[] = {slice_of(&i, 1),
                                      slice_of(files, TLS_FILES_MAX * sizeof(*files))};
        crypt_hmac_sha256(slice_of(settings->secret, sizeof(settings->secret)), parts, 2,
                          keys + (size_t)i * CRYPT_SHA256_LEN);
    }
    (void)SSL_CTX_set_tlsext_ticket_keys(context, keys, TICKET_KEYS_LEN);
    crypt_wipe(keys, sizeof(keys));
}

static bool
set_ciphers(SSL_CTX *context, const struct tls_settings *settings, char reason[TLS_REASON_SIZE])
{
    if (settings->ciphers[0] != '\0' && SSL_CTX_set_cipher_list(context, settings->ciphers) != 1)
        return say(reason, "tls-ciphers", settings->ciphers);
    if (settings->ciphersuites[0] != '\0' &&
        SSL_CTX_set_ciphersuites(context, settings->ciphersuites) != 1)
        return say(reason, "tls-ciphersuites", settings->ciphersuites);
    return true;
}

/* NULL: reason says why. */
static SSL_CTX *
load_context(struct tls *tls, size_t i, const struct tls_file files[TLS_FILES_MAX],
             char reason[TLS_REASON_SIZE])
{
    const struct tls_settings *settings = tls->settings;
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        say(reason, "OpenSSL", "context");
        return NULL;
    }
    (void)SSL_CTX_set_min_proto_version(
        context, settings->min_version == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE |
                                           SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1); /* one recv for many records */
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(context, 1);
    (void)SSL_CTX_set_timeout(context, TICKET_LIFE_S);
    SSL_CTX_set_max_cert_list(context, CERT_LIST_MAX);
    (void)SSL_CTX_set_tlsext_servername_callback(context, choose_certificate);
    (void)SSL_CTX_set_tlsext_servername_arg(context, tls);
    set_ticket_keys(context, settings, files);
    if (set_ciphers(context, settings, reason) &&
        load_certificate(context, settings->certs[i], settings->keys[i], reason) &&
        load_clients(context, settings, reason))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

static int64_t
end_of(SSL_CTX *context)
{
    struct tm when;
    const ASN1_TIME *end = X509_get0_notAfter(SSL_CTX_get0_certificate(context));
    return ASN1_TIME_to_tm(end, &when) == 1 ? (int64_t)timegm(&when) : 0;
}

/* Reads everything; on success it takes the place of what was there. */
static bool
load(struct tls *tls, const struct tls_file files[TLS_FILES_MAX], bool refuse_expired,
     char reason[TLS_REASON_SIZE])
{
    SSL_CTX *contexts[TLS_CERTS_MAX];
    int64_t expires_s = INT64_MAX;
    size_t n;
    for (n = 0; n < tls->settings->count; n++) {
        contexts[n] = load_context(tls, n, files, reason);
        if (contexts[n] == NULL)
            break;
        int64_t end = end_of(contexts[n]);
        expires_s = end < expires_s ? end : expires_s;
        if (refuse_expired &&
            X509_cmp_current_time(X509_get0_notAfter(SSL_CTX_get0_certificate(contexts[n]))) < 0) {
            (void)str_format(reason, TLS_REASON_SIZE, "tls-cert '%s': it has expired",
                             tls->settings->certs[n]);
            SSL_CTX_free(contexts[n]);
            break;
        }
    }
    if (n < tls->settings->count) {
        while (n > 0)
            SSL_CTX_free(contexts[--n]);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        SSL_CTX_free(tls->contexts[i]); /* open streams hold references */
        tls->contexts[i] = contexts[i];
    }
    tls->expires_s = expires_s;
    return true;
}

enum err
tls_new(const struct tls_settings *settings, struct tls **out, char reason[TLS_REASON_SIZE])
{
    struct tls *tls = mem_zalloc(sizeof(*tls));
    tls->settings = settings;
    look(settings, tls->files);
    if (!load(tls, tls->files, false, reason)) {
        tls_free(tls);
        return ERR_INVALID;
    }
    *out = tls;
    return OK;
}

void
tls_free(struct tls *tls)
{
    if (tls == NULL)
        return;
    for (size_t i = 0; i < TLS_CERTS_MAX; i++)
        SSL_CTX_free(tls->contexts[i]);
    mem_free(tls);
}

enum tls_refresh
tls_refresh(struct tls *tls, char reason[TLS_REASON_SIZE])
{
    struct tls_file files[TLS_FILES_MAX];
    look(tls->settings, files);
    if (memcmp(files, tls->files, sizeof(files)) == 0)
        return TLS_UNCHANGED;
    /* Also when they are no good: the same bad files are not read again every second. */
    memcpy(tls->files, files, sizeof(files));
    return load(tls, files, true, reason) ? TLS_RENEWED : TLS_KEPT;
}

int64_t
tls_expires_s(const struct tls *tls)
{
    return tls->expires_s;
}
