// The reading of streams through libnats, as tapeline_transport.h describes it.
//
// All messages come through one subscription, which lives as long as the connection: libnats 3.4.1
// may touch a subscription after it was destroyed. natsSubscription_Fetch is not used, because in
// 3.4.1 it writes past its memory. So this file makes the pulls itself.

#define _GNU_SOURCE
#include "tapeline_transport.h"

#include <inttypes.h>
#include <nats/nats.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    connect_milliseconds = 2000,
    answer_milliseconds = 5000,
    // The waits between the questions to a new consumer: the first one, and the longest.
    hearing_milliseconds_first = 10,
    hearing_milliseconds_max = 400,
    ping_milliseconds = 1000,
    pings_max = 2,
    servers_max = 16,
    filters_max = 4097,
    pulls_max = 2,
    // A pull lives for so long, and the server gives a sign of life every second.
    pull_seconds = 30,
    stall_milliseconds = 3000,
    // So long a close waits for libnats.
    close_seconds = 5,
    held_max = 4096,
    header_bytes = 88,
};

typedef struct range {
    int32_t state;
    uint32_t consumer;
    char stream[64];
    int32_t messages_max;
    uint64_t next_delivery;
    uint64_t pending;
    uint64_t sequence;
    uint64_t delivered;
    uint32_t pull;
    struct {
        uint32_t number;
        int32_t remaining;
    } pulls[pulls_max];
    int32_t pull_count;
    int link;
    int64_t heard;
    char reason[256];
} range;

struct tapeline_tape {
    // Under `tapes_lock`: the next open tape, and how many calls are under way.
    tapeline_tape *following;
    size_t calls;
    pthread_mutex_t lock;
    // A close has begun: calls end.
    atomic_bool is_ending;
    natsConnection *connection;
    natsSubscription *subscription;
    // The prefix of all inboxes, and of the consumers' names.
    char inbox[128];
    char name[32];
    uint32_t questions;
    range ranges[TAPELINE_RANGES_MAX];
    // Messages that came while an answer was waited for.
    natsMsg *held[held_max];
    size_t held_count;
    // The block.
    natsMsg *kept[TAPELINE_BLOCK_MESSAGES];
    tapeline_tape_message messages[TAPELINE_BLOCK_MESSAGES];
    size_t count;
    size_t bytes;
    tapeline_tape_lane lanes[TAPELINE_BLOCK_MESSAGES];
    size_t lane_count;
    // Written by libnats' threads.
    atomic_int links;
    pthread_mutex_t complaint_lock;
    char complaint[256];
    // Also under the lock: whether libnats makes no further call.
    bool is_closed;
    pthread_cond_t closing;
};

// The open tapes of this process. A call looks its tape up here, so one that was closed is not touched.
static pthread_mutex_t tapes_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t calls_ended = PTHREAD_COND_INITIALIZER;
static tapeline_tape *tapes;

// The process that has libnats' threads. A child of a fork has none of them, so no call comes there.
static _Atomic pid_t threads_process;

// ---- errors --------------------------------------------------------------------------------------

__attribute__((format(printf, 3, 4))) static int32_t failed(
    tapeline_tape_error *error, int32_t code, const char *format, ...) {
    if (error) {
        error->code = code;
        error->server_code = 0;
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
        for (char *at = error->text; *at; at++)
            if (*at == '\n' || *at == '\r') *at = ' ';
    }
    return code;
}

static int64_t now_milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

// The server's last complaint, such as a permission that is missing, since the last call.
static void take_complaint(tapeline_tape *tape, char *out, size_t size) {
    pthread_mutex_lock(&tape->complaint_lock);
    snprintf(out, size, "%s", tape->complaint);
    tape->complaint[0] = 0;
    pthread_mutex_unlock(&tape->complaint_lock);
}

static void on_error(
    natsConnection *connection, natsSubscription *subscription, natsStatus status, void *closure) {
    (void)subscription;
    tapeline_tape *tape = closure;
    const char *text = NULL;
    natsConnection_GetLastError(connection, &text);
    pthread_mutex_lock(&tape->complaint_lock);
    snprintf(tape->complaint, sizeof tape->complaint, "%s",
        text && *text ? text : natsStatus_GetText(status));
    pthread_mutex_unlock(&tape->complaint_lock);
}

static void on_reconnected(natsConnection *connection, void *closure) {
    (void)connection;
    atomic_fetch_add(&((tapeline_tape *)closure)->links, 1);
}

// libnats makes the calls of a connection one after the other, on a thread of its own, and this one last.
static void on_closed(natsConnection *connection, void *closure) {
    (void)connection;
    tapeline_tape *tape = closure;
    pthread_mutex_lock(&tape->complaint_lock);
    tape->is_closed = true;
    pthread_cond_signal(&tape->closing);
    pthread_mutex_unlock(&tape->complaint_lock);
}

// ---- the connection ------------------------------------------------------------------------------

uint32_t tapeline_transport_interface(void) { return TAPELINE_TRANSPORT_INTERFACE; }

static natsStatus set_servers(natsOptions *options, const char *urls) {
    char copy[2048];
    const char *servers[servers_max];
    int count = 0;
    if (strlen(urls) >= sizeof copy) return NATS_INVALID_ARG;
    strcpy(copy, urls);
    char *rest = copy;
    for (char *one; (one = strsep(&rest, ","));) {
        if (!*one) continue;
        if (count == servers_max) return NATS_INVALID_ARG;
        servers[count++] = one;
    }
    return count ? natsOptions_SetServers(options, servers, count) : NATS_INVALID_ARG;
}

