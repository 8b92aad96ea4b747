#pragma once
#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/prctl.h>

// curl_easy_setopt, curl_multi_setopt and curl_easy_getinfo are variadic, which Swift does not
// import.

struct shim_request {
    const char *url;
    // `http://name:port`. Empty: none. NULL would have the library read the environment.
    const char *proxy;
    // The system's certificates. Empty: where the library was built to look for them.
    const char *authorities;
    // Of servers' certificates in addition to the system's; NULL: none. It has to outlive the
    // request.
    const char *ca_path;
    // Has to outlive the request.
    const struct curl_slist *headers;
    // What POST sends. Has to outlive the request. NULL: it is a GET.
    const void *sent;
    curl_off_t sent_bytes;
    long connect_milliseconds;
    long request_milliseconds;
    long slow_bytes;
    long slow_seconds;
    curl_off_t body_bytes;
};

typedef size_t (*shim_take)(char *bytes, size_t size, size_t count, void *owner);

// CURLOPT_CAINFO would replace the system's file of certificates. This adds to what is loaded.
static inline CURLcode shim_add_certificates(CURL *easy, void *context, void *path) {
    (void)easy;
    int is_read = SSL_CTX_load_verify_locations((SSL_CTX *)context, (const char *)path, NULL) == 1;
    ERR_clear_error();
    return is_read ? CURLE_OK : CURLE_SSL_CACERT_BADFILE;
}

// Whether the file has certificates that can be read.
static inline int shim_has_certificates(const char *path) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    int is_read = context && SSL_CTX_load_verify_locations(context, path, NULL) == 1;
    SSL_CTX_free(context);
    ERR_clear_error();
    return is_read;
}

static inline CURLcode shim_start_library(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }

// Returns the first failure. The library copies all texts but those that are marked above.
static inline CURLcode shim_prepare(
    CURL *easy, const struct shim_request *request, shim_take head, shim_take body, void *owner) {
    CURLcode code = CURLE_OK;
#define SHIM_SET(option, value) \
    if (code == CURLE_OK) code = curl_easy_setopt(easy, option, value)
    SHIM_SET(CURLOPT_URL, request->url);
    if (*request->authorities) SHIM_SET(CURLOPT_CAINFO, request->authorities);
    if (request->sent) {
        SHIM_SET(CURLOPT_POST, 1L);
        SHIM_SET(CURLOPT_POSTFIELDSIZE_LARGE, request->sent_bytes);
        SHIM_SET(CURLOPT_POSTFIELDS, request->sent);
    } else {
        SHIM_SET(CURLOPT_HTTPGET, 1L);
    }
    SHIM_SET(CURLOPT_HTTPHEADER, request->headers);
    SHIM_SET(CURLOPT_HEADERFUNCTION, head);
    SHIM_SET(CURLOPT_HEADERDATA, owner);
    SHIM_SET(CURLOPT_WRITEFUNCTION, body);
    SHIM_SET(CURLOPT_WRITEDATA, owner);
    SHIM_SET(CURLOPT_MAXFILESIZE_LARGE, request->body_bytes);
    // Every encoding that the library knows.
    SHIM_SET(CURLOPT_ACCEPT_ENCODING, "");
    SHIM_SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SHIM_SET(CURLOPT_PATH_AS_IS, 1L);
    SHIM_SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SHIM_SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
    SHIM_SET(CURLOPT_FOLLOWLOCATION, 0L);
    SHIM_SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SHIM_SET(CURLOPT_PROXY, request->proxy);
    SHIM_SET(CURLOPT_NOPROXY, "");
    SHIM_SET(CURLOPT_HTTPPROXYTUNNEL, 1L);
    SHIM_SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SHIM_SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    SHIM_SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SHIM_SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SHIM_SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (request->ca_path) {
        SHIM_SET(CURLOPT_SSL_CTX_FUNCTION, shim_add_certificates);
        SHIM_SET(CURLOPT_SSL_CTX_DATA, (void *)request->ca_path);
    }
    SHIM_SET(CURLOPT_CONNECTTIMEOUT_MS, request->connect_milliseconds);
    SHIM_SET(CURLOPT_TIMEOUT_MS, request->request_milliseconds);
    SHIM_SET(CURLOPT_LOW_SPEED_LIMIT, request->slow_bytes);
    SHIM_SET(CURLOPT_LOW_SPEED_TIME, request->slow_seconds);
    SHIM_SET(CURLOPT_NOSIGNAL, 1L);
    // A request that ends while a name is looked up does not wait for the system's resolver.
    SHIM_SET(CURLOPT_QUICK_EXIT, 1L);
#undef SHIM_SET
    return code;
}

static inline CURLMcode shim_keep_connections(CURLM *multi, long count) {
    return curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, count);
}

// Takes the next request that has ended. 0: none has.
static inline int shim_next_end(CURLM *multi, CURL **easy, CURLcode *result) {
    int rest = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &rest))) {
        if (message->msg != CURLMSG_DONE) continue;
        *easy = message->easy_handle;
        *result = message->data.result;
        return 1;
    }
    return 0;
}

static inline long shim_status(CURL *easy) {
    long status = 0;
    return curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK ? status : 0;
}

// What the proxy answered. 0: nothing, or there is none.
static inline long shim_proxy_status(CURL *easy) {
    long status = 0;
    return curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status) == CURLE_OK ? status : 0;
}

// Seconds from now, negative in the past. 0 stands for none and for what is neither a number nor a
// date, too.
static inline int64_t shim_retry_after(CURL *easy) {
    curl_off_t seconds = 0;
    return curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK ? seconds : 0;
}

// Why a certificate was refused, as a text of the library. NULL: its name is another one, which
// leaves the result as it was before: OK, or unspecified on a new connection.
static inline const char *shim_certificate_trouble(CURL *easy) {
    long result = 0;
    if (curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &result) != CURLE_OK) return NULL;
    if (result == X509_V_OK || result == X509_V_ERR_UNSPECIFIED) return NULL;
    return X509_verify_cert_error_string(result);
}

static inline void shim_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }
