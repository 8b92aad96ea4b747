#!/usr/bin/env python3
"""Plants one fault after another in a copy of the sources and runs the simulations on each.

    Tests/mutations/plant.py [--scratch FOLDER] [--only bars|broker|fills|worker|members|lanes|intents] [NAME...]
    Tests/mutations/plant.py --list [--only ...]      the names of the faults, with their files
    Tests/mutations/plant.py --check [--only ...]     only says which faults do not fit their source

Every fault must be found: a test fails. The checkout itself is not touched. Ends with 0 when all
are found, with 1 when one was not, with 2 when a fault no longer fits its source.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys

# A fault may make an endless loop.
RUN_SECONDS_MAX = 600
CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STREAM = "Sources/Operators/StreamCore/"
GRAPH = "Sources/Operators/OperatorGraph/"
WORKER = "services/operator-worker/Sources/"
ENGINE = "Sources/Providers/IBEngine/"
MEMBER = "Sources/Model/Membership/"
PROTOCOL = "Sources/Tape/TapeProtocol/"
INTENTS = "Sources/Stores/StoreIntents/IntentMachine.swift"
KIT = "Sources/Providers/EngineKit/"

# Name, file, the original text (which occurs once), and its replacement.
FAULTS = [
    ("boundary tick in both windows", STREAM + "Windows/WindowState.swift",
     "time >= start && time < end", "time >= start && time <= end"),
    ("late tick not listed", STREAM + "Bars/BarMachine+Placing.swift",
     "list(tick, bounds, series: series, reason: .windowClosed)", "_ = bounds"),
    ("lateness ends a moment late", STREAM + "Bars/BarMachine+Placing.swift",
     "guard bounds.end + lateness > closedThrough", "guard bounds.end + lateness >= closedThrough"),
    ("sources in the wrong order in one nanosecond", STREAM + "Tables/SourceTable.swift",
     "entries[left.feed.source].name < entries[right.feed.source].name",
     "entries[left.feed.source].name > entries[right.feed.source].name"),
    ("last tick of a nanosecond is the first", STREAM + "Windows/WindowState.swift",
     "guard input.ordinal > closeOrdinal", "guard input.ordinal < closeOrdinal"),
    ("kept window not replaced by a repair", STREAM + "Bars/BarMachine+Repair.swift",
     "windows.replace(slot, by: window)", "_ = slot"),
    ("cancelled trade counts in a repair", GRAPH + "Repair/GraphRepair.swift",
     "way.passed & leaf.input != 0, change != .cancelled", "way.passed & leaf.input != 0"),
    ("duplicates forgotten too early", STREAM + "Ticks/Deduplicator.swift",
     ">= rule.timeToLive", ">= rule.timeToLive / 2"),
    ("throttle by another clock than the tape's", STREAM + "Ticks/Throttle.swift",
     "clocks[owner].advance(to: header.stageTime)", "clocks[owner].advance(to: header.eventTime)"),
    ("watermark of another source", STREAM + "Tables/PartitionTables.swift",
     "by: sources.entries[symbols.feeds[symbol].source].watermark", "by: sources.entries[0].watermark"),
    ("revision of a late tick not published", STREAM + "Bars/BarMachine+Closing.swift",
     "windows.slots[slot].phase.insert(.published)\n            account.series[series].revisions",
     "if window.trades > 1 { continue }\n            account.series[series].revisions"),
    ("session ends an hour late", STREAM + "Windows/WindowShape.swift",
     "return Bounds(start: start, end: min(start + width, session.close))",
     "return Bounds(start: start, end: min(start + width, session.close + 3_600_000_000_000))"),
    ("number bar one tick too long", STREAM + "Number/NumberWindow.swift",
     "return sums.trades >= UInt64(count)", "return sums.trades > UInt64(count)"),
    ("half of a VWAP rounded down", STREAM + "Windows/WindowState+Bar.swift",
     "let isRoundedUp = rest >= volume.magnitude - rest",
     "let isRoundedUp = rest > volume.magnitude - rest"),
    ("bucket of a throttle not restored", STREAM + "Ticks/Throttle.swift",
     "buckets.append(bucket)", "buckets.append(Bucket(start: bucket.start))"),
    ("kept back by a stage and not counted", GRAPH + "Machine/BarLeaves+Ticks.swift",
     "exclude(leaf.leaf, run.trades[place].header, source: source)", "_ = source"),
    ("filled bars not made again behind a repair", STREAM + "Bars/BarMachine+Repair.swift",
     "if fills.maxima[series] > 0 {", "if fills.maxima[series] < 0 {"),
    ("a bar withdrawn that never stood", STREAM + "Bars/BarMachine+Repair.swift",
     "let hadBar = hadBar(repaired, stands, tables)",
     "let hadBar = isGone(repaired.bounds, key: key, tables)"),
    ("a quote paired whatever its age", STREAM + "Ticks/QuoteJoin.swift",
     "elapsed(since: slots[index].heldAt) <= rule.maxAge",
     "elapsed(since: slots[index].heldAt) <= Int64.max"),
    ("the quote of the member before not forgotten", GRAPH + "Machine/GraphMachine+Ticks.swift",
     "if change.isMoved { stages.forgetOthers(of: change.index, fedBy: source) }", "_ = change.isMoved"),
    ("the same in a repair", GRAPH + "Repair/GraphRepair.swift",
     "stages.forgetOthers(of: move.symbol, fedBy: source)", "_ = change"),
    ("a trade paired with the quote after it", GRAPH + "Machine/GraphMachine+Ticks.swift",
     "take(&run, source, trades, root: roots.0, &output)\n                    quote.header",
     "quote.header"),
    ("a quote paired that a node held back", GRAPH + "Machine/TickStages.swift",
     "where way.passed & one.input != 0", "where way.passed != 0 || one.input != 0"),
    ("quotes of a join not restored", STREAM + "Ticks/QuoteJoin.swift",
     "self.slots = slots", "_ = slots"),
    ("trades behind a join not repaired for quotes", STREAM + "Definition/TickNeeds.swift",
     "guard age > 0, range.concerns(earlierKind)", "guard age < 0, range.concerns(earlierKind)"),
    ("repaired only as long as the quotes were missing", STREAM + "Definition/TickNeeds.swift",
     "StreamLimits.usable(later(range.to))", "range.to"),
    ("a held quote as old as its receive time says", STREAM + "Ticks/QuoteJoin.swift",
     "heldAt: now,", "heldAt: quote.header.stageTime.nanoseconds,"),
    ("a fetched quote judged where it came", GRAPH + "Repair/RepairStages.swift",
     "guard fetched[place].time < end else", "guard place < answered else"),
    ("missing quotes make no trades partial", STREAM + "Definition/TickNeeds.swift",
     "|| needs.age > 0\n                && touches", "|| needs.age < 0\n                && touches"),
    ("a book known whatever its age", STREAM + "Ticks/DepthBooks.swift",
     "elapsed(since: slots[place].heldAt) <= BookRule.knownFor",
     "elapsed(since: slots[place].heldAt) <= Int64.max"),
    ("a book kept over a gap", STREAM + "Ticks/DepthBooks.swift",
     "slots[place].rows.lose()", "_ = place"),
    ("a book kept from another member", STREAM + "Ticks/DepthBooks.swift",
     "slots[place] = Slot(symbol: symbol)", "_ = place"),
    ("every row a change of its own", GRAPH + "Machine/OpenChange.swift",
     "return isContinued ? nil : before", "return isContinued && before.ordinal == 0 ? nil : before"),
    ("a repetition counts as a change", GRAPH + "Machine/OpenChange.swift",
     "guard !update.flags.contains(.repeated) else { return end() }", ""),
    ("a repair that trusts a book over a gap", GRAPH + "Repair/GraphRepair+Depth.swift",
     "return !overflow\n", "return overflow\n"),
    ("sizes of all rows count", "Sources/Model/MarketModel/OrderBook.swift",
     "0..<min(levels, shown)", "0..<shown"),
    ("a microprice rounded down", STREAM + "Ticks/BookTick.swift",
     "(rest >= divisor.magnitude - rest ? 1 : 0)", "(rest > divisor.magnitude ? 1 : 0)"),
    ("rows of books not restored", STREAM + "Ticks/DepthBooks.swift",
     "OrderBook(asks: asks, bids: bids, hasRows: flags == 1)",
     "OrderBook(asks: asks, bids: bids, hasRows: flags == 2)"),
    ("a close derived from whatever its age", STREAM + "Scan/ScanMachine+Derive.swift",
     "$0.time + 1 >= oldest", "$0.time + 1 >= min(oldest, 0)"),
    ("a provider's older period takes the place of the last", STREAM + "Scan/ReceivedValues.swift",
     "guard known.start <= next.start, isNews else", "guard isNews else"),
    ("of a provider's values in one packet the last alone passed on",
     GRAPH + "Machine/GraphMachine+PassedOn.swift",
     "if indicators.holds(before: value.header.receiveTime) { passOnIndicators(into: &output) }",
     "_ = indicators.isDue"),
]

# The same for the operator worker.
WORKER_FAULTS = [
    ("suppression one output short", STREAM + "Output/OutputLedger.swift",
     "guard ordinal <= published.ordinal", "guard ordinal < published.ordinal"),
    ("checksum not compared at the last standing output", STREAM + "Output/OutputLedger.swift",
     "if ordinal == published.ordinal, checksum", "if ordinal > published.ordinal, checksum"),
    ("restored one packet early", WORKER + "Partition/PartitionOperator+Checkpoint.swift",
     "position: position, publishFrom", "position: complete, publishFrom"),
    ("checkpoint before its output is acknowledged",
     WORKER + "Partition/PartitionOperator+Checkpoint.swift",
     "let image = waiting, acknowledged >= image.output?.ordinal ?? 0 else",
     "let image = waiting else"),
    ("checkpoint in the middle of a repair", WORKER + "Partition/RepairAgenda.swift",
     "guard !isHidden, reading == nil, hasEndedDay,", "guard !isHidden,"),
    ("checkpoint in a hidden repair", WORKER + "Partition/RepairAgenda.swift",
     "guard !isHidden, reading == nil", "guard reading == nil"),
    ("what is still to be repaired not kept", WORKER + "Partition/PartitionOperator+Checkpoint.swift",
     "pending: pending, earlier", "pending: .none, earlier"),
    ("generation of a bar not raised", WORKER + "Partition/PartitionOperator+Output.swift",
     "bar.generation = settings.generation", "bar.generation = 1"),
    ("generation of a packet not raised", WORKER + "Partition/PartitionOperator+Output.swift",
     "checksum: packedChecksum, generation: settings.generation",
     "checksum: packedChecksum, generation: 1"),
    ("no checkpoint behind a repair", WORKER + "Partition/PartitionOperator+Repair.swift",
     "schedule.demand()", "_ = schedule"),
    ("an input told while its repair is under way",
     WORKER + "Partition/PartitionOperator+Output.swift",
     "ledger.isPastPublished, stopped == nil, !hasRepair {",
     "ledger.isPastPublished, stopped == nil {"),
    ("repairs of what is built again published",
     WORKER + "Partition/PartitionOperator+Repair.swift",
     "keepOutput(isHidden: isHidden, isRepair", "keepOutput(isHidden: false, isRepair"),
    ("versions of repairs not published", WORKER + "Partition/PartitionOperator+Repair.swift",
     "keepOutput(isHidden: isHidden, isRepair", "keepOutput(isHidden: true, isRepair"),
    ("late ticks not published", WORKER + "Partition/PartitionOperator+Output.swift",
     "for late in output.late { record(late) }", "_ = output.late"),
    ("a packet taken during a repair", WORKER + "Partition/PartitionOperator.swift",
     "stopped != nil || hasRepair {", "stopped != nil {"),
    ("a repair that reads from too late on", WORKER + "Repair/RepairReading.swift",
     "start = Self.start(part.from)",
     "start = part.from.advanced(byNanoseconds: Self.marginNanoseconds)"),
    ("later bars seen by a repair that is done again", WORKER + "Repair/PublishedBars.swift",
     "ordinal <= lastOrdinal, let symbol", "ordinal > 0, let symbol"),
    ("bars that stand not read back", WORKER + "Partition/PartitionOperator+Repair.swift",
     "published: isHidden ? nil : published", "published: nil"),
    ("a refusal of an owner before not followed",
     WORKER + "Partition/PartitionOperator+Repair.swift",
     "RefusedRepair(day, sequence: repair.position.sequence) == refused",
     "RefusedRepair(day, sequence: repair.position.sequence) != refused"),
    ("a refusal not put on the tape", WORKER + "Partition/PartitionOperator+Repair.swift",
     "if !repair.isHidden { record(day", "if repair.isHidden { record(day"),
]

# The same for the broker's sessions, outages and history.
BROKER_FAULTS = [
    ("one arrival stands for all that are like it", ENGINE + "Backfill/ArrivalCounts.swift",
     "counts[digest] = count > 1 ? count - 1 : nil", "_ = count"),
    ("of arrivals that are alike one counts", ENGINE + "Backfill/ArrivalCounts.swift",
     "counts[tick.digest, default: 0] += 1", "counts[tick.digest] = 1"),
    ("trades that nobody reports are fetched for all",
     ENGINE + "Backfill/BackfillMachine+Answers.swift",
     "tick.attributes.contains(.unreported), !job.wantsUnreported", "job.seconds.isEmpty"),
    ("history that lags is believed", ENGINE + "Backfill/BackfillMachine+Answers.swift",
     "guard job.progress.lagTries < limits.lag.triesMax,", "guard job.progress.lagTries < 0,"),
    ("what was added is not known to the gap beside it",
     ENGINE + "Backfill/BackfillMachine+Answers.swift",
     "guard job.isExact, !added.shared.isEmpty else", "guard job.seconds.isEmpty else"),
    ("a refusal while history is down is taken for the gap's",
     ENGINE + "Backfill/BackfillMachine+Answers.swift",
     "case _ where isHistoryDown:", "case _ where job.seconds.isEmpty:"),
    ("a second that an answer cuts is told as filled",
     ENGINE + "Backfill/BackfillMachine+Outcome.swift",
     "let cut = WholeSecond.start(extent.upTo - 1)", "let cut = WholeSecond.start(extent.upTo)"),
    ("bars in the place of ticks are told as filled",
     ENGINE + "Backfill/BackfillMachine+Outcome.swift",
     "guard !job.isStandIn else {", "guard !job.isStandIn || job.isExact else {"),
    ("the last second of a full page is not asked for again",
     ENGINE + "Backfill/HistoryPage.swift",
     "return Extent(upTo: last, isCut: false)", "return Extent(upTo: last + 1, isCut: false)"),
    ("an empty page of a history that lags is its end", ENGINE + "Backfill/HistoryPage.swift",
     "let last = lastSecond ?? Int64.min", "guard let last = lastSecond else { return true }"),
    ("an answer that ends before its gap is complete", ENGINE + "Backfill/HistoryPage.swift",
     "return job.isClosed(from: last &+ 1, now, limits)", "return true"),
    ("quotes are fetched beside those that came", ENGINE + "Backfill/BackfillMachine.swift",
     "leftOut.insert(Int64(tick.second))\n", "_ = tick.second\n"),
    ("a notice about a farm is an outage", ENGINE + "IBEngine+Farms.swift",
     "feeds.suspectAll(cause, turn.now)",
     "feeds.interruptAll(cause, trusted: turn.now.wall, in: &turn)"),
    ("a suspicion that nothing disproves is forgotten",
     ENGINE + "Feeds/FeedMachine+Suspicion.swift",
     "                || !hasVenueData && !isBreakVisible\n", ""),
    ("a place that fell silent is not missing", ENGINE + "Feeds/FeedMachine+Suspicion.swift",
     "} else if isSilent(route, suspicion, turn.now) || isVenueSilent(route, turn.now) {",
     "} else if isSilent(route, suspicion, turn.now) {"),
    ("a part of a place that fell silent is not missing",
     ENGINE + "Feeds/FeedMachine+Suspicion.swift",
     "let usual = slot.silence.rhythm.usualOfFew else { return nil }",
     "let usual = slot.silence.rhythm.usualOfFew, usual < 0 else { return nil }"),
    ("a platform that has its vendor is believed to have none", ENGINE + "IBEngine+Farms.swift",
     "feeds.venues.haveCome(since: since + EngineLimits.straggling)",
     "feeds.venues.haveCome(since: since + Int64.max / 2)"),
    ("level 1 is thrown away until ticks come one by one",
     ENGINE + "Feeds/FeedMachine+Connection.swift",
     "giveBackToLevel1(route, reason, in: &turn)", "_ = reason"),
    ("a gap begins at the second in which something came",
     ENGINE + "Backfill/BackfillMachine.swift",
     "let first = max(WholeSecond.floor(gap.from) + 1, WholeSecond.ceiling(ahead))",
     "let first = WholeSecond.floor(ahead)"),
    ("a second outage hides the first", ENGINE + "Outages/OutageStore.swift",
     "guard places[key] == nil else { return false }", "_ = places[key]"),
    ("an outage's place lost when another one ends", ENGINE + "Outages/OutageStore.swift",
     "places[Key(instrument: last.instrument, kind: last.kind)] = place", "_ = last.kind"),
    ("quotes of history cost as much as trades", ENGINE + "Pacing/IBRequest+Pacing.swift",
     "kind == .bidAsk ? 2 : 1", "kind == .bidAsk ? 1 : 1"),
    ("one request too many for the same contract", ENGINE + "Pacing/HistoryWindow.swift",
     "if count >= limits.burst.max {", "if count > limits.burst.max {"),
    ("the same question asked again at once", ENGINE + "Pacing/HistoryWindow.swift",
     "$0.use.question == use.question", "$0.use.question == use.question && now < $0.time"),
    ("a complaint of the server makes nobody wait", ENGINE + "Pacing/HistoryWindow.swift",
     "until = now + step", "until = now"),
    ("lines kept over a lost connection", ENGINE + "Pacing/PacingMachine.swift",
     "lines = LineStore()\n        history.forgetOpen()", "history.forgetOpen()"),
    ("a line counted twice", ENGINE + "Pacing/LineStore.swift",
     "guard held.updateValue(limit, forKey: id) == nil else { return }",
     "held[id] = limit"),
    ("subscriptions that 1101 ends are not asked for again",
     ENGINE + "IBEngine+Notices.swift",
     'feeds.forgetAll("subscriptions lost (1101)", in: &turn)', "_ = cause"),
    ("what was away for long is believed to go on",
     ENGINE + "Feeds/FeedMachine+Connection.swift",
     "if isLong || self[route].feed.lines == .depth {",
     "if isLong, self[route].feed.lines == .depth {"),
    ("the vendor alone brings back what a broken farm fed",
     ENGINE + "Feeds/FeedMachine+Connection.swift",
     "where self[route].phase.cause?.kind == .server {",
     "where self[route].phase.cause?.kind == .stop {"),
    ("an outage begins behind what was on its way", ENGINE + "Feeds/FeedSlot.swift",
     "from = trusted.advanced(byNanoseconds: -EngineLimits.transit)",
     "from = trusted.advanced(byNanoseconds: EngineLimits.transit)"),
    ("level 1 and ticks one by one both tell of a trade",
     ENGINE + "Feeds/TradeHandOver.swift",
     "case .handingOver(let until): time < until\n",
     "case .handingOver(let until): time <= until.advanced(byNanoseconds: 2_000_000_000)\n"),
    ("a straggler ends an outage", ENGINE + "Feeds/FeedMachine+Ticks.swift",
     "guard !isStraggler else { return }", "_ = isStraggler"),
    ("a silent feed is not asked for again", ENGINE + "Feeds/FeedMachine+Details.swift",
     "guard turn.platform.isHealthy, self[route].isOverdue(turn.now) else {",
     "guard turn.platform.isFarmDown, self[route].isOverdue(turn.now) else {"),
    ("a headline told as often as it comes", ENGINE + "Feeds/Headlines.swift",
     "guard recorded.insert(article).inserted else { return false }", "recorded.insert(article)"),
    ("an answer from before its end settles an outage of news",
     ENGINE + "Feeds/FeedMachine+News.swift",
     "$0.gap.instrument == number && $0.due <= since",
     "$0.gap.instrument == number && since < .never"),
    ("attempts come faster the more have failed", ENGINE + "Session/SessionMachine.swift",
     "nextAttempt = now.advanced(by: wait)",
     "nextAttempt = now"),
    ("a port that refuses at once is tried ever less often",
     ENGINE + "Session/SessionMachine.swift",
     "phase == .ready\n            || phase == .connecting", "phase == .ready\n            || phase == .idle"),
    ("a line that is refused is tried as often as before", ENGINE + "Pacing/LineStore.swift",
     "old.interval.doubled, limits", "old.interval, limits"),
    ("a dead connection is kept", ENGINE + "Session/SessionMachine.swift",
     "guard now >= heartbeatAt + EngineLimits.heartbeatWait else { return .none }",
     "guard now < heartbeatAt else { return .none }"),
    ("the floor follows a clock that jumps", ENGINE + "Session/ProviderClock.swift",
     "guard let step, !Self.isStep(from: step.difference, to: difference) else {",
     "guard let step = step ?? Optional(Step(since: .distantPast, difference: difference)),\n"
     "                !Self.isStep(from: step.difference, to: difference)\n            else {"),
    ("a farm that never says that it is back stays down", ENGINE + "Session/FarmWatch.swift",
     "down.removeAll { now >= $0.since.monotonic + EngineLimits.downWaitMax }",
     "_ = now"),
]

# The same for gaps that the past of a service fills.
FILL_FAULTS = [
    ("trades that came live are fetched, too", KIT + "Filling/GapFills.swift",
     "item.time >= fill.reported, !known.contains(item.id)", "item.time >= fill.reported"),
    ("gaps that overlap fetch the same trades", KIT + "Filling/GapFills.swift",
     "            machine.feeds.arrived(fill.gap.place, number, time)\n", ""),
    ("what another process delivered before an outage is fetched", KIT + "StreamFeeds.swift",
     "from: gap.from.advanced(byNanoseconds: unknownSpan(of: place)))", "from: gap.from)"),
    ("a dead connection loses nothing that was under way", KIT + "StreamFeeds+Filling.swift",
     "settings.deadMax + settings.delayMax + behind",
     "max(settings.deadMax, settings.delayMax) + behind"),
    ("a gap is told as filled after its first page", KIT + "Filling/GapFills.swift",
     "waiting[0].fill(to: form.time(fill.past.reached),",
     "waiting[0].fill(to: fill.past.range.upperBound,"),
    ("a refusal of the last quarter of an hour is one for an hour", KIT + "Filling/GapFills.swift",
     "if isYoung {", "if isYoung, age == 0 {"),
]

# Faults that an invariant finds: the process ends before a wrong write leaves it.
MEMBER_FAULTS = [
    ("a claim with an epoch that was used", MEMBER + "MembershipMachine+Share.swift",
     "epoch: epoch + 1,", "epoch: epoch,"),
    ("two writes of a record at a time", MEMBER + "MembershipMachine+Share.swift",
     "slot.pending == nil && now >= slot.notBefore", "now >= slot.notBefore"),
    ("a partition released while it is handed over", MEMBER + "MembershipMachine+Share.swift",
     "if handOvers < Self.handOversMax, slots[index].hold?.stage == .held,",
     "if handOvers < Self.handOversMax,"),
]
LANE_FAULTS = [
    ("a packet that waited has the epoch before", PROTOCOL + "PublisherLane.swift",
     "next.reseal(epoch: epoch, firstOrdinal: nextOrdinal)",
     "next.reseal(epoch: epoch - 1, firstOrdinal: nextOrdinal)"),
    ("ordinals go back with a tape", PROTOCOL + "PublisherLane.swift",
     "let next = max(nextOrdinal, standing, ordinalFloor)", "let next = max(standing, ordinalFloor)"),
]

# The same for stores without transactions.
INTENT_FAULTS = [
    ("the position is written with the intent", INTENTS, "            record.intent = next\n",
     "            record.intent = next\n            record.position = next.end(after: record.position)\n"),
    ("a record is written that another owner changed", INTENTS,
     "guard revision == self.revision, found == record else {",
     "self.revision = revision\n        guard phase != .claiming else {"),
    ("a claim forgets the declared batch", INTENTS, "claimed.instance = tenure.instance\n",
     "claimed.instance = tenure.instance\n        claimed.intent = nil\n"),
    ("a declared batch is cut again by the settings", INTENTS,
     "            if let intent = record.intent {\n                return order(.remake",
     "            record.intent = nil\n            if let intent = record.intent {\n"
     "                return order(.remake"),
    ("a token has the owner's epoch", INTENTS, "intent.token(in: tenure.name)",
     "intent.token(in: tenure.name + String(tenure.epoch))"),
    ("a declared batch is taken for stored", INTENTS,
     "            insert(declared, isRepeat: true, into: &effects)",
     "            inserted(declared, into: &effects)"),
    ("a batch that differs is inserted", INTENTS, "guard made == declared else {",
     "guard made.rows > 0 else {"),
    ("a repeat does not ask the store", INTENTS, "isRepeat: isRepeat, until: until",
     "isRepeat: false, until: until"),
    ("an insert's time counts from the answer", INTENTS,
     "let until = provenAt + Self.insertNanosecondsMax",
     "let until = now + Self.insertNanosecondsMax"),
    ("an insert is repeated without the record", INTENTS,
     "case (.unsettled, .insert): orderLater(.read)",
     "case (.unsettled, .insert(let intent, _)): insert(intent, isRepeat: true, into: &effects)"),
    ("a store that a successor filled is taken for one that is ahead", INTENTS,
     "        doubt = outcome\n        order(.read, into: &effects)",
     "        end(outcome, into: &effects)"),
]

# The faults of a plan, the test target that runs on them, and its suites: those that are pure or
# need only a NATS server to publish to.
PLANS = {
    "bars": (FAULTS, "SimulationTests", "SimulationTests"),
    "broker": (BROKER_FAULTS, "IBEngineTests", "IBEngineTests"),
    "fills": (FILL_FAULTS, "EngineKitTests", "VenueFaultTests"),
    "worker": (WORKER_FAULTS, "OperatorWorkerServerTests",
               "RecoverySimulationTests|RecoveryDecisionTests|CheckpointStoreTests"
               "|PartitionRepairTests|RefusedRepairTests"),
    "members": (MEMBER_FAULTS, "MembershipTests", "MembershipTests"),
    "lanes": (LANE_FAULTS, "TapeProtocolTests", "TapeProtocolTests"),
    "intents": (INTENT_FAULTS, "StoreIntentsTests", "StoreIntentsTests"),
}
# Of these plans an invariant has to be the finder.
INVARIANT = "the invariant"
BY_INVARIANT = ("members", "lanes")

# Reduces a manifest to one test target and what it uses.
MANIFEST = """
var kept: Set<String> = ["TARGET"]
while true {
    let uses = package.targets.filter { kept.contains($0.name) }.flatMap(\\.dependencies)
    let more = kept.union(
        uses.compactMap { if case .byNameItem(let name, _) = $0 { name } else { nil } })
    if more.count == kept.count { break }
    kept = more
}
package.targets.removeAll { !kept.contains($0.name) }
package.products = []
"""


def copy(folder, target):
    for part in ["Sources", "Equipment", "services", "Tests"]:
        # A file that is gone must not stay in the copy. Those that did not change keep their times.
        shutil.rmtree(f"{folder}/{part}", ignore_errors=True)
        shutil.copytree(f"{CHECKOUT}/{part}", f"{folder}/{part}", dirs_exist_ok=True)
    if not os.path.lexists(f"{folder}/.local"):
        os.symlink(f"{CHECKOUT}/.local", f"{folder}/.local")
    with open(f"{CHECKOUT}/Package.swift") as file:
        text = file.read()
    with open(f"{folder}/Package.swift", "w") as file:
        file.write(text + MANIFEST.replace("TARGET", target))


def run(folder, suites):
    """Returns "" if the simulations pass, else the test that failed, or None if the copy does not
    compile."""
    environment = dict(os.environ, TAPELINE_TIER="test", TAPELINE_SEEDS="0", TAPELINE_WORLDS="",
                       TAPELINE_QUICK_TESTS="1",
                       # A backtrace keeps the pipe open when the time-out ends the program.
                       SWIFT_BACKTRACE="enable=no")
    build = subprocess.run(["swift", "build", "--build-tests", "--disable-xctest"], cwd=folder, env=environment,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if build.returncode != 0:
        print("\n".join(line for line in build.stdout.splitlines() if "error:" in line)[:600])
        return None
    # Runs without `swift test`, because ending that would leave its tests running.
    command = ["timeout", "--signal=KILL", str(RUN_SECONDS_MAX),
               f"{folder}/.build/debug/tapelinePackageTests.xctest",
               "--testing-library", "swift-testing", "--filter", suites]
    test = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace",
                            start_new_session=True)
    count, trap = 0, ""
    for line in test.stdout:
        if found := re.search(r"\.swift:\d+: (?:Fatal error|Precondition failed): (.*)", line):
            trap = f"{INVARIANT} \"{found.group(1).strip()}\""
        if " recorded an issue" in line:
            # The first failure is enough.
            os.killpg(test.pid, signal.SIGKILL)
            test.wait()
            named = re.search(r'Test "?(.*?)"? recorded an issue', line)
            return named.group(1) if named else line.strip()
        if found := re.search(r"Test run with (\d+) tests?", line):
            count = int(found.group(1))
    # A fault that traps is also found. A filter that matches nothing is not a pass.
    return "" if test.wait() == 0 and count > 0 else trap or "it trapped, or no test ran"


def source(path, before):
    """Returns the text of a source, and why a fault does not fit it, or ""."""
    if not os.path.exists(f"{CHECKOUT}/{path}"):
        return "", f"STALE: there is no {path}"
    with open(f"{CHECKOUT}/{path}") as file:
        text = file.read()
    count = text.count(before)
    return text, "" if count == 1 else f"STALE: {path} holds its place {count} times"


def check(only):
    """Returns the faults that do not fit their sources, with the reasons."""
    chosen = [fault for plan, (faults, _, _) in PLANS.items() if only in (None, plan) for fault in faults]
    found = [(name, source(path, before)[1]) for name, path, before, _ in chosen]
    return [f"{name}: {why}" for name, why in found if why]


def plant(folder, suites, path, before, after):
    """Plants the fault and returns its outcome in words."""
    text, why = source(path, before)
    if why:
        return why
    with open(f"{folder}/{path}", "w") as file:
        file.write(text.replace(before, after))
    finder = run(folder, suites)
    with open(f"{folder}/{path}", "w") as file:
        file.write(text)
    if finder is None:
        return "STALE: it does not compile"
    return f"found by: {finder}" if finder else "MISSED"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scratch", default="/tmp/planted-faults")
    parser.add_argument("--only", choices=sorted(PLANS))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    if given.check:
        stale = check(given.only)
        for line in stale:
            print(line)
        sys.exit(2 if stale else 0)
    if given.list:
        for plan, (faults, _, _) in PLANS.items():
            for name, path, _, _ in faults if given.only in (None, plan) else []:
                print(f"{plan}: {name} ({path})")
        return
    became = []
    for plan, (faults, target, suites) in PLANS.items():
        chosen = [fault for fault in faults if not given.names or fault[0] in given.names]
        if not chosen or given.only not in (None, plan):
            continue
        folder = f"{given.scratch}/{plan}"
        os.makedirs(folder, exist_ok=True)
        copy(folder, target)
        if run(folder, suites) != "":
            sys.exit("the simulations do not pass without a fault: nothing was planted")
        for name, path, before, after in chosen:
            became.append(plant(folder, suites, path, before, after))
            if plan in BY_INVARIANT and became[-1].startswith("found") and INVARIANT not in became[-1]:
                became[-1] = f"MISSED by its invariant, {became[-1]}"
            print(f"{name}: {became[-1]}", flush=True)
    stale = any(word.startswith("STALE") for word in became)
    missed = any(word.startswith("MISSED") for word in became)
    sys.exit(2 if stale or not became else 1 if missed else 0)


if __name__ == "__main__":
    main()
