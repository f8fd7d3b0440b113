/* SPDX-License-Identifier: Apache-2.0 */
/* See https_cert.h. A handshake may still use a certificate that was replaced, and nobody says when
 * it has ended: the last FORMER_MAX are kept, which renewals, a day or more apart, never outrun. */
#include "services/rest/https_cert.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/str.h"

#include <gnutls/abstract.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define CHAIN_MAX  16
#define FORMER_MAX 16
#define LOOK_MS    1000

struct pair {
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
};

/* What tells one version of a file from another, also behind symbolic links. */
struct version {
    uint64_t device, inode, size, changed_ns;
};

struct https_cert {
    const char *cert_file, *key_file;
    struct version cert_version, key_version;
    struct pair *former[FORMER_MAX];
    unsigned next_former;
    struct loop_timer timer;
};

static _Atomic(struct pair *) pair_in_force;

static int
on_handshake(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
             const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
             unsigned *count, gnutls_privkey_t *key)
{
    struct pair *pair = atomic_load(&pair_in_force);
    (void)session;
    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    if (pair == NULL)
        return -1;
    *chain = pair->chain;
    *count = pair->count;
    *key = pair->key;
    return 0;
}

void *
https_cert_callback(void)
{
    /* A function pointer in the void * that option tables of the HTTP library hold. */
    union {
        gnutls_certificate_retrieve_function2 *function;
        void *pointer;
    } as = {on_handshake};
    return as.pointer;
}

static void
pair_free(struct pair *pair)
{
    if (pair == NULL)
        return;
    for (unsigned i = 0; i < pair->count; i++)
        gnutls_pcert_deinit(&pair->chain[i]);
    if (pair->key != NULL)
        gnutls_privkey_deinit(pair->key);
    mem_free(pair);
}

static bool
key_fits(const struct pair *pair)
{
    uint8_t of_key[64], of_cert[64];
    size_t key_len = sizeof of_key, cert_len = sizeof of_cert;
    gnutls_pubkey_t public_key;
    if (gnutls_pubkey_init(&public_key) != 0)
        return false;
    bool fits =
        gnutls_pubkey_import_privkey(public_key, pair->key, 0, 0) == 0 &&
        gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, of_key, &key_len) == 0 &&
        gnutls_pubkey_get_key_id(pair->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, of_cert,
                                 &cert_len) == 0 &&
        slice_equal(slice_of(of_key, key_len), slice_of(of_cert, cert_len));
    gnutls_pubkey_deinit(public_key);
    return fits;
}

static enum err
pair_load(const struct https_cert *cert, struct pair **out)
{
    struct pair *pair = mem_zalloc(sizeof *pair);
    gnutls_datum_t pem = {0};
    unsigned count = CHAIN_MAX;
    enum err err = OK;
    if (gnutls_load_file(cert->key_file, &pem) != 0)
        err = ERR_IO;
    else if (gnutls_privkey_init(&pair->key) != 0 ||
             gnutls_privkey_import_x509_raw(pair->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0) != 0)
        err = ERR_INVALID;
    if (pem.data != NULL) {
        gnutls_memset(pem.data, 0, pem.size);
        gnutls_free(pem.data);
    }
    if (err == OK && gnutls_pcert_list_import_x509_file(pair->chain, &count, cert->cert_file,
                                                        GNUTLS_X509_FMT_PEM, NULL, NULL, 0) != 0)
        err = ERR_INVALID;
    else if (err == OK)
        pair->count = count;
    if (err == OK && (count == 0 || !key_fits(pair)))
        err = ERR_INVALID;
    if (err != OK)
        pair_free(pair);
    else
        *out = pair;
    return err;
}

static struct version
version_of(const char *file)
{
    struct stat info;
    if (stat(file, &info) != 0)
        return (struct version){0};
    return (struct version){info.st_dev, info.st_ino, (uint64_t)info.st_size,
                            (uint64_t)info.st_mtim.tv_sec * UINT64_C(1000000000) +
                                (uint64_t)info.st_mtim.tv_nsec};
}

static bool
same(const struct version *a, const struct version *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_ns == b->changed_ns;
}

static enum err
load(struct https_cert *cert)
{
    struct pair *pair = NULL;
    /* Before reading, so that what changes meanwhile is looked at again. */
    cert->cert_version = version_of(cert->cert_file);
    cert->key_version = version_of(cert->key_file);
    enum err err = pair_load(cert, &pair);
    if (err != OK)
        return err;
    pair_free(cert->former[cert->next_former]);
    cert->former[cert->next_former] = atomic_exchange(&pair_in_force, pair);
    cert->next_former = (cert->next_former + 1) % FORMER_MAX;
    return OK;
}

static void
on_look(void *arg)
{
    struct https_cert *cert = arg;
    struct version now_cert = version_of(cert->cert_file), now_key = version_of(cert->key_file);
    if (same(&now_cert, &cert->cert_version) && same(&now_key, &cert->key_version))
        return;
    enum err err = load(cert);
    if (err == OK)
        log_info("certificate_renewed", LOG_STR("file", cert->cert_file), LOG_END);
    else
        log_warn("certificate_not_renewed", LOG_STR("file", cert->cert_file), LOG_ERR(err),
                 LOG_END);
}

enum err
https_cert_open(struct loop *loop, const char *cert_file, const char *key_file,
                struct https_cert **out)
{
    struct https_cert *cert = mem_zalloc(sizeof *cert);
    cert->cert_file = cert_file;
    cert->key_file = key_file;
    enum err err = load(cert);
    if (err != OK) {
        mem_free(cert);
        return err;
    }
    loop_timer_init(&cert->timer, loop, on_look, cert);
    loop_timer_start(&cert->timer, LOOK_MS, true);
    *out = cert;
    return OK;
}

void
https_cert_close(struct https_cert *cert)
{
    if (cert == NULL)
        return;
    loop_timer_fini(&cert->timer);
    pair_free(atomic_exchange(&pair_in_force, NULL));
    for (unsigned i = 0; i < FORMER_MAX; i++)
        pair_free(cert->former[i]);
    mem_free(cert);
}
