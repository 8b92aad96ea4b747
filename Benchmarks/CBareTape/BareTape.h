// The limit that the tape's own publisher and reader are measured against: the least program that
// libnats allows for the same pattern. It packs no ticks, proves nothing and recovers from nothing.
#ifndef BARE_TAPE_H
#define BARE_TAPE_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    LANES_MAX = 128,
    STREAMS = 4,
    TIMED_MAX = 4000000, // packets of a run that ends by its time
};

typedef struct {
    const char *url;
    const char *prefix; // first token of the subjects, in capitals that of the streams
    const char *streams;
    const char *source;
    int lanes;
    int64_t packets;
    int bytes;
    double rate; // packets per second; 0: as many as it can
    bool asap;   // write at once instead of by libnats' flusher thread
    double seconds; // after which nothing more is sent; 0: when all packets are
    int window;  // packets in flight of a stream; 0: one for each of its subjects
    const char *packet; // the file whose bytes each packet has; NULL: zeros
    const char *decoder; // the library that makes columns of what is read; NULL: it is counted only
} Run;

// A publisher that goes on whatever its servers do.
typedef struct {
    const char *urls; // of all servers, comma-separated
    const char *prefix;
    const char *streams;
    const char *user;
    const char *password;
    int every_ms; // between two packets of a stream
} Hold;

int64_t now_ns(void);
double processor_us(void); // of this process so far
_Noreturn void fail(const char *what, natsStatus status);
natsConnection *connected(const Run *run);
// Subscribes to the answers below an inbox, whose name it makes.
void subscribe_answers(natsConnection *connection, char inbox[64], natsMsgHandler handler, void *closure);
// Names the subject of a lane, and where its answers go.
void name_lane(const Run *run, const char *inbox, int index, char subject[64], char reply[80]);
// The lane that an answer is for, and the sequence that it has. A refusal ends the program.
int answered_lane(natsMsg *message);
uint64_t answered_sequence(natsMsg *message);

int run_publish(const Run *run);
int run_read(const Run *run);

// libtapeline_decoder.so, as a program that was not linked with it uses it.
void open_decoder(const char *path);
void decode(const char *packet, int bytes, const char *subject);
int64_t decoded_rows(void); // takes what waits
int run_hold(const Hold *hold);
int run_replay(const Run *run, const char *path, const char *results);

#endif
