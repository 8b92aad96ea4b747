#include "BareTape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

double processor_us(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6
           + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

void fail(const char *what, natsStatus status) {
    fprintf(stderr, "cannot %s: %s\n", what, natsStatus_GetText(status));
    exit(1);
}

natsConnection *connected(const Run *run) {
    natsOptions *options = NULL;
    natsConnection *connection = NULL;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK) status = natsOptions_SetURL(options, run->url);
    if (status == NATS_OK) status = natsOptions_SetSendAsap(options, run->asap);
    if (status == NATS_OK) status = natsConnection_Connect(&connection, options);
    natsOptions_Destroy(options);
    if (status != NATS_OK) fail("connect", status);
    return connection;
}

void subscribe_answers(natsConnection *connection, char inbox[64], natsMsgHandler handler, void *closure) {
    char every[72];
    snprintf(inbox, 64, "_INBOX.bare%lld", (long long)now_ns());
    snprintf(every, sizeof every, "%s.>", inbox);
    natsSubscription *subscription = NULL;
    natsStatus status = natsConnection_Subscribe(&subscription, connection, every, handler, closure);
    if (status != NATS_OK) fail("subscribe", status);
    natsConnection_Flush(connection);
}

void name_lane(const Run *run, const char *inbox, int index, char subject[64], char reply[80]) {
    snprintf(subject, 64, "%s.ticks.%d.%s", run->prefix, index, run->source);
    snprintf(reply, 80, "%s.%d", inbox, index);
}

int answered_lane(natsMsg *message) {
    const char *token = strrchr(natsMsg_GetSubject(message), '.');
    return token ? atoi(token + 1) : 0;
}

uint64_t answered_sequence(natsMsg *message) {
    const char *found = strstr(natsMsg_GetData(message), "\"seq\":");
    if (!found) {
        fprintf(stderr, "refused: %.*s\n", natsMsg_GetDataLength(message), natsMsg_GetData(message));
        exit(1);
    }
    return strtoull(found + 6, NULL, 10);
}

// CBareTape publish|read URL PREFIX STREAMS SOURCE LANES PACKETS BYTES RATE ASAP [LIBRARY]
// CBareTape timed URL PREFIX SOURCE LANES SECONDS RATE WINDOW BYTES PACKET
// CBareTape hold URLS PREFIX STREAMS USER MILLISECONDS, with the password in BARE_PASSWORD
// CBareTape replay URL PREFIX SOURCE FILE RESULTS
int main(int count, char **arguments) {
    if (count == 7 && strcmp(arguments[1], "hold") == 0) {
        const char *password = getenv("BARE_PASSWORD");
        Hold hold = {
            .urls = arguments[2], .prefix = arguments[3], .streams = arguments[4],
            .user = arguments[5], .password = password ? password : "",
            .every_ms = atoi(arguments[6])};
        return hold.every_ms < 1 ? 64 : run_hold(&hold);
    }
    if (count == 7 && strcmp(arguments[1], "replay") == 0) {
        Run run = {.url = arguments[2], .prefix = arguments[3], .source = arguments[4], .asap = true};
        return run_replay(&run, arguments[5], arguments[6]);
    }
    if (count == 11 && strcmp(arguments[1], "timed") == 0) {
        Run run = {
            .url = arguments[2], .prefix = arguments[3], .source = arguments[4],
            .lanes = atoi(arguments[5]), .seconds = atof(arguments[6]), .rate = atof(arguments[7]),
            .window = atoi(arguments[8]), .bytes = atoi(arguments[9]), .packet = arguments[10],
            .asap = true};
        double packets = run.rate > 0 ? run.rate * run.seconds : TIMED_MAX;
        if (run.lanes < STREAMS || run.lanes > LANES_MAX || run.window < 0 || run.bytes < 1
            || packets < 1 || packets > TIMED_MAX)
            return 64;
        run.packets = (int64_t)packets;
        return run_publish(&run);
    }
    if (count != 11 && count != 12) {
        fprintf(stderr, "usage: CBareTape publish|read URL PREFIX STREAMS SOURCE LANES PACKETS "
                        "BYTES RATE ASAP [LIBRARY]\n       CBareTape replay URL PREFIX SOURCE FILE RESULTS\n"
                        "       CBareTape timed URL PREFIX SOURCE LANES SECONDS RATE WINDOW BYTES PACKET\n"
                        "       CBareTape hold URLS PREFIX STREAMS USER MILLISECONDS\n"
                        "the benchmarks of the tape and of the broker, and the soak of a cluster, run it\n");
        return 64;
    }
    Run run = {
        .url = arguments[2], .prefix = arguments[3], .streams = arguments[4],
        .source = arguments[5], .lanes = atoi(arguments[6]), .packets = atoll(arguments[7]),
        .bytes = atoi(arguments[8]), .rate = atof(arguments[9]), .asap = atoi(arguments[10]) != 0,
        .decoder = count == 12 ? arguments[11] : NULL};
    if (run.lanes < 1 || run.lanes > LANES_MAX || run.packets < 1 || run.bytes < 1) return 64;
    return strcmp(arguments[1], "read") == 0 ? run_read(&run) : run_publish(&run);
}