static natsStatus set_tls(natsOptions *options, const tapeline_tape_options *wanted) {
    if (!wanted->authority && !strstr(wanted->url, "tls://")) return NATS_OK;
    natsStatus status = natsOptions_SetSecure(options, true);
    if (status == NATS_OK && wanted->authority)
        status = natsOptions_LoadCATrustedCertificates(options, wanted->authority);
    if (status == NATS_OK && wanted->certificate && wanted->key)
        status = natsOptions_LoadCertificatesChain(options, wanted->certificate, wanted->key);
    return status;
}

static natsStatus set_options(
    natsOptions *options, const tapeline_tape_options *wanted, tapeline_tape *tape) {
    natsStatus status = set_servers(options, wanted->url);
    if (status == NATS_OK && wanted->user)
        status = natsOptions_SetUserInfo(options, wanted->user, wanted->password);
    if (status == NATS_OK) status = set_tls(options, wanted);
    if (status == NATS_OK) status = natsOptions_SetName(options, "tapeline-python");
    if (status == NATS_OK) status = natsOptions_SetTimeout(options, connect_milliseconds);
    if (status == NATS_OK) status = natsOptions_SetPingInterval(options, ping_milliseconds);
    if (status == NATS_OK) status = natsOptions_SetMaxPingsOut(options, pings_max);
    // It tries for ever, and keeps nothing to be sent later.
    if (status == NATS_OK) status = natsOptions_SetMaxReconnect(options, -1);
    if (status == NATS_OK) status = natsOptions_SetReconnectWait(options, 50);
    if (status == NATS_OK) status = natsOptions_SetReconnectJitter(options, 200, 200);
    if (status == NATS_OK) status = natsOptions_SetReconnectBufSize(options, 1);
    if (status == NATS_OK) status = natsOptions_SetSendAsap(options, true);
    if (status == NATS_OK) status = natsOptions_SetErrorHandler(options, on_error, tape);
    if (status == NATS_OK) status = natsOptions_SetReconnectedCB(options, on_reconnected, tape);
    if (status == NATS_OK) status = natsOptions_SetClosedCB(options, on_closed, tape);
    return status;
}

// libnats starts threads here. They must not receive the process's signals.
static natsStatus connect_quietly(tapeline_tape *tape, const tapeline_tape_options *wanted) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t none = 0;
    atomic_compare_exchange_strong(&threads_process, &none, getpid());
    natsOptions *options = NULL;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK) status = set_options(options, wanted, tape);
    if (status == NATS_OK) status = natsConnection_Connect(&tape->connection, options);
    natsOptions_Destroy(options);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

static bool is_token(const char *text) {
    if (!text || !*text || strlen(text) > 64) return false;
    for (; *text; text++)
        if (strchr(".*> \t", *text)) return false;
    return true;
}

// Ends the connection, and waits for libnats' last call about it. Returns false when that did not come.
static bool end_connection(tapeline_tape *tape) {
    natsConnection_Close(tape->connection);
    if (atomic_load(&threads_process) != getpid()) return true;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += close_seconds;
    pthread_mutex_lock(&tape->complaint_lock);
    int code = 0;
    while (!tape->is_closed && !code)
        code = pthread_cond_clockwait(
            &tape->closing, &tape->complaint_lock, CLOCK_MONOTONIC, &until);
    bool is_closed = tape->is_closed;
    pthread_mutex_unlock(&tape->complaint_lock);
    return is_closed;
}

static void dispose(tapeline_tape *tape) {
    for (size_t index = 0; index < tape->count; index++) natsMsg_Destroy(tape->kept[index]);
    for (size_t index = 0; index < tape->held_count; index++) natsMsg_Destroy(tape->held[index]);
    // Closing ends libnats' thread of the connection, so nothing uses the subscription afterwards.
    bool is_ended = !tape->connection || end_connection(tape);
    natsSubscription_Destroy(tape->subscription);
    natsConnection_Destroy(tape->connection);
    // A call that may still come writes into the tape, so that stays.
    if (!is_ended) return;
    pthread_mutex_destroy(&tape->lock);
    pthread_mutex_destroy(&tape->complaint_lock);
    pthread_cond_destroy(&tape->closing);
    free(tape);
}

static int32_t connect_code(natsStatus status) {
    switch (status) {
        case NATS_CONNECTION_AUTH_FAILED:
        case NATS_NOT_PERMITTED:
        case NATS_SSL_ERROR: return TAPELINE_TAPE_REFUSED;
        case NATS_INVALID_ARG: return TAPELINE_TAPE_INVALID;
        case NATS_NO_MEMORY: return TAPELINE_TAPE_MEMORY;
        default: return TAPELINE_TAPE_AWAY;
    }
}

static void before_fork(void) { pthread_mutex_lock(&tapes_lock); }
static void after_fork(void) { pthread_mutex_unlock(&tapes_lock); }

// In the child. Its tapes are those that it opens itself.
static void forget_tapes(void) {
    pthread_mutex_init(&tapes_lock, NULL);
    pthread_cond_init(&calls_ended, NULL);
    tapes = NULL;
}

static pthread_once_t forks_watched = PTHREAD_ONCE_INIT;
static void watch_forks(void) { pthread_atfork(before_fork, after_fork, forget_tapes); }

