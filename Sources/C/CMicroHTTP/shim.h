#pragma once
#include <microhttpd.h>

// Variadic functions are not imported into Swift: the few calls that are needed, spelled out.

// A daemon without threads and without a listening socket: its caller accepts, adds connections
// and runs it, all on one thread. With a certificate and its key (PEM) its connections speak TLS;
// both are NULL, or none is.
static inline struct MHD_Daemon *shim_start_daemon(
    MHD_AccessHandlerCallback onRequest, MHD_RequestCompletedCallback onCompleted,
    MHD_NotifyConnectionCallback onConnection, void *closure,
    unsigned int connectionsMax, size_t connectionBytesMax,
    const char *certificate, const char *key) {
    const unsigned int flags =
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(
        certificate ? flags | MHD_USE_TLS : flags, 0, NULL, NULL, onRequest, closure,
        MHD_OPTION_ARRAY, certificate ? tls : tls + 3,
        MHD_OPTION_NOTIFY_COMPLETED, onCompleted, closure,
        MHD_OPTION_NOTIFY_CONNECTION, onConnection, closure,
        MHD_OPTION_CONNECTION_LIMIT, connectionsMax,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, connectionBytesMax,
        MHD_OPTION_END);
}

// -1 when the library does not know it.
static inline int shim_epoll_descriptor(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return info ? info->epoll_fd : -1;
}

// 0 when the library does not know it.
static inline unsigned int shim_open_connections(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info ? info->num_connections : 0;
}

static inline int shim_connection_descriptor(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}
