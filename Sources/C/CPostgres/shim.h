#pragma once
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <postgresql/libpq-fe.h>
#include <stdint.h>
#include <time.h>

// The end of the server's certificate, in seconds since 1970. -1: the connection has no TLS.
static inline int64_t shim_certificate_end(PGconn *connection) {
    SSL *ssl = (SSL *)PQsslStruct(connection, "OpenSSL");
    X509 *certificate = ssl ? SSL_get1_peer_certificate(ssl) : NULL;
    if (!certificate) return -1;
    struct tm end;
    int isRead = ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end);
    X509_free(certificate);
    // What it notes would be taken for an error of the next call.
    if (isRead != 1) ERR_clear_error();
    return isRead == 1 ? (int64_t)timegm(&end) : -1;
}
