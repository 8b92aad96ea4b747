#pragma once
#include <libwebsockets.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

// The library keeps pointers to its tables, and its structs change with its options: both are built
// here, in one block of memory.

typedef int (*shim_callback)(
    struct lws *, enum lws_callback_reasons, void *user, void *in, size_t length);

struct shim_service {
    struct lws_context *context;
    struct lws_protocols protocols[2];
    lws_retry_bo_t idle;
    lws_sorted_usec_list_t alarm;
    int leave_seconds;
};

struct shim_settings {
    const char *ca_path;
    // Empty: none. NULL would have the library read the environment.
    const char *proxy_host;
    unsigned int proxy_port;
    unsigned int connect_seconds;
    unsigned int ping_seconds;
    unsigned int hang_up_seconds;
    size_t read_bytes;
    unsigned int connections;
};

// The alarm goes on until the next round of work sets it again. One that was due before the library
// began to wait would otherwise leave it without any, and it would wait for days.
static inline void shim_on_alarm(lws_sorted_usec_list_t *alarm) {
    struct shim_service *service = lws_container_of(alarm, struct shim_service, alarm);
    lws_sul_schedule(service->context, 0, &service->alarm, shim_on_alarm, 1000);
}

// Whether the file has certificates that can be read. The library itself goes on without them.
static inline int shim_has_certificates(const char *path) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    int is_read = context && SSL_CTX_load_verify_locations(context, path, NULL) == 1;
    SSL_CTX_free(context);
    ERR_clear_error();
    return is_read;
}

// NULL when the library does not start.
static inline struct shim_service *shim_create(
    const struct shim_settings *settings, shim_callback callback, void *owner) {
    struct shim_service *service = calloc(1, sizeof *service);
    if (!service) return NULL;
    lws_set_log_level(0, NULL);
    service->protocols[0].name = "messages";
    service->protocols[0].callback = callback;
    service->protocols[0].rx_buffer_size = settings->read_bytes;
    service->leave_seconds = (int)settings->connect_seconds;
    service->idle.secs_since_valid_ping = (uint16_t)settings->ping_seconds;
    service->idle.secs_since_valid_hangup = (uint16_t)settings->hang_up_seconds;
    struct lws_context_creation_info info = {0};
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = service->protocols;
    // No extensions: the library's deflate (4.1.6) never returns from a message that a server did
    // not compress, and ends the process at some that it did.
    info.gid = -1;
    info.uid = -1;
    // UTF-8 is checked by the owner: after a message that is none, the library (4.1.6) goes on to
    // write behind its buffer.
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.client_ssl_ca_filepath = settings->ca_path;
    info.http_proxy_address = settings->proxy_host;
    info.http_proxy_port = settings->proxy_port;
    // What is read from a socket at a time. The usual 4 KiB would cost a call per few messages.
    info.pt_serv_buf_size = (unsigned int)settings->read_bytes;
    info.timeout_secs = settings->connect_seconds;
    info.connect_timeout_secs = settings->connect_seconds;
    // The connections, those that are leaving, and what the library opens for itself.
    info.fd_limit_per_thread = 2 * settings->connections + 8;
    info.user = owner;
    service->context = lws_create_context(&info);
    if (!service->context) {
        free(service);
        return NULL;
    }
    return service;
}

// Ends all connections, without calling back for those that were forgotten, and frees everything.
static inline void shim_destroy(struct shim_service *service) {
    lws_sul_cancel(&service->alarm);
    lws_context_destroy(service->context);
    free(service);
}

// Has the proxy asked at `place`, which is ADDRESS:PORT with brackets around an address of IP
// version 6, so that its name is not looked up again.
static inline void shim_set_proxy(struct shim_service *service, const char *place) {
    struct lws_vhost *host = lws_get_vhost_by_name(service->context, "default");
    if (host) lws_set_proxy(host, place);
}

// NULL when it failed immediately; whether it called back for that is up to the library.
static inline struct lws *shim_connect(
    struct shim_service *service, const char *address, int port, int has_tls, const char *host,
    const char *path, uintptr_t token) {
    struct lws_client_connect_info info = {0};
    info.context = service->context;
    info.address = address;
    info.port = port;
    info.host = host;
    info.origin = host;
    info.path = path;
    info.ssl_connection = has_tls ? LCCSCF_USE_SSL : 0;
    info.alpn = "http/1.1";
    info.ietf_version_or_minus_one = -1;
    info.local_protocol_name = service->protocols[0].name;
    info.opaque_user_data = (void *)token;
    info.retry_and_idle_policy = &service->idle;
    return lws_client_connect_via_info(&info);
}

// Writes a header at the place in the request to connect, and moves the place after it. Returns -1
// when there is no room.
static inline int shim_add_user_agent(const void *place, size_t room, const char *text) {
    char **end = (char **)place;
    int count = snprintf(*end, room, "User-Agent: %s\r\n", text);
    if (count < 0 || (size_t)count >= room) return -1;
    *end += count;
    return 0;
}

static inline uintptr_t shim_token(struct lws *connection) {
    return (uintptr_t)lws_get_opaque_user_data(connection);
}

static inline void *shim_owner(struct lws *connection) {
    struct lws_context *context = lws_get_context(connection);
    return context ? lws_context_user(context) : NULL;
}

// One round of work: waits for it, for the time, or for lws_cancel_service of another thread.
static inline int shim_work(struct shim_service *service, int64_t microseconds) {
    if (microseconds <= 0) return lws_service(service->context, -1);
    lws_sul_schedule(service->context, 0, &service->alarm, shim_on_alarm, microseconds);
    return lws_service(service->context, 0);
}

static inline void shim_wake(struct shim_service *service) { lws_cancel_service(service->context); }

static inline size_t shim_room_before(void) { return LWS_PRE; }

static inline void shim_hang_up(struct lws *connection) {
    lws_set_timeout(connection, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

// Has the connection's close sent, or ends it without one when the server takes nothing in time.
static inline void shim_leave(struct shim_service *service, struct lws *connection) {
    lws_rx_flow_control(connection, 1);
    lws_set_timeout(connection, PENDING_TIMEOUT_USER_REASON_BASE, service->leave_seconds);
    lws_callback_on_writable(connection);
}

static inline int shim_is_message_end(struct lws *connection) {
    return lws_is_final_fragment(connection) && lws_remaining_packet_payload(connection) == 0;
}
