// CBareHot read URL PORT PASSWORD | watch PORT PASSWORD KEY FIELD
#include "BareHot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

void fail(const char *what, const char *why) {
    fprintf(stderr, "CBareHot: %s: %s\n", what, why);
    exit(1);
}

redisContext *valkey(int port, const char *password) {
    redisContext *context = redisConnect("127.0.0.1", port);
    if (!context || context->err) fail("connect to Valkey", context ? context->errstr : "memory");
    redisReply *reply = redisCommand(context, "AUTH %s", password);
    if (!reply || reply->type == REDIS_REPLY_ERROR) fail("AUTH", reply ? reply->str : "lost");
    freeReplyObject(reply);
    return context;
}

int main(int count, char **words) {
    if (count == 5 && strcmp(words[1], "read") == 0)
        return run_read(words[2], atoi(words[3]), words[4]);
    if (count == 6 && strcmp(words[1], "watch") == 0)
        return run_watch(atoi(words[2]), words[3], words[4], words[5]);
    fprintf(stderr, "usage: CBareHot read URL PORT PASSWORD | watch PORT PASSWORD KEY FIELD\n");
    return 64;
}
