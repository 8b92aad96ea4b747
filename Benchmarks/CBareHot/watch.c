// Client tracking: the server tells of a change when the cycle ends in which it was made, that is,
// when everybody can see it. Nothing is polled, so nothing is slowed down.
#include "BareHot.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int run_watch(int port, const char *password, const char *key, const char *field) {
    redisContext *told = valkey(port, password);
    redisContext *reads = valkey(port, password);
    redisReply *reply = redisCommand(told, "CLIENT ID");
    if (!reply || reply->type != REDIS_REPLY_INTEGER) fail("CLIENT ID", "no number");
    long long identity = reply->integer;
    freeReplyObject(reply);
    reply = redisCommand(told, "SUBSCRIBE __redis__:invalidate");
    if (!reply || reply->type != REDIS_REPLY_ARRAY) fail("SUBSCRIBE", "refused");
    freeReplyObject(reply);
    reply = redisCommand(reads, "CLIENT TRACKING ON REDIRECT %lld BCAST PREFIX %s", identity, key);
    if (!reply || reply->type != REDIS_REPLY_STATUS) fail("CLIENT TRACKING", "refused");
    freeReplyObject(reply);
    printf("watching\n");
    fflush(stdout);
    // Until it is killed; every line is out at once.
    while (redisGetReply(told, (void **)&reply) == REDIS_OK) {
        freeReplyObject(reply);
        reply = redisCommand(reads, "HGET %s %s", key, field);
        if (!reply) fail("HGET", reads->errstr);
        if (reply->type == REDIS_REPLY_STRING) {
            char line[96];
            int length = snprintf(
                line, sizeof line, "%s %lld\n", reply->str, (long long)now_ns());
            if (write(STDOUT_FILENO, line, (size_t)length) != length) fail("write", "short");
        }
        freeReplyObject(reply);
    }
    return 0;
}
