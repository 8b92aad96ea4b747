// The limit that the hot state is measured against: the least program that libnats and hiredis allow
// for the same tape and the same keys. It conflates nothing, orders nothing, gives no key a life and
// recovers from nothing.
#ifndef BARE_HOT_H
#define BARE_HOT_H

#include <hiredis/hiredis.h>
#include <stdint.h>

int64_t now_ns(void);
_Noreturn void fail(const char *what, const char *why);
redisContext *valkey(int port, const char *password);

// Reads all tick streams from their ends and writes each trade by a HSET; one pipeline per handful of
// packets.
int run_read(const char *nats_url, int port, const char *password);

// Is told by the server of each change of one key, reads it back, and writes "value time" lines.
int run_watch(int port, const char *password, const char *key, const char *field);

#endif