tapeline_tape *tapeline_tape_open(const tapeline_tape_options *options, tapeline_tape_error *error) {
    if (!options || !options->url || strchr(options->url, '@')) {
        failed(error, TAPELINE_TAPE_INVALID, "a URL without user and password is needed");
        return NULL;
    }
    tapeline_tape *tape = calloc(1, sizeof *tape);
    uint64_t random[2];
    if (!tape || getrandom(random, sizeof random, 0) != sizeof random) {
        free(tape);
        failed(error, TAPELINE_TAPE_MEMORY, "there is not enough memory");
        return NULL;
    }
    pthread_mutex_init(&tape->lock, NULL);
    pthread_mutex_init(&tape->complaint_lock, NULL);
    pthread_cond_init(&tape->closing, NULL);
    snprintf(tape->name, sizeof tape->name, "py%016" PRIx64, random[0]);
    // The server's permissions keep other users from this prefix.
    snprintf(tape->inbox, sizeof tape->inbox, "_INBOX%s%s.%016" PRIx64,
        is_token(options->user) ? "_" : "", is_token(options->user) ? options->user : "", random[1]);
    natsStatus status = connect_quietly(tape, options);
    char subject[160];
    snprintf(subject, sizeof subject, "%s.>", tape->inbox);
    if (status == NATS_OK)
        status = natsConnection_SubscribeSync(&tape->subscription, tape->connection, subject);
    if (status == NATS_OK)
        status = natsSubscription_SetPendingLimits(tape->subscription, 65536, 64 << 20);
    if (status != NATS_OK) {
        failed(error, connect_code(status), "NATS at %s: %s", options->url, natsStatus_GetText(status));
        dispose(tape);
        return NULL;
    }
    pthread_once(&forks_watched, watch_forks);
    pthread_mutex_lock(&tapes_lock);
    tape->following = tapes;
    tapes = tape;
    pthread_mutex_unlock(&tapes_lock);
    return tape;
}

// Returns the place of an open tape in the list, or of the list's end. Under `tapes_lock`.
static tapeline_tape **place_of(const tapeline_tape *tape) {
    tapeline_tape **place = &tapes;
    while (*place && *place != tape) place = &(*place)->following;
    return place;
}

void tapeline_tape_close(tapeline_tape *tape) {
    pthread_mutex_lock(&tapes_lock);
    tapeline_tape **place = place_of(tape);
    bool is_open = tape && *place;
    if (is_open) {
        *place = tape->following;
        atomic_store(&tape->is_ending, true);
        while (tape->calls) pthread_cond_wait(&calls_ended, &tapes_lock);
    }
    pthread_mutex_unlock(&tapes_lock);
    if (is_open) dispose(tape);
}

static void leave(tapeline_tape *tape) {
    pthread_mutex_unlock(&tape->lock);
    pthread_mutex_lock(&tapes_lock);
    if (!--tape->calls && atomic_load(&tape->is_ending)) pthread_cond_broadcast(&calls_ended);
    pthread_mutex_unlock(&tapes_lock);
}

// Locks the tape. Returns false when it is not open in this process, or a close has begun.
static bool enter(tapeline_tape *tape) {
    pthread_mutex_lock(&tapes_lock);
    bool is_open = tape && *place_of(tape);
    if (is_open) tape->calls++;
    pthread_mutex_unlock(&tapes_lock);
    if (!is_open) return false;
    pthread_mutex_lock(&tape->lock);
    if (!atomic_load(&tape->is_ending)) return true;
    leave(tape);
    return false;
}

static int32_t not_entered(tapeline_tape_error *error) {
    return failed(error, TAPELINE_TAPE_INVALID,
        "there is no tape, it was closed, or it is of the process before the fork: open another one");
}

static bool is_up(tapeline_tape *tape) {
    return natsConnection_Status(tape->connection) == NATS_CONN_STATUS_CONNECTED;
}

int32_t tapeline_tape_is_connected(tapeline_tape *tape) {
    if (!enter(tape)) return 0;
    bool up = is_up(tape);
    leave(tape);
    return up;
}

// ---- pulls ---------------------------------------------------------------------------------------

__attribute__((format(printf, 2, 3))) static void doubt(range *own, const char *format, ...) {
    if (own->state != 1) return;
    own->state = 2;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(own->reason, sizeof own->reason, format, arguments);
    va_end(arguments);
}

static void pull(tapeline_tape *tape, int32_t number) {
    range *own = &tape->ranges[number];
    int32_t wanted = own->messages_max ? 1 : pulls_max;
    while (own->state == 1 && own->pull_count < wanted) {
        if (own->messages_max && own->pull) return;
        char subject[256], inbox[192], body[160];
        int32_t batch = own->messages_max ? own->messages_max : TAPELINE_PULL_MESSAGES;
        own->pull++;
        snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s-%d-%u", own->stream,
            tape->name, number, own->consumer);
        snprintf(inbox, sizeof inbox, "%s.p.%d.%u.%u", tape->inbox, number, own->consumer, own->pull);
        snprintf(body, sizeof body,
            "{\"batch\":%d,\"max_bytes\":%d,\"expires\":%d000000000,\"idle_heartbeat\":1000000000}",
            batch, TAPELINE_PULL_BYTES, pull_seconds);
        natsStatus status =
            natsConnection_PublishRequestString(tape->connection, subject, inbox, body);
        if (status != NATS_OK) {
            doubt(own, "a pull could not be sent: %s", natsStatus_GetText(status));
            return;
        }
        own->pulls[own->pull_count].number = own->pull;
        own->pulls[own->pull_count++].remaining = batch;
    }
}

