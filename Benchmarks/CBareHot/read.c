// One pull consumer per stream, two pulls open, no acknowledgements; the packets are walked over
// without a check.
#include "BareHot.h"

#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


enum { STREAMS = 4, HEADER_BYTES = 88, MESSAGE_HEADER = 8, PULLS = 2, PULL_MESSAGES = 64, BATCH = 256, SYMBOLS = 1024 };

static char inbox[64];
static natsConnection *connection;
static redisContext *cache;
static int trade_template, symbol_template;
static long pull_number;
static int remaining[STREAMS];
// Of this process alone: one of an earlier turn would go on where that one stopped.
static int identity;

static void check(const char *what, natsStatus status) {
    if (status != NATS_OK) fail(what, natsStatus_GetText(status));
}

static void pull(int stream) {
    char subject[128], reply[96];
    const char *body = "{\"batch\":64,\"max_bytes\":393216,\"expires\":30000000000}";
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.MD_TICKS_%d.bare-%d-%d",
        stream, identity, stream);
    snprintf(reply, sizeof reply, "%s.%d.%ld", inbox, stream, ++pull_number);
    check("pull", natsConnection_PublishRequest(connection, subject, reply, body, (int)strlen(body)));
}

static void create_consumer(int stream) {
    char subject[128], body[512];
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.MD_TICKS_%d.bare-%d-%d", stream,
        identity, stream);
    snprintf(body, sizeof body,
        "{\"stream_name\":\"MD_TICKS_%d\",\"config\":{\"name\":\"bare-%d-%d\",\"ack_policy\":\"none\","
        "\"deliver_policy\":\"new\",\"replay_policy\":\"instant\",\"mem_storage\":true,"
        "\"num_replicas\":1,\"inactive_threshold\":30000000000}}",
        stream, identity, stream);
    natsMsg *answer = NULL;
    check("create a consumer",
        natsConnection_Request(&answer, connection, subject, body, (int)strlen(body), 5000));
    if (strstr(natsMsg_GetData(answer), "\"error\"")) fail("create a consumer", natsMsg_GetData(answer));
    natsMsg_Destroy(answer);
}

static uint16_t u16(const char *at) { uint16_t value; memcpy(&value, at, 2); return value; }
static uint32_t u32(const char *at) { uint32_t value; memcpy(&value, at, 4); return value; }
static int64_t i64(const char *at) { int64_t value; memcpy(&value, at, 8); return value; }

// value / 10^decimals without zeros at the end.
static int decimal(char *text, int64_t value, int decimals) {
    int64_t scale = 1;
    for (int index = 0; index < decimals; index++) scale *= 10;
    int length = sprintf(text, "%lld", (long long)(value / scale));
    int64_t rest = value % scale;
    if (rest == 0) return length;
    length += sprintf(text + length, ".%0*lld", decimals, (long long)rest);
    while (text[length - 1] == '0') length--;
    return length;
}

static int write_trade(const char *name, size_t name_bytes, const char *body, const char *source) {
    static const char *fields[] = {"price", "size", "exchange", "ts", "receive_ts", "source"};
    char key[600], values[6][40];
    const char *words[14] = {"HSET", key};
    size_t lengths[14] = {4};
    lengths[1] = (size_t)snprintf(
        key, sizeof key, "md:trade:%.*s:%.*s", (int)name_bytes, name, (int)strnlen(source, 24), source);
    size_t value_lengths[6];
    value_lengths[0] = (size_t)decimal(values[0], i64(body + 32), 9);
    value_lengths[1] = (size_t)decimal(values[1], i64(body + 40), 8);
    value_lengths[2] = strnlen(body + 48, 8);
    memcpy(values[2], body + 48, 8);
    value_lengths[3] = (size_t)sprintf(values[3], "%lld", (long long)i64(body + 8));
    value_lengths[4] = (size_t)sprintf(values[4], "%lld", (long long)i64(body + 16));
    value_lengths[5] = strnlen(source, 24);
    memcpy(values[5], source, value_lengths[5]);
    for (int index = 0; index < 6; index++) {
        words[2 + 2 * index] = fields[index];
        lengths[2 + 2 * index] = strlen(fields[index]);
        words[3 + 2 * index] = values[index];
        lengths[3 + 2 * index] = value_lengths[index];
    }
    redisAppendCommandArgv(cache, 14, words, lengths);
    return 1;
}

