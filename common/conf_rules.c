/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that join settings and that every program shares: addresses, and TLS between programs.
 * Declared in conf.h. Called from a program's check function. */
#include "common/address.h"
#include "common/conf.h"

#include <string.h>
#include <unistd.h>

void
conf_check_address(struct conf *conf, const char *name, const char *address)
{
    struct slice host;
    uint16_t port;
    if (address_split(slice_cstr(address), &host, &port) != OK)
        conf_mistake(conf, name, "'%s' is not host:port (of IPv6: [::1]:7201)", address);
}

void
conf_check_bind(struct conf *conf, const char *name, const char *address)
{
    struct sockaddr_storage numbers;
    socklen_t len;
    if (address_to_sockaddr(address, 0, &numbers, &len) != OK)
        conf_mistake(conf, name,
                     "'%s' is no address of this host like 0.0.0.0, 127.0.0.1, :: or [::1]; names "
                     "are not looked up, and the port is another setting",
                     address);
}

void
conf_check_host(struct conf *conf, const char *name, const char *host)
{
    struct sockaddr_storage numbers;
    socklen_t len;
    if (strchr(host, ':') != NULL &&
        (host[0] != '[' || address_to_sockaddr(host, 0, &numbers, &len) != OK))
        conf_mistake(conf, name, "'%s' is no host without its port (of IPv6: [2001:db8::1])", host);
}

void
conf_check_addresses(struct conf *conf, const char *name, const struct conf_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        conf_check_address(conf, name, list->items[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(list->items[i], list->items[k]) == 0)
                conf_mistake(conf, name, "'%s' is there twice", list->items[i]);
    }
}

void
conf_check_file(struct conf *conf, const char *name, const char *path)
{
    if (path[0] != 0 && access(path, R_OK) != 0)
        conf_mistake(conf, name, "'%s' cannot be read", path);
}

void
conf_check_common(struct conf *conf, const struct conf_common *common)
{
    conf_check_bind(conf, "http-bind", common->http_bind);
    bool ca = common->cluster_ca[0] != 0, cert = common->cluster_cert[0] != 0,
         key = common->cluster_key[0] != 0;
    if (ca != cert || cert != key)
        conf_mistake(conf, "cluster-ca",
                     "cluster-ca, cluster-cert and cluster-key belong together");
    conf_check_file(conf, "cluster-ca", common->cluster_ca);
    conf_check_file(conf, "cluster-cert", common->cluster_cert);
    conf_check_file(conf, "cluster-key", common->cluster_key);
}