static void end_pull(range *own, int32_t place) {
    own->pull_count--;
    for (int32_t index = place; index < own->pull_count; index++) own->pulls[index] = own->pulls[index + 1];
}

// Reads "<range>.<consumer>.<pull>" or "<range>-<consumer>" into numbers. Returns their count.
static int numbers(const char *text, uint64_t *out, int most) {
    int count = 0;
    while (count < most && *text >= '0' && *text <= '9') {
        char *end;
        out[count++] = strtoull(text, &end, 10);
        text = end;
        if (*text == '.' || *text == '-') text++;
    }
    return count;
}

// Returns the reading range that a number and its consumer name; NULL: none, or given up.
static range *reading(tapeline_tape *tape, uint64_t number, uint64_t consumer) {
    if (number >= TAPELINE_RANGES_MAX) return NULL;
    range *own = &tape->ranges[number];
    return own->state == 1 && own->consumer == consumer ? own : NULL;
}

// Returns a header's value; empty: the message has none.
static const char *header(natsMsg *message, const char *name) {
    const char *value = NULL;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK && value ? value : "";
}

// Handles a message of the server about a pull.
static void status_message(tapeline_tape *tape, natsMsg *message) {
    const char *subject = natsMsg_GetSubject(message);
    size_t prefix = strlen(tape->inbox);
    uint64_t place[3];
    if (strncmp(subject, tape->inbox, prefix) || strncmp(subject + prefix, ".p.", 3) ||
        numbers(subject + prefix + 3, place, 3) != 3)
        return;
    range *own = reading(tape, place[0], place[1]);
    if (!own) return;
    own->heard = now_milliseconds();
    const char *code = header(message, "Status"), *text = header(message, "Description");
    if (!strcmp(code, "100")) return;
    bool is_end = !strcmp(code, "404") || !strcmp(code, "408") ||
        (!strcmp(code, "409") &&
            (strcasestr(text, "MaxBytes") || strcasestr(text, "Batch Completed")));
    if (!is_end) {
        doubt(own, "the server answered %s %s", code, text);
        return;
    }
    for (int32_t index = 0; index < own->pull_count; index++)
        if (own->pulls[index].number == place[2]) {
            end_pull(own, index);
            break;
        }
    // A range of few messages has no second pull, so it begins again.
    if (own->messages_max) doubt(own, "the pull has ended");
    pull(tape, (int32_t)place[0]);
}

// What the reply subject of a delivery says.
typedef struct delivery {
    uint64_t number, consumer, sequence, delivery, pending;
    int64_t time;
} delivery;

// Reads "$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<sseq>.<cseq>.<time>.<pending>",
// which may have a random token at the end of the longer form.
static bool read_reply(const tapeline_tape *tape, const char *reply, delivery *out) {
    if (!reply || strncmp(reply, "$JS.ACK.", 8)) return false;
    const char *tokens[16];
    int count = 0;
    for (const char *at = reply; at && count < 16; at = strchr(at, '.')) {
        if (count) at++;
        tokens[count++] = at;
    }
    int consumer = count == 9 ? 3 : 5;
    if (count != 9 && count != 11 && count != 12) return false;
    size_t prefix = strlen(tape->name);
    uint64_t place[2];
    if (strncmp(tokens[consumer], tape->name, prefix) || tokens[consumer][prefix] != '-' ||
        numbers(tokens[consumer] + prefix + 1, place, 2) != 2)
        return false;
    out->number = place[0];
    out->consumer = place[1];
    out->sequence = strtoull(tokens[consumer + 2], NULL, 10);
    out->delivery = strtoull(tokens[consumer + 3], NULL, 10);
    out->time = strtoll(tokens[consumer + 4], NULL, 10);
    out->pending = strtoull(tokens[consumer + 5], NULL, 10);
    return true;
}

// ---- blocks --------------------------------------------------------------------------------------

static uint64_t number_at(const uint8_t *bytes, size_t offset, size_t count) {
    uint64_t value = 0;
    for (size_t index = count; index-- > 0;) value = value << 8 | bytes[offset + index];
    return value;
}

// Adds a packet to its lane, by its header: docs/wire-format.md has the fields.
static void note_packet(tapeline_tape_lane *lane, const uint8_t *bytes, uint64_t sequence, int64_t time) {
    uint64_t ticks = number_at(bytes, 20, 4), first = number_at(bytes, 32, 8);
    if (!lane->packets++) {
        memcpy(lane->source, bytes + 64, 24);
        lane->kind = bytes[58];
        lane->partition = (int32_t)number_at(bytes, 56, 2);
        lane->epoch = number_at(bytes, 24, 8);
        lane->first_ordinal = first;
        lane->first_sequence = sequence;
        lane->first_time = time;
    }
    lane->flags |= bytes[59];
    lane->next_ordinal = first + ticks;
    lane->last_first_ordinal = first;
    lane->last_sequence = sequence;
    lane->last_time = time;
    lane->watermark = (int64_t)number_at(bytes, 40, 8);
    lane->sent_time = (int64_t)number_at(bytes, 48, 8);
    lane->checksum = number_at(bytes, 8, 8);
}

