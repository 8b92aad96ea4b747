// Packets of a file, each on its subject at its time: one in flight per subject, each compare-and-set
// on the one before it in the file. A row of the file: when, in nanoseconds from the start (8 bytes),
// the number of the subject (4), how many bytes (4), the bytes; rows stand in the order of time.
#include "BareTape.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAD_NS = 100000000 };

typedef struct {
    int64_t due;
    int32_t lane;
    int32_t bytes;
} Head;

typedef struct {
    int64_t due; // on the monotonic clock
    int64_t sent;
    int64_t acknowledged;
    const char *payload;
    int32_t bytes;
    int lane;
    int next; // of the same lane; -1: none
} Row;

typedef struct {
    char subject[64];
    char reply[80];
    uint64_t sequence;
    int flying; // -1: nothing is in flight
    int waiting; // the first that is due and waits; -1: none
} Lane;

typedef struct {
    natsConnection *connection;
    Lane lanes[LANES_MAX];
    Row *rows;
    int count;
    int acknowledged;
    pthread_mutex_t lock;
    pthread_cond_t done;
} Replay;

static char *contents(const char *path, long *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0 || (*size = ftell(file)) < 0) {
        perror(path);
        exit(1);
    }
    rewind(file);
    char *bytes = malloc((size_t)*size + 1);
    if (!bytes || fread(bytes, 1, (size_t)*size, file) != (size_t)*size) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return bytes;
}

static void read_rows(Replay *self, const char *path) {
    long size = 0;
    char *bytes = contents(path, &size);
    int last[LANES_MAX];
    for (int lane = 0; lane < LANES_MAX; lane++) last[lane] = -1;
    self->rows = calloc((size_t)size / sizeof(Head) + 1, sizeof(Row));
    for (long place = 0; place < size;) {
        Head head;
        if (size - place < (long)sizeof head) goto damaged;
        memcpy(&head, bytes + place, sizeof head);
        place += (long)sizeof head;
        if (head.lane < 0 || head.lane >= LANES_MAX || head.bytes < 1 || size - place < head.bytes)
            goto damaged;
        self->rows[self->count] = (Row){.due = head.due, .payload = bytes + place,
            .bytes = head.bytes, .lane = head.lane, .next = -1};
        if (last[head.lane] >= 0) self->rows[last[head.lane]].next = self->count;
        last[head.lane] = self->count++;
        place += head.bytes;
    }
    return;
damaged:
    fprintf(stderr, "%s is damaged\n", path);
    exit(1);
}

// The lock is held.
static void publish(Replay *self, int index) {
    Row *row = &self->rows[index];
    Lane *lane = &self->lanes[row->lane];
    natsMsg *message = NULL;
    char expected[24];
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)lane->sequence);
    lane->flying = index;
    row->sent = now_ns();
    natsStatus status =
        natsMsg_Create(&message, lane->subject, lane->reply, row->payload, row->bytes);
    if (status == NATS_OK && lane->sequence > 0)
        status = natsMsgHeader_Set(message, "Nats-Expected-Last-Subject-Sequence", expected);
    if (status == NATS_OK) status = natsConnection_PublishMsg(self->connection, message);
    natsMsg_Destroy(message);
    if (status != NATS_OK) fail("publish", status);
}

static void acknowledged(
    natsConnection *connection, natsSubscription *subscription, natsMsg *message, void *closure) {
    (void)connection, (void)subscription;
    int64_t now = now_ns();
    Replay *self = closure;
    Lane *lane = &self->lanes[answered_lane(message)];
    uint64_t sequence = answered_sequence(message);
    pthread_mutex_lock(&self->lock);
    lane->sequence = sequence;
    self->rows[lane->flying].acknowledged = now;
    lane->flying = -1;
    if (lane->waiting >= 0) {
        int index = lane->waiting, next = self->rows[index].next;
        lane->waiting = next >= 0 && self->rows[next].due <= now ? next : -1;
        publish(self, index);
    }
    if (++self->acknowledged == self->count) pthread_cond_signal(&self->done);
    pthread_mutex_unlock(&self->lock);
    natsMsg_Destroy(message);
}

static void publish_when_due(Replay *self) {
    for (int index = 0; index < self->count; index++) {
        Row *row = &self->rows[index];
        struct timespec until = {row->due / 1000000000, row->due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        pthread_mutex_lock(&self->lock);
        Lane *lane = &self->lanes[row->lane];
        // An acknowledgement may have sent it, or have found that it waits, a moment ago.
        if (row->sent == 0 && lane->flying < 0) {
            publish(self, index);
        } else if (row->sent == 0 && lane->waiting < 0) {
            lane->waiting = index;
        }
        pthread_mutex_unlock(&self->lock);
    }
}

// Writes per row: from its time, and from sending it, to its acknowledgement, in nanoseconds.
static void tell(const Replay *self, const char *path) {
    FILE *file = fopen(path, "wb");
    for (int index = 0; file && index < self->count; index++) {
        const Row *row = &self->rows[index];
        int64_t pair[] = {row->acknowledged - row->due, row->acknowledged - row->sent};
        if (fwrite(pair, sizeof pair, 1, file) != 1) break;
    }
    if (!file || ferror(file) || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

int run_replay(const Run *run, const char *path, const char *results) {
    static Replay self;
    self.connection = connected(run);
    pthread_mutex_init(&self.lock, NULL);
    pthread_cond_init(&self.done, NULL);
    read_rows(&self, path);
    char inbox[64];
    subscribe_answers(self.connection, inbox, acknowledged, &self);
    for (int index = 0; index < LANES_MAX; index++) {
        Lane *lane = &self.lanes[index];
        lane->flying = lane->waiting = -1;
        name_lane(run, inbox, index, lane->subject, lane->reply);
    }

    double used = processor_us();
    int64_t start = now_ns() + LEAD_NS;
    for (int index = 0; index < self.count; index++) self.rows[index].due += start;
    publish_when_due(&self);
    pthread_mutex_lock(&self.lock);
    while (self.acknowledged < self.count) pthread_cond_wait(&self.done, &self.lock);
    pthread_mutex_unlock(&self.lock);
    used = processor_us() - used;
    tell(&self, results);
    printf("{\"packets\":%d,\"processor_us\":%.3f}\n", self.count,
        self.count > 0 ? used / self.count : 0);
    natsConnection_Close(self.connection);
    return 0;
}
