// One pull consumer per partition, of this process alone, with two filters, two pulls open, no
// acknowledgements.
#include "BareTape.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PULLS = 2, PULL_MESSAGES = 64, PULL_BYTES = 384 * 1024 };

typedef struct {
    long number;
    int remaining;
} Pull;

typedef struct {
    Pull pulls[PULLS];
    long last_number;
} Reader;

typedef struct {
    const Run *run;
    natsConnection *connection;
    Reader readers[LANES_MAX];
    char inbox[64];
    int64_t messages;
    int64_t bytes;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
} Everything;

static void pull(Everything *self, int index, Pull *slot) {
    char subject[160], reply[96], body[128];
    slot->number = ++self->readers[index].last_number;
    slot->remaining = PULL_MESSAGES;
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%s_%d.bare-%d-%d",
        self->run->streams, index % STREAMS, getpid(), index);
    snprintf(reply, sizeof reply, "%s.%d.%ld", self->inbox, index, slot->number);
    snprintf(body, sizeof body,
        "{\"batch\":%d,\"max_bytes\":%d,\"expires\":30000000000,\"idle_heartbeat\":1000000000}",
        PULL_MESSAGES, PULL_BYTES);
    natsStatus status = natsConnection_PublishRequest(
        self->connection, subject, reply, body, (int)strlen(body));
    if (status != NATS_OK) fail("pull", status);
}

// The end of a pull by its bytes, its time or its messages.
static void ended(Everything *self, const char *subject) {
    int index = 0;
    long number = 0;
    if (sscanf(subject + strlen(self->inbox), ".%d.%ld", &index, &number) != 2) return;
    for (int slot = 0; slot < PULLS; slot++) {
        Pull *candidate = &self->readers[index].pulls[slot];
        if (candidate->number == number) pull(self, index, candidate);
    }
}

static void delivered(
    natsConnection *connection, natsSubscription *subscription, natsMsg *message, void *closure) {
    (void)connection, (void)subscription;
    Everything *self = closure;
    const char *subject = natsMsg_GetSubject(message);
    if (natsMsg_GetDataLength(message) == 0) {
        const char *status = NULL;
        natsMsgHeader_Get(message, "Status", &status);
        if (status && strcmp(status, "100") != 0) ended(self, subject);
        natsMsg_Destroy(message);
        return;
    }
    int index = atoi(subject + strlen(self->run->prefix) + strlen(".ticks."));
    Reader *reader = &self->readers[index];
    self->messages++;
    self->bytes += natsMsg_GetDataLength(message);
    if (self->run->decoder)
        decode(natsMsg_GetData(message), natsMsg_GetDataLength(message), subject);
    natsMsg_Destroy(message);
    Pull *first = reader->pulls[0].number < reader->pulls[1].number ? &reader->pulls[0]
                                                                   : &reader->pulls[1];
    if (--first->remaining == 0) pull(self, index, first);
    if (self->messages == self->run->packets) {
        pthread_mutex_lock(&self->lock);
        self->is_done = true;
        pthread_cond_signal(&self->done);
        pthread_mutex_unlock(&self->lock);
    }
}

static void create_consumer(Everything *self, int index) {
    char subject[160], body[512];
    const Run *run = self->run;
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.%s_%d.bare-%d-%d", run->streams,
        index % STREAMS, getpid(), index);
    snprintf(body, sizeof body,
        "{\"stream_name\":\"%s_%d\",\"config\":{\"name\":\"bare-%d-%d\",\"ack_policy\":\"none\","
        "\"deliver_policy\":\"all\",\"replay_policy\":\"instant\",\"mem_storage\":true,"
        "\"num_replicas\":1,\"inactive_threshold\":30000000000,"
        "\"filter_subjects\":[\"%s.ticks.%d.*\",\"%s.wm.%d.*\"]}}",
        run->streams, index % STREAMS, getpid(), index, run->prefix, index, run->prefix,
        index % STREAMS);
    natsMsg *answer = NULL;
    natsStatus status = natsConnection_Request(
        &answer, self->connection, subject, body, (int)strlen(body), 5000);
    if (status != NATS_OK) fail("create a consumer", status);
    if (strstr(natsMsg_GetData(answer), "\"error\"")) {
        fprintf(stderr, "no consumer: %.*s\n", natsMsg_GetDataLength(answer),
            natsMsg_GetData(answer));
        exit(1);
    }
    natsMsg_Destroy(answer);
}

int run_read(const Run *run) {
    static Everything self;
    self.run = run;
    self.connection = connected(run);
    if (run->decoder) open_decoder(run->decoder);
    pthread_mutex_init(&self.lock, NULL);
    pthread_cond_init(&self.done, NULL);
    snprintf(self.inbox, sizeof self.inbox, "_INBOX.bare%lld", (long long)now_ns());
    char every[72];
    snprintf(every, sizeof every, "%s.>", self.inbox);
    natsSubscription *subscription = NULL;
    natsStatus status =
        natsConnection_Subscribe(&subscription, self.connection, every, delivered, &self);
    if (status != NATS_OK) fail("subscribe", status);
    natsSubscription_SetPendingLimits(subscription, -1, -1);

    // Consumers are made within the time measured: the tape's readers make theirs, too.
    double used = processor_us();
    int64_t start = now_ns();
    for (int index = 0; index < run->lanes; index++) create_consumer(&self, index);
    for (int index = 0; index < run->lanes; index++)
        for (int slot = 0; slot < PULLS; slot++) pull(&self, index, &self.readers[index].pulls[slot]);
    pthread_mutex_lock(&self.lock);
    while (!self.is_done) pthread_cond_wait(&self.done, &self.lock);
    pthread_mutex_unlock(&self.lock);
    int64_t rows = run->decoder ? decoded_rows() : 0;
    double seconds = (double)(now_ns() - start) / 1e9;
    used = processor_us() - used;
    printf("{\"packets_per_second\":%.1f,\"processor_us\":%.3f,\"rows\":%lld}\n",
        (double)self.messages / seconds, used / (double)self.messages, (long long)rows);
    natsConnection_Close(self.connection);
    return 0;
}
