// One packet in flight per subject, and `window` per stream, each compare-and-set on the one before it
// on its subject.
#include "BareTape.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    char subject[64];
    char reply[80];
    uint64_t sequence;
    int64_t sent_at;
    atomic_bool busy;
} Lane;

typedef struct {
    const Run *run;
    natsConnection *connection;
    Lane lanes[LANES_MAX];
    char *payload;
    int next[STREAMS]; // the lane of the stream that is considered first
    int64_t until; // nothing is sent after it
    int64_t left; // packets that are not sent yet; of the thread that sends
    int64_t sent;
    int64_t acknowledged;
    int64_t *latencies;
    pthread_mutex_t lock;
    pthread_cond_t done;
    atomic_bool is_done;
} Publisher;

static void publish_next(Publisher *self, Lane *lane) {
    natsMsg *message = NULL;
    char expected[24];
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)lane->sequence);
    natsStatus status =
        natsMsg_Create(&message, lane->subject, lane->reply, self->payload, self->run->bytes);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(message, "Nats-Expected-Last-Subject-Sequence", expected);
    lane->sent_at = now_ns();
    if (status == NATS_OK) status = natsConnection_PublishMsg(self->connection, message);
    natsMsg_Destroy(message);
    if (status != NATS_OK) fail("publish", status);
}

// The next free lane of a stream, in turn. There is one: a lane has at most one packet in flight.
static Lane *free_lane(Publisher *self, int stream) {
    int lane = self->next[stream];
    while (atomic_load(&self->lanes[lane].busy)) {
        lane += STREAMS;
        if (lane >= self->run->lanes) lane = stream;
    }
    self->next[stream] = lane + STREAMS < self->run->lanes ? lane + STREAMS : stream;
    atomic_store(&self->lanes[lane].busy, true);
    return &self->lanes[lane];
}

static void acknowledged(
    natsConnection *connection, natsSubscription *subscription, natsMsg *message, void *closure) {
    (void)connection, (void)subscription;
    Publisher *self = closure;
    Lane *lane = &self->lanes[answered_lane(message)];
    uint64_t sequence = answered_sequence(message);
    lane->sequence = sequence;
    self->latencies[self->acknowledged++] = now_ns() - lane->sent_at;
    natsMsg_Destroy(message);
    atomic_store(&lane->busy, false);
    if (now_ns() >= self->until) self->left = 0;
    // At a fixed rate nothing is left here.
    if (self->left > 0) {
        self->left--;
        self->sent++;
        publish_next(self, free_lane(self, (int)(lane - self->lanes) % STREAMS));
    }
    if (self->acknowledged == self->sent) {
        pthread_mutex_lock(&self->lock);
        atomic_store(&self->is_done, true);
        pthread_cond_signal(&self->done);
        pthread_mutex_unlock(&self->lock);
    }
}

// At a fixed rate, on the next subject that is free.
static void publish_paced(Publisher *self) {
    int64_t start = now_ns();
    int next = 0;
    for (int64_t count = 0; count < self->run->packets; count++) {
        int64_t due = start + (int64_t)((double)count * 1e9 / self->run->rate);
        struct timespec until = {due / 1000000000, due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        while (atomic_load(&self->lanes[next].busy)) {
            next = (next + 1) % self->run->lanes;
            if (next == 0) clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 50000}, NULL);
        }
        atomic_store(&self->lanes[next].busy, true);
        publish_next(self, &self->lanes[next]);
        next = (next + 1) % self->run->lanes;
    }
}

// Fills the window of each stream.
static void publish_first(Publisher *self) {
    const Run *run = self->run;
    Lane *first[LANES_MAX];
    int count = 0;
    for (int index = 0; index < run->lanes && count < run->packets; index++)
        if (run->window == 0 || index / STREAMS < run->window)
            first[count++] = free_lane(self, index % STREAMS);
    // The callback changes these only after the first answer, so all are counted before.
    self->sent = count;
    self->left = run->packets - count;
    for (int index = 0; index < count; index++) publish_next(self, first[index]);
}

static void read_payload(Publisher *self) {
    size_t bytes = (size_t)self->run->bytes;
    self->payload = calloc(1, bytes);
    if (!self->run->packet) return;
    FILE *file = fopen(self->run->packet, "rb");
    if (!file || fread(self->payload, 1, bytes, file) != bytes) {
        perror(self->run->packet);
        exit(1);
    }
    fclose(file);
}

static int by_value(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static void tell(Publisher *self, double seconds, double used) {
    int64_t count = self->acknowledged;
    qsort(self->latencies, (size_t)count, sizeof(int64_t), by_value);
    printf("{\"packets_per_second\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,"
           "\"processor_us\":%.3f}\n",
        (double)count / seconds, (double)self->latencies[count / 2] / 1e3,
        (double)self->latencies[count * 99 / 100] / 1e3,
        (double)self->latencies[count - 1] / 1e3, used / (double)count);
}

int run_publish(const Run *run) {
    static Publisher self;
    self.run = run;
    self.connection = connected(run);
    read_payload(&self);
    self.latencies = calloc((size_t)run->packets, sizeof(int64_t));
    pthread_mutex_init(&self.lock, NULL);
    pthread_cond_init(&self.done, NULL);
    char inbox[64];
    subscribe_answers(self.connection, inbox, acknowledged, &self);
    for (int stream = 0; stream < STREAMS; stream++) self.next[stream] = stream;
    for (int index = 0; index < run->lanes; index++) {
        Lane *lane = &self.lanes[index];
        name_lane(run, inbox, index, lane->subject, lane->reply);
    }

    double used = processor_us();
    int64_t start = now_ns();
    self.until = run->seconds > 0 ? start + (int64_t)(run->seconds * 1e9) : INT64_MAX;
    if (run->rate > 0) {
        self.sent = run->packets;
        publish_paced(&self);
    } else {
        publish_first(&self);
    }
    pthread_mutex_lock(&self.lock);
    while (!atomic_load(&self.is_done)) pthread_cond_wait(&self.done, &self.lock);
    pthread_mutex_unlock(&self.lock);
    double seconds = (double)(now_ns() - start) / 1e9;
    used = processor_us() - used;
    tell(&self, seconds, used);
    natsConnection_Close(self.connection);
    return 0;
}
