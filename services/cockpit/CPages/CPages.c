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
    {"answer.js", (const unsigned char[]){
#embed "files/answer.js" suffix(, 0)
    }},
    {"bar-cache.js", (const unsigned char[]){
#embed "files/bar-cache.js" suffix(, 0)
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
    {"chart-bar.js", (const unsigned char[]){
#embed "files/chart-bar.js" suffix(, 0)
    }},
    {"chart-hands.js", (const unsigned char[]){
#embed "files/chart-hands.js" suffix(, 0)
    }},
    {"chart-more.js", (const unsigned char[]){
#embed "files/chart-more.js" suffix(, 0)
    }},
    {"chart-words.js", (const unsigned char[]){
#embed "files/chart-words.js" suffix(, 0)
    }},
    {"chart.html", (const unsigned char[]){
#embed "files/chart.html" suffix(, 0)
    }},
    {"chart.js", (const unsigned char[]){
#embed "files/chart.js" suffix(, 0)
    }},
    {"clock.js", (const unsigned char[]){
#embed "files/clock.js" suffix(, 0)
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
    {"edges.js", (const unsigned char[]){
#embed "files/edges.js" suffix(, 0)
    }},
    {"feeds.html", (const unsigned char[]){
#embed "files/feeds.html" suffix(, 0)
    }},
    {"feeds.js", (const unsigned char[]){
#embed "files/feeds.js" suffix(, 0)
    }},
    {"figures.js", (const unsigned char[]){
#embed "files/figures.js" suffix(, 0)
    }},
    {"frame.html", (const unsigned char[]){
#embed "files/frame.html" suffix(, 0)
    }},
    {"gap-list.js", (const unsigned char[]){
#embed "files/gap-list.js" suffix(, 0)
    }},
    {"gaps.html", (const unsigned char[]){
#embed "files/gaps.html" suffix(, 0)
    }},
    {"gaps.js", (const unsigned char[]){
#embed "files/gaps.js" suffix(, 0)
    }},
    {"icon.svg", (const unsigned char[]){
#embed "files/icon.svg" suffix(, 0)
    }},
    {"jump.js", (const unsigned char[]){
#embed "files/jump.js" suffix(, 0)
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
    {"market.html", (const unsigned char[]){
#embed "files/market.html" suffix(, 0)
    }},
    {"market.js", (const unsigned char[]){
#embed "files/market.js" suffix(, 0)
    }},
    {"matrix.js", (const unsigned char[]){
#embed "files/matrix.js" suffix(, 0)
    }},
    {"order.js", (const unsigned char[]){
#embed "files/order.js" suffix(, 0)
    }},
    {"overlay.js", (const unsigned char[]){
#embed "files/overlay.js" suffix(, 0)
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
    {"runbook.js", (const unsigned char[]){
#embed "files/runbook.js" suffix(, 0)
    }},
    {"scale.js", (const unsigned char[]){
#embed "files/scale.js" suffix(, 0)
    }},
    {"signin.js", (const unsigned char[]){
#embed "files/signin.js" suffix(, 0)
    }},
    {"spark.js", (const unsigned char[]){
#embed "files/spark.js" suffix(, 0)
    }},
    {"sql.html", (const unsigned char[]){
#embed "files/sql.html" suffix(, 0)
    }},
    {"sql.js", (const unsigned char[]){
#embed "files/sql.js" suffix(, 0)
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
    {"strip.js", (const unsigned char[]){
#embed "files/strip.js" suffix(, 0)
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
    {"versions.js", (const unsigned char[]){
#embed "files/versions.js" suffix(, 0)
    }},
    {"view.js", (const unsigned char[]){
#embed "files/view.js" suffix(, 0)
    }},
    {"worker.js", (const unsigned char[]){
#embed "files/worker.js" suffix(, 0)
    }},
    {"runbook-ActionsNotTaken.md", (const unsigned char[]){
#embed "../../../docs/runbooks/ActionsNotTaken.md" suffix(, 0)
    }},
    {"runbook-Backups.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Backups.md" suffix(, 0)
    }},
    {"runbook-BarsBehind.md", (const unsigned char[]){
#embed "../../../docs/runbooks/BarsBehind.md" suffix(, 0)
    }},
    {"runbook-BreakerOpen.md", (const unsigned char[]){
#embed "../../../docs/runbooks/BreakerOpen.md" suffix(, 0)
    }},
    {"runbook-Calendar.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Calendar.md" suffix(, 0)
    }},
    {"runbook-Certificates.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Certificates.md" suffix(, 0)
    }},
    {"runbook-CheckpointsFailing.md", (const unsigned char[]){
#embed "../../../docs/runbooks/CheckpointsFailing.md" suffix(, 0)
    }},
    {"runbook-ClocksDisagree.md", (const unsigned char[]){
#embed "../../../docs/runbooks/ClocksDisagree.md" suffix(, 0)
    }},
    {"runbook-DatabaseNotDurable.md", (const unsigned char[]){
#embed "../../../docs/runbooks/DatabaseNotDurable.md" suffix(, 0)
    }},
    {"runbook-DatabaseServerRefused.md", (const unsigned char[]){
#embed "../../../docs/runbooks/DatabaseServerRefused.md" suffix(, 0)
    }},
    {"runbook-DatabaseUpkeepFailing.md", (const unsigned char[]){
#embed "../../../docs/runbooks/DatabaseUpkeepFailing.md" suffix(, 0)
    }},
    {"runbook-DeadLetters.md", (const unsigned char[]){
#embed "../../../docs/runbooks/DeadLetters.md" suffix(, 0)
    }},
    {"runbook-Disk.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Disk.md" suffix(, 0)
    }},
    {"runbook-Gaps.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Gaps.md" suffix(, 0)
    }},
    {"runbook-GroupLag.md", (const unsigned char[]){
#embed "../../../docs/runbooks/GroupLag.md" suffix(, 0)
    }},
    {"runbook-IBKRSizesInLots.md", (const unsigned char[]){
#embed "../../../docs/runbooks/IBKRSizesInLots.md" suffix(, 0)
    }},
    {"runbook-LateTicks.md", (const unsigned char[]){
#embed "../../../docs/runbooks/LateTicks.md" suffix(, 0)
    }},
    {"runbook-LoadHeldUp.md", (const unsigned char[]){
#embed "../../../docs/runbooks/LoadHeldUp.md" suffix(, 0)
    }},
    {"runbook-Members.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Members.md" suffix(, 0)
    }},
    {"runbook-Nats.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Nats.md" suffix(, 0)
    }},
    {"runbook-Objectives.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Objectives.md" suffix(, 0)
    }},
    {"runbook-Owners.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Owners.md" suffix(, 0)
    }},
    {"runbook-PartitionStopped.md", (const unsigned char[]){
#embed "../../../docs/runbooks/PartitionStopped.md" suffix(, 0)
    }},
    {"runbook-ProviderAccountInUse.md", (const unsigned char[]){
#embed "../../../docs/runbooks/ProviderAccountInUse.md" suffix(, 0)
    }},
    {"runbook-ProviderFeedsDown.md", (const unsigned char[]){
#embed "../../../docs/runbooks/ProviderFeedsDown.md" suffix(, 0)
    }},
    {"runbook-ProviderNotConnected.md", (const unsigned char[]){
#embed "../../../docs/runbooks/ProviderNotConnected.md" suffix(, 0)
    }},
    {"runbook-ProviderRefused.md", (const unsigned char[]){
#embed "../../../docs/runbooks/ProviderRefused.md" suffix(, 0)
    }},
    {"runbook-ProviderSilent.md", (const unsigned char[]){
#embed "../../../docs/runbooks/ProviderSilent.md" suffix(, 0)
    }},
    {"runbook-ProviderTradesLost.md", (const unsigned char[]){
#embed "../../../docs/runbooks/ProviderTradesLost.md" suffix(, 0)
    }},
    {"runbook-README.md", (const unsigned char[]){
#embed "../../../docs/runbooks/README.md" suffix(, 0)
    }},
    {"runbook-RepairsRefused.md", (const unsigned char[]){
#embed "../../../docs/runbooks/RepairsRefused.md" suffix(, 0)
    }},
    {"runbook-Services.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Services.md" suffix(, 0)
    }},
    {"runbook-SourceMissing.md", (const unsigned char[]){
#embed "../../../docs/runbooks/SourceMissing.md" suffix(, 0)
    }},
    {"runbook-Spool.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Spool.md" suffix(, 0)
    }},
    {"runbook-TableBlocked.md", (const unsigned char[]){
#embed "../../../docs/runbooks/TableBlocked.md" suffix(, 0)
    }},
    {"runbook-TapeCopies.md", (const unsigned char[]){
#embed "../../../docs/runbooks/TapeCopies.md" suffix(, 0)
    }},
    {"runbook-TapeDurability.md", (const unsigned char[]){
#embed "../../../docs/runbooks/TapeDurability.md" suffix(, 0)
    }},
    {"runbook-TapeKeeper.md", (const unsigned char[]){
#embed "../../../docs/runbooks/TapeKeeper.md" suffix(, 0)
    }},
    {"runbook-TapeLostData.md", (const unsigned char[]){
#embed "../../../docs/runbooks/TapeLostData.md" suffix(, 0)
    }},
    {"runbook-TapeRoom.md", (const unsigned char[]){
#embed "../../../docs/runbooks/TapeRoom.md" suffix(, 0)
    }},
    {"runbook-TapeSlow.md", (const unsigned char[]){
#embed "../../../docs/runbooks/TapeSlow.md" suffix(, 0)
    }},
    {"runbook-Threads.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Threads.md" suffix(, 0)
    }},
    {"runbook-TicksLeftOut.md", (const unsigned char[]){
#embed "../../../docs/runbooks/TicksLeftOut.md" suffix(, 0)
    }},
    {"runbook-Valkey.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Valkey.md" suffix(, 0)
    }},
    {"runbook-Watchdog.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Watchdog.md" suffix(, 0)
    }},
    {"runbook-Watermark.md", (const unsigned char[]){
#embed "../../../docs/runbooks/Watermark.md" suffix(, 0)
    }},
    {NULL, (const unsigned char[]){0}},
};

const struct page_file *page_files(void) { return files; }