// Finds the lane of a packet, and adds it. Each epoch has a lane of its own. The decoder judges the bytes, so one that is no packet is only left out here.
static void note_lane(tapeline_tape *tape, const tapeline_tape_message *message) {
    const uint8_t *bytes = message->bytes;
    if (message->count < header_bytes || number_at(bytes, 2, 2) != 1) return;
    int32_t kind = bytes[58], partition = (int32_t)number_at(bytes, 56, 2);
    uint64_t epoch = number_at(bytes, 24, 8);
    tapeline_tape_lane *lane = NULL;
    for (size_t index = tape->lane_count; index-- > 0 && !lane;) {
        tapeline_tape_lane *one = &tape->lanes[index];
        if (one->kind == kind && one->partition == partition && one->range == message->range &&
            one->epoch == epoch && !memcmp(one->source, bytes + 64, 24))
            lane = one;
    }
    if (!lane) {
        lane = &tape->lanes[tape->lane_count++];
        memset(lane, 0, sizeof *lane);
        lane->range = message->range;
        lane->place = (uint32_t)(message - tape->messages);
    }
    note_packet(lane, bytes, message->sequence, message->time);
}

// Takes a message that the server sent. It is in the block or destroyed afterwards.
static void take(tapeline_tape *tape, natsMsg *message) {
    delivery found;
    if (!read_reply(tape, natsMsg_GetReply(message), &found)) {
        status_message(tape, message);
        natsMsg_Destroy(message);
        return;
    }
    range *own = reading(tape, found.number, found.consumer);
    if (own && found.delivery != own->next_delivery)
        doubt(own, "delivery %" PRIu64 " came where %" PRIu64 " was due", found.delivery,
            own->next_delivery);
    if (!own || own->state != 1) {
        natsMsg_Destroy(message);
        return;
    }
    own->heard = now_milliseconds();
    own->next_delivery++;
    own->delivered++;
    own->pending = found.pending;
    own->sequence = found.sequence;
    if (own->pull_count && --own->pulls[0].remaining <= 0) end_pull(own, 0);
    pull(tape, (int32_t)found.number);
    tapeline_tape_message *out = &tape->messages[tape->count];
    out->bytes = (const uint8_t *)natsMsg_GetData(message);
    out->count = (uint32_t)natsMsg_GetDataLength(message);
    out->subject = natsMsg_GetSubject(message);
    out->sequence = found.sequence;
    out->time = found.time;
    out->pending = found.pending;
    out->range = (int32_t)found.number;
    tape->kept[tape->count++] = message;
    tape->bytes += out->count;
    note_lane(tape, out);
}

// Returns the next message, also one that was held; NULL: none came in time.
static natsMsg *next(tapeline_tape *tape, int64_t milliseconds) {
    if (tape->held_count) {
        natsMsg *message = tape->held[0];
        tape->held_count--;
        memmove(tape->held, tape->held + 1, tape->held_count * sizeof *tape->held);
        return message;
    }
    natsMsg *message = NULL;
    natsSubscription_NextMsg(&message, tape->subscription, milliseconds > 0 ? milliseconds : 0);
    return message;
}

// Doubts ranges whose link was lost, or of which nothing was heard. Only after everything that came was
// taken: a caller may have been away for long.
static void watch(tapeline_tape *tape) {
    int links = atomic_load(&tape->links);
    int64_t now = now_milliseconds();
    for (int32_t number = 0; number < TAPELINE_RANGES_MAX; number++) {
        range *own = &tape->ranges[number];
        if (own->link != links) doubt(own, "the connection was lost and opened again");
        if (now - own->heard > stall_milliseconds && is_up(tape))
            doubt(own, "nothing was heard from the consumer for %d s", stall_milliseconds / 1000);
    }
}

static bool any_doubt(const tapeline_tape *tape) {
    for (int32_t number = 0; number < TAPELINE_RANGES_MAX; number++)
        if (tape->ranges[number].state == 2) return true;
    return false;
}

int32_t tapeline_tape_fetch(tapeline_tape *tape, int32_t milliseconds, tapeline_tape_error *error) {
    if (!enter(tape)) return not_entered(error);
    for (size_t index = 0; index < tape->count; index++) natsMsg_Destroy(tape->kept[index]);
    tape->count = tape->bytes = tape->lane_count = 0;
    int64_t until = now_milliseconds() + milliseconds;
    while (tape->count < TAPELINE_BLOCK_MESSAGES && tape->bytes < TAPELINE_BLOCK_BYTES) {
        // After the first message only what is there already is taken.
        natsMsg *message = next(tape, 0);
        if (!message) {
            int64_t left = until - now_milliseconds();
            watch(tape);
            if (tape->count || left <= 0 || any_doubt(tape) || atomic_load(&tape->is_ending)) break;
            message = next(tape, left < 250 ? left : 250);
            if (!message) {
                if (natsConnection_IsClosed(tape->connection)) break;
                continue;
            }
        }
        take(tape, message);
    }
    int32_t code = TAPELINE_TAPE_OK;
    if (!tape->count && atomic_load(&tape->is_ending)) {
        code = failed(error, TAPELINE_TAPE_CLOSED, "the tape was closed");
    } else if (!tape->count && natsConnection_IsClosed(tape->connection)) {
        char complaint[256];
        take_complaint(tape, complaint, sizeof complaint);
        code = failed(error, TAPELINE_TAPE_CLOSED, "the connection to NATS was ended%s%s",
            *complaint ? ": " : "", complaint);
    }
    leave(tape);
    return code;
}