static int write_packet(const char *data, int bytes) {
    const char *names[SYMBOLS] = {0};
    size_t name_bytes[SYMBOLS] = {0};
    int written = 0;
    for (int offset = HEADER_BYTES; offset + MESSAGE_HEADER <= bytes;) {
        int block = u16(data + offset), template = u16(data + offset + 2);
        const char *body = data + offset + MESSAGE_HEADER;
        offset += MESSAGE_HEADER + block;
        if (template == symbol_template) {
            uint32_t index = u32(body);
            if (index < SYMBOLS) names[index] = data + offset + 4, name_bytes[index] = u32(data + offset);
            for (int field = 0; field < 3; field++) offset += 4 + (int)u32(data + offset);
        } else if (template == trade_template && u32(body) < SYMBOLS && names[u32(body)]) {
            written += write_trade(names[u32(body)], name_bytes[u32(body)], body, data + 64);
        }
    }
    return written;
}

static int take(natsMsg *message) {
    int written = 0;
    if (natsMsg_GetDataLength(message) > HEADER_BYTES) {
        // The fourth token of "$JS.ACK.MD_TICKS_<n>..." names the stream.
        int stream = natsMsg_GetReply(message)[strlen("$JS.ACK.MD_TICKS_")] - '0';
        written = write_packet(natsMsg_GetData(message), natsMsg_GetDataLength(message));
        if (--remaining[stream] == 0) {
            remaining[stream] = PULL_MESSAGES;
            pull(stream);
        }
    } else if (natsMsg_GetDataLength(message) == 0) {
        const char *description = NULL;
        natsMsgHeader_Get(message, "Description", &description);
        if (description && strstr(description, "MaxBytes"))
            pull(natsMsg_GetSubject(message)[strlen(inbox) + 1] - '0');
    }
    natsMsg_Destroy(message);
    return written;
}

int run_read(const char *url, int port, const char *password) {
    trade_template = atoi(getenv("BARE_TRADE")), symbol_template = atoi(getenv("BARE_SYMBOL"));
    cache = valkey(port, password);
    identity = (int)getpid();
    natsOptions *options = NULL;
    check("options", natsOptions_Create(&options));
    natsOptions_SetURL(options, url);
    natsOptions_SetSendAsap(options, true);
    check("connect", natsConnection_Connect(&connection, options));
    snprintf(inbox, sizeof inbox, "_INBOX.bare%lld", (long long)now_ns());
    char every[72];
    snprintf(every, sizeof every, "%s.>", inbox);
    natsSubscription *subscription = NULL;
    check("subscribe", natsConnection_SubscribeSync(&subscription, connection, every));
    natsSubscription_SetPendingLimits(subscription, -1, -1);
    for (int stream = 0; stream < STREAMS; stream++) {
        create_consumer(stream);
        remaining[stream] = PULL_MESSAGES;
        for (int slot = 0; slot < PULLS; slot++) pull(stream);
    }
    printf("reading\n");
    fflush(stdout);
    for (;;) {
        natsMsg *message = NULL;
        natsStatus status = natsSubscription_NextMsg(&message, subscription, 1000);
        if (status == NATS_TIMEOUT) continue;
        check("next message", status);
        int commands = take(message);
        // What is there already goes with it.
        for (int index = 1; index < BATCH; index++) {
            if (natsSubscription_NextMsg(&message, subscription, 0) != NATS_OK) break;
            commands += take(message);
        }
        for (int index = 0; index < commands; index++) {
            redisReply *reply = NULL;
            if (redisGetReply(cache, (void **)&reply) != REDIS_OK) fail("HSET", cache->errstr);
            freeReplyObject(reply);
        }
    }
}
