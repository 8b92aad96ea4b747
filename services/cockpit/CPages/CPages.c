// The compiler reads the files: after a change of one this is compiled again, and `PageFiles`.
#include "CPages.h"

#include <stddef.h>

// Here the compiler is of C17 and warns of this part of C23.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const struct page_file files[] = {
    {"actions.html", (const unsigned char[]){
#embed "files/actions.html" suffix(, 0)
    }},
    {"actions.js", (const unsigned char[]){
#embed "files/actions.js" suffix(, 0)
    }},
    {"alerts.html", (const unsigned char[]){
#embed "files/alerts.html" suffix(, 0)
    }},
    {"alerts.js", (const unsigned char[]){
#embed "files/alerts.js" suffix(, 0)
    }},
    {"bars.js", (const unsigned char[]){
#embed "files/bars.js" suffix(, 0)
    }},
    {"candles.js", (const unsigned char[]){
#embed "files/candles.js" suffix(, 0)
    }},
    {"canvas.js", (const unsigned char[]){
#embed "files/canvas.js" suffix(, 0)
    }},
    {"chart.html", (const unsigned char[]){
#embed "files/chart.html" suffix(, 0)
    }},
    {"chart.js", (const unsigned char[]){
#embed "files/chart.js" suffix(, 0)
    }},
    {"copy.js", (const unsigned char[]){
#embed "files/copy.js" suffix(, 0)
    }},
    {"dead.html", (const unsigned char[]){
#embed "files/dead.html" suffix(, 0)
    }},
    {"dead.js", (const unsigned char[]){
#embed "files/dead.js" suffix(, 0)
    }},
    {"feeds.html", (const unsigned char[]){
#embed "files/feeds.html" suffix(, 0)
    }},
    {"feeds.js", (const unsigned char[]){
#embed "files/feeds.js" suffix(, 0)
    }},
    {"frame.html", (const unsigned char[]){
#embed "files/frame.html" suffix(, 0)
    }},
    {"gaps.html", (const unsigned char[]){
#embed "files/gaps.html" suffix(, 0)
    }},
    {"gaps.js", (const unsigned char[]){
#embed "files/gaps.js" suffix(, 0)
    }},
    {"graph.js", (const unsigned char[]){
#embed "files/graph.js" suffix(, 0)
    }},
    {"icon.svg", (const unsigned char[]){
#embed "files/icon.svg" suffix(, 0)
    }},
    {"latest.html", (const unsigned char[]){
#embed "files/latest.html" suffix(, 0)
    }},
    {"latest.js", (const unsigned char[]){
#embed "files/latest.js" suffix(, 0)
    }},
    {"live.js", (const unsigned char[]){
#embed "files/live.js" suffix(, 0)
    }},
    {"matrix.js", (const unsigned char[]){
#embed "files/matrix.js" suffix(, 0)
    }},
    {"overview.html", (const unsigned char[]){
#embed "files/overview.html" suffix(, 0)
    }},
    {"overview.js", (const unsigned char[]){
#embed "files/overview.js" suffix(, 0)
    }},
    {"partitions.html", (const unsigned char[]){
#embed "files/partitions.html" suffix(, 0)
    }},
    {"partitions.js", (const unsigned char[]){
#embed "files/partitions.js" suffix(, 0)
    }},
    {"signin.js", (const unsigned char[]){
#embed "files/signin.js" suffix(, 0)
    }},
    {"store.html", (const unsigned char[]){
#embed "files/store.html" suffix(, 0)
    }},
    {"store.js", (const unsigned char[]){
#embed "files/store.js" suffix(, 0)
    }},
    {"stream.js", (const unsigned char[]){
#embed "files/stream.js" suffix(, 0)
    }},
    {"style.css", (const unsigned char[]){
#embed "files/style.css" suffix(, 0)
    }},
    {"table.js", (const unsigned char[]){
#embed "files/table.js" suffix(, 0)
    }},
    {"tape.html", (const unsigned char[]){
#embed "files/tape.html" suffix(, 0)
    }},
    {"tape.js", (const unsigned char[]){
#embed "files/tape.js" suffix(, 0)
    }},
    {"timeline.js", (const unsigned char[]){
#embed "files/timeline.js" suffix(, 0)
    }},
    {"token.html", (const unsigned char[]){
#embed "files/token.html" suffix(, 0)
    }},
    {"worker.js", (const unsigned char[]){
#embed "files/worker.js" suffix(, 0)
    }},
    {NULL, (const unsigned char[]){0}},
};

const struct page_file *page_files(void) { return files; }