size_t tapeline_tape_block(tapeline_tape *tape, const tapeline_tape_message **messages) {
    if (!enter(tape)) return 0;
    *messages = tape->messages;
    size_t count = tape->count;
    leave(tape);
    return count;
}

size_t tapeline_tape_lanes(tapeline_tape *tape, const tapeline_tape_lane **lanes) {
    if (!enter(tape)) return 0;
    *lanes = tape->lanes;
    size_t count = tape->lane_count;
    leave(tape);
    return count;
}

int32_t tapeline_tape_feed(
    tapeline_tape *tape, int32_t range, tapeline_feed feed, void *decoder, size_t *place, void *error) {
    if (!enter(tape)) return TAPELINE_TAPE_INVALID;
    int32_t code = 0;
    for (; *place < tape->count; ++*place) {
        const tapeline_tape_message *one = &tape->messages[*place];
        if (range >= 0 && one->range != range) continue;
        tapeline_fed told = {one->sequence, one->time, one->subject};
        code = feed(decoder, one->bytes, one->count, &told, error);
        if (code) break;
    }
    leave(tape);
    return code;
}

// ---- ranges --------------------------------------------------------------------------------------

// Appends text to a bounded buffer. Returns false when it does not fit.
__attribute__((format(printf, 4, 5))) static bool append(
    char *buffer, size_t size, size_t *used, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(buffer + *used, size - *used, format, arguments);
    va_end(arguments);
    if (count < 0 || (size_t)count >= size - *used) return false;
    *used += (size_t)count;
    return true;
}

// Writes a time as RFC 3339, which the server's JSON wants.
static bool append_time(char *buffer, size_t size, size_t *used, int64_t nanoseconds) {
    time_t seconds = (time_t)(nanoseconds / 1000000000);
    struct tm parts;
    char text[64];
    if (!gmtime_r(&seconds, &parts)) return false;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    return append(buffer, size, used, ",\"deliver_policy\":\"by_start_time\",\"opt_start_time\":\"%s.%09dZ\"",
        text, (int)(nanoseconds % 1000000000));
}

