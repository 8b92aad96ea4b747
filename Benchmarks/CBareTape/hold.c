// A packet every so often on a subject of each stream, each compare-and-set on the one before it, until
// the program is ended. When no answer comes, it asks where the subject ends and goes on from there.
#include "BareTape.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ADDRESS_BYTES = 128, ANSWER_MS = 1000, RETRY_MS = 100, RECONNECT_MS = 250 };

typedef struct {
    jsCtx *tape;
    const Hold *hold;
    char stream[64];
    char subject[64];
} Line;

static void wait_ms(int milliseconds) {
    struct timespec wait = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

// Sets where the subject ends. Returns false if nothing says so.
static bool find_end(const Line *self, uint64_t *sequence) {
    natsMsg *message = NULL;
    jsErrCode code = 0;
    natsStatus status =
        js_GetLastMsg(&message, self->tape, self->stream, self->subject, NULL, &code);
    if (status == NATS_OK) *sequence = natsMsg_GetSequence(message);
    natsMsg_Destroy(message);
    if (code == JSNoMessageFoundErr) *sequence = 0;
    return status == NATS_OK || code == JSNoMessageFoundErr;
}

static void *hold_line(void *closure) {
    Line *self = closure;
    static const char payload[256];
    uint64_t sequence = 0;
    bool is_known = false;
    for (;;) {
        if (!is_known && !(is_known = find_end(self, &sequence))) {
            wait_ms(RETRY_MS);
            continue;
        }
        jsPubOptions options;
        jsPubOptions_Init(&options);
        options.MaxWait = ANSWER_MS;
        options.ExpectLastSubjectSeq = sequence;
        options.ExpectNoMessage = sequence == 0;
        jsPubAck *answer = NULL;
        natsStatus status = js_Publish(
            &answer, self->tape, self->subject, payload, sizeof payload, &options, NULL);
        if (status == NATS_OK) sequence = answer->Sequence;
        is_known = status == NATS_OK;
        jsPubAck_Destroy(answer);
        wait_ms(is_known ? self->hold->every_ms : RETRY_MS);
    }
    return NULL;
}

int run_hold(const Hold *hold) {
    static char addresses[STREAMS][ADDRESS_BYTES];
    const char *servers[STREAMS];
    int count = 0;
    for (const char *rest = hold->urls; rest && count < STREAMS; count++) {
        const char *end = strchr(rest, ',');
        snprintf(addresses[count], ADDRESS_BYTES, "%.*s", end ? (int)(end - rest) : (int)strlen(rest), rest);
        servers[count] = addresses[count];
        rest = end ? end + 1 : NULL;
    }
    natsOptions *options = NULL;
    natsConnection *connection = NULL;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK) status = natsOptions_SetServers(options, servers, count);
    if (status == NATS_OK) status = natsOptions_SetUserInfo(options, hold->user, hold->password);
    // The shipped rights keep each user to inboxes of its own.
    char inbox[64];
    snprintf(inbox, sizeof inbox, "_INBOX_%s", hold->user);
    if (status == NATS_OK) status = natsOptions_SetCustomInboxPrefix(options, inbox);
    if (status == NATS_OK) status = natsOptions_SetMaxReconnect(options, -1);
    if (status == NATS_OK) status = natsOptions_SetReconnectWait(options, RECONNECT_MS);
    if (status == NATS_OK) status = natsOptions_SetSendAsap(options, true);
    if (status == NATS_OK) status = natsConnection_Connect(&connection, options);
    if (status != NATS_OK) fail("connect", status);
    static Line lines[STREAMS];
    pthread_t threads[STREAMS];
    for (int index = 0; index < STREAMS; index++) {
        Line *line = &lines[index];
        line->hold = hold;
        snprintf(line->stream, sizeof line->stream, "%s_%d", hold->streams, index);
        snprintf(line->subject, sizeof line->subject, "%s.ticks.%d.bare", hold->prefix, index);
        status = natsConnection_JetStream(&line->tape, connection, NULL);
        if (status != NATS_OK) fail("use JetStream", status);
        if (pthread_create(&threads[index], NULL, hold_line, line) != 0) fail("start", NATS_ERR);
    }
    for (int index = 0; index < STREAMS; index++) pthread_join(threads[index], NULL);
    return 0;
}