// Only fields that nats-server 2.10 knows: later ones refuse others.
static bool write_request(
    const tapeline_tape *tape, const range *own, int32_t number, const tapeline_range *wanted,
    char *body, size_t size) {
    size_t used = 0;
    bool fits = append(body, size, &used,
        "{\"stream_name\":\"%s\",\"config\":{\"name\":\"%s-%d-%u\",\"ack_policy\":\"none\","
        "\"mem_storage\":true,\"num_replicas\":1,\"replay_policy\":\"instant\","
        "\"inactive_threshold\":%d000000000",
        wanted->stream, tape->name, number, own->consumer, wanted->idle_seconds);
    if (wanted->sequence)
        fits = fits && append(body, size, &used,
            ",\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":%" PRIu64, wanted->sequence);
    else if (wanted->time > 0)
        fits = fits && append_time(body, size, &used, wanted->time);
    else
        fits = fits && append(body, size, &used, ",\"deliver_policy\":\"all\"");
    if (wanted->filter_count == 1)
        fits = fits && append(body, size, &used, ",\"filter_subject\":\"%s\"", wanted->filters[0]);
    for (size_t index = 0; wanted->filter_count > 1 && index < wanted->filter_count; index++)
        fits = fits && append(body, size, &used, "%s\"%s\"",
            index ? "," : ",\"filter_subjects\":[", wanted->filters[index]);
    if (wanted->filter_count > 1) fits = fits && append(body, size, &used, "]");
    return fits && append(body, size, &used, "}}");
}

static bool is_text(const char *text, size_t most) {
    if (!text || !*text || strlen(text) > most) return false;
    for (; *text; text++)
        if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\') return false;
    return true;
}

static bool is_range(const tapeline_range *wanted) {
    if (!wanted || !is_text(wanted->stream, 63) || !is_token(wanted->stream) ||
        wanted->filter_count > filters_max || wanted->time < 0 || wanted->messages_max < 0 ||
        wanted->idle_seconds < 1 || wanted->idle_seconds > 300)
        return false;
    for (size_t index = 0; index < wanted->filter_count; index++)
        if (!is_text(wanted->filters[index], 255)) return false;
    return true;
}

// Waits for the answer to a question, and holds what else comes meanwhile.
static natsMsg *answer_to(tapeline_tape *tape, const char *inbox, int64_t milliseconds) {
    int64_t until = now_milliseconds() + milliseconds;
    for (;;) {
        int64_t left = until - now_milliseconds();
        natsMsg *message = NULL;
        if (left <= 0 || natsSubscription_NextMsg(&message, tape->subscription, left < 250 ? left : 250)) {
            bool complains;
            pthread_mutex_lock(&tape->complaint_lock);
            complains = tape->complaint[0] != 0;
            pthread_mutex_unlock(&tape->complaint_lock);
            if (left <= 0 || complains || !is_up(tape) || atomic_load(&tape->is_ending)) return NULL;
            continue;
        }
        if (!strcmp(natsMsg_GetSubject(message), inbox)) return message;
        if (tape->held_count < held_max) {
            tape->held[tape->held_count++] = message;
        } else {
            // Its consumer misses a delivery then, and is made again.
            natsMsg_Destroy(message);
        }
    }
}

// Whether the server complained of a missing right. Other complaints are forgotten.
static bool is_refused(tapeline_tape *tape, const char *stream, tapeline_tape_error *error) {
    char complaint[256];
    take_complaint(tape, complaint, sizeof complaint);
    if (!strcasestr(complaint, "permission")) return false;
    failed(error, TAPELINE_TAPE_REFUSED, "NATS does not let this user read the stream %s (%s)", stream, complaint);
    return true;
}

static int32_t unanswered(tapeline_tape *tape, const char *stream, tapeline_tape_error *error) {
    if (is_refused(tape, stream, error)) return TAPELINE_TAPE_REFUSED;
    return failed(error, natsConnection_IsClosed(tape->connection) ? TAPELINE_TAPE_CLOSED : TAPELINE_TAPE_AWAY,
        "NATS did not answer for the stream %s", stream);
}

// Waits until a new consumer of a cluster answers. The news of its subject and the news that it exists
// reach this server on two connections. A pull that comes before the first one is answered by 503, or
// dropped without a word. So one that takes no message is repeated; an answer to any of them counts.
static int32_t wait_until_heard(
    tapeline_tape *tape, const char *stream, int32_t number, int64_t until, tapeline_tape_error *error) {
    char subject[256], inbox[192];
    uint32_t consumer = tape->ranges[number].consumer;
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s-%d-%u", stream, tape->name, number, consumer);
    snprintf(inbox, sizeof inbox, "%s.h.%d.%u", tape->inbox, number, consumer);
    int64_t wait = hearing_milliseconds_first;
    do {
        // No message is so small, so it takes none.
        if (natsConnection_PublishRequestString(
                tape->connection, subject, inbox, "{\"batch\":1,\"max_bytes\":1,\"no_wait\":true}") != NATS_OK)
            break;
        int64_t turn = now_milliseconds() + wait, left;
        while (is_up(tape) && (left = turn - now_milliseconds()) > 0) {
            natsMsg *answer = answer_to(tape, inbox, left);
            if (!answer && is_refused(tape, stream, error)) return TAPELINE_TAPE_REFUSED;
            bool is_heard = answer && !natsMsg_IsNoResponders(answer);
            natsMsg_Destroy(answer);
            if (is_heard) return TAPELINE_TAPE_OK;
        }
        wait = wait * 2 < hearing_milliseconds_max ? wait * 2 : hearing_milliseconds_max;
    } while (is_up(tape) && !atomic_load(&tape->is_ending) && now_milliseconds() < until);
    return unanswered(tape, stream, error);
}

static int32_t read_answer(
    natsMsg *answer, const char *stream, uint64_t *pending, tapeline_tape_error *error) {
    char text[2048];
    size_t count = (size_t)natsMsg_GetDataLength(answer);
    if (count >= sizeof text) count = sizeof text - 1;
    memcpy(text, natsMsg_GetData(answer), count);
    text[count] = 0;
    char *refusal = strstr(text, "\"error\":{");
    if (refusal) {
        char *code = strstr(refusal, "\"err_code\":"), *told = strstr(refusal, "\"description\":\"");
        char *end = told ? strchr(told + 15, '"') : NULL;
        if (end) *end = 0;
        failed(error, TAPELINE_TAPE_REFUSED, "NATS refuses to read the stream %s: %s", stream,
            told ? told + 15 : "no reason");
        if (error) error->server_code = code ? atoi(code + 11) : 0;
        return TAPELINE_TAPE_REFUSED;
    }
    char *found = strstr(natsMsg_GetDataLength(answer) ? text : "", "\"num_pending\":");
    if (!found) {
        const char *whole = natsMsg_GetData(answer);
        size_t length = (size_t)natsMsg_GetDataLength(answer);
        found = whole && length ? memmem(whole, length, "\"num_pending\":", 14) : NULL;
    }
    if (*header(answer, "Status") || !found)
        return failed(error, TAPELINE_TAPE_AWAY, "JetStream does not answer for the stream %s", stream);
    *pending = strtoull(found + 14, NULL, 10);
    return TAPELINE_TAPE_OK;
}

static int32_t ask(
    tapeline_tape *tape, const char *stream, int32_t number, const char *body, uint64_t *pending,
    tapeline_tape_error *error) {
    char subject[256], inbox[192], complaint[256];
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.CREATE.%s.%s-%d-%u", stream, tape->name, number,
        tape->ranges[number].consumer);
    snprintf(inbox, sizeof inbox, "%s.a.%u", tape->inbox, ++tape->questions);
    take_complaint(tape, complaint, sizeof complaint);
    natsStatus status = natsConnection_PublishRequestString(tape->connection, subject, inbox, body);
    if (status != NATS_OK)
        return failed(error, natsConnection_IsClosed(tape->connection) ? TAPELINE_TAPE_CLOSED : TAPELINE_TAPE_AWAY,
            "NATS cannot be asked: %s", natsStatus_GetText(status));
    int64_t until = now_milliseconds() + answer_milliseconds;
    natsMsg *answer = answer_to(tape, inbox, answer_milliseconds);
    if (!answer) return unanswered(tape, stream, error);
    int32_t code = read_answer(answer, stream, pending, error);
    // A server that is alone has no name of a cluster.
    static const char cluster[] = "\"cluster\":{\"name\":\"";
    bool is_clustered = !code && memmem(natsMsg_GetData(answer), (size_t)natsMsg_GetDataLength(answer),
        cluster, sizeof cluster - 1);
    natsMsg_Destroy(answer);
    return is_clustered ? wait_until_heard(tape, stream, number, until, error) : code;
}

int32_t tapeline_tape_begin(
    tapeline_tape *tape, int32_t number, const tapeline_range *wanted, uint64_t *pending,
    tapeline_tape_error *error) {
    if (!enter(tape)) return not_entered(error);
    int32_t code = TAPELINE_TAPE_OK;
    size_t size = 1024 + (is_range(wanted) ? wanted->filter_count : 0) * 260;
    char *body = malloc(size);
    if (number < 0 || number >= TAPELINE_RANGES_MAX || !is_range(wanted) || !pending) {
        code = failed(error, TAPELINE_TAPE_INVALID, "this is no range of a stream");
    } else if (!body) {
        code = failed(error, TAPELINE_TAPE_MEMORY, "there is not enough memory");
    } else {
        range *own = &tape->ranges[number];
        uint32_t consumer = own->consumer + 1;
        memset(own, 0, sizeof *own);
        own->consumer = consumer;
        own->messages_max = wanted->messages_max;
        own->link = atomic_load(&tape->links);
        snprintf(own->stream, sizeof own->stream, "%s", wanted->stream);
        if (write_request(tape, own, number, wanted, body, size))
            code = ask(tape, wanted->stream, number, body, pending, error);
        else
            code = failed(error, TAPELINE_TAPE_INVALID, "the range has too many filters");
        if (!code) {
            own->state = 1;
            own->next_delivery = 1;
            own->pending = *pending;
            own->heard = now_milliseconds();
            pull(tape, number);
        }
    }
    free(body);
    leave(tape);
    return code;
}

// Reads the header of a packet from the Base64 of its bytes.
static bool read_header(const char *text, const char *end, uint8_t *bytes) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int have = 0;
    for (size_t count = 0; count < header_bytes; text++) {
        const char *letter = text < end && *text ? strchr(letters, *text) : NULL;
        if (!letter) return false;
        bits = bits << 6 | (uint32_t)(letter - letters);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        bytes[count++] = (uint8_t)(bits >> have);
    }
    return number_at(bytes, 2, 2) == 1;
}

static int32_t read_last(
    natsMsg *answer, const char *stream, tapeline_tape_lane *lane, tapeline_tape_error *error) {
    static const char data[] = "\"data\":\"", sequence[] = "\"seq\":";
    const char *text = natsMsg_GetData(answer);
    size_t count = (size_t)natsMsg_GetDataLength(answer);
    const char *found = text ? memmem(text, count, data, sizeof data - 1) : NULL;
    const char *number = text ? memmem(text, count, sequence, sizeof sequence - 1) : NULL;
    uint8_t bytes[header_bytes];
    if (found && number && read_header(found + sizeof data - 1, text + count, bytes)) {
        note_packet(lane, bytes, strtoull(number + sizeof sequence - 1, NULL, 10), 0);
        return TAPELINE_TAPE_OK;
    }
    // No message of this subject is stored.
    if (text && memmem(text, count, "\"err_code\":10037", 16)) return TAPELINE_TAPE_OK;
    return failed(error, *header(answer, "Status") ? TAPELINE_TAPE_AWAY : TAPELINE_TAPE_REFUSED,
        "NATS does not give the last packet of the stream %s", stream);
}

int32_t tapeline_tape_last(
    tapeline_tape *tape, const char *stream, const char *subject, tapeline_tape_lane *lane,
    tapeline_tape_error *error) {
    if (!enter(tape)) return not_entered(error);
    int32_t code = TAPELINE_TAPE_OK;
    if (!is_token(stream) || !is_text(subject, 255) || !lane) {
        code = failed(error, TAPELINE_TAPE_INVALID, "this is no subject of a stream");
    } else {
        char path[256], inbox[192], body[512], complaint[256];
        memset(lane, 0, sizeof *lane);
        snprintf(path, sizeof path, "$JS.API.STREAM.MSG.GET.%s", stream);
        snprintf(inbox, sizeof inbox, "%s.a.%u", tape->inbox, ++tape->questions);
        snprintf(body, sizeof body, "{\"last_by_subj\":\"%s\"}", subject);
        take_complaint(tape, complaint, sizeof complaint);
        natsStatus status = natsConnection_PublishRequestString(tape->connection, path, inbox, body);
        natsMsg *answer = status == NATS_OK ? answer_to(tape, inbox, answer_milliseconds) : NULL;
        code = answer ? read_last(answer, stream, lane, error) : unanswered(tape, stream, error);
        natsMsg_Destroy(answer);
    }
    leave(tape);
    return code;
}

int32_t tapeline_tape_end(tapeline_tape *tape, int32_t number) {
    if (!enter(tape)) return TAPELINE_TAPE_INVALID;
    if (number >= 0 && number < TAPELINE_RANGES_MAX) tape->ranges[number].state = 0;
    leave(tape);
    return TAPELINE_TAPE_OK;
}

int32_t tapeline_tape_range(tapeline_tape *tape, int32_t number, tapeline_range_state *out) {
    if (!enter(tape)) return TAPELINE_TAPE_INVALID;
    memset(out, 0, sizeof *out);
    if (number >= 0 && number < TAPELINE_RANGES_MAX) {
        range *own = &tape->ranges[number];
        out->state = own->state;
        out->pending = own->pending;
        out->sequence = own->sequence;
        out->delivered = own->delivered;
        memcpy(out->reason, own->reason, sizeof out->reason);
    }
    leave(tape);
    return TAPELINE_TAPE_OK;
}
