import MarketModel
import Primitives

@testable import ProviderGatewayTests

/// Checks that every value that the simulator reports as sent is on the tape exactly once, or is in
/// a recorded gap of its instrument and kind, and that nothing else is on the tape.
///
/// - Each lane (`BrokerLane`) is one sequence on either side, because a connection keeps its order
///   and so does a partition. The tape's sequence has to be the sender's without the values in
///   gaps. The audit finds the cheapest explanation of the difference (`BrokerAlignment`), and
///   reports each step that has no excuse as a sentence. So a value that is lost, doubled, changed,
///   invented or out of order is reported.
/// - A value is in a gap when its own time is, or the time at which it would have arrived. It may
///   have arrived until `transit` after it was sent, or later if the gateway was stopped meanwhile.
/// - An open gap counts. A gap that a killed gateway left open ends with the next subscription of
///   its instrument and kind.
/// - Data that are requested tick by tick also come from level 1 until they come tick by tick. Such
///   prints are compared by second, price and size: each is there once, from either feed. Level 1's
///   quotes may be there until then; those that are there have to be its own, in order.
/// - Bulletins are repeated on every connection: each is there, at most once per gateway.
/// - A document is requested as a whole: each content is there, at most as often as it was sent.
struct BrokerValueAudit {
    struct Figures: CustomStringConvertible {
        var sent = 0
        var onTape = 0
        var inGaps = 0
        var fetched = 0

        var description: String {
            "sent \(sent), on the tape \(onTape), inside gaps \(inGaps), filled in \(fetched)"
        }
    }

    let feeds: [String: Instrument.Feeds]
    let truth: BrokerTruth
    let tape: BrokerTape
    /// How long a value is on its way at most, in nanoseconds.
    var transit: Int64 = 1_000_000_000
    /// The times in which the gateway took nothing, because it or the tape was stopped.
    var pauses: [Range<Int64>] = []
    /// How often a gateway was started.
    var gateways = 1

    private(set) var problems: [String] = []
    private(set) var figures: [BrokerLane.Kind: Figures] = [:]
    private var ranges: [String: [Range<Int64>]] = [:]

    init(feeds: [String: Instrument.Feeds], truth: BrokerTruth, tape: BrokerTape) {
        self.feeds = feeds
        self.truth = truth
        self.tape = tape
        for gap in tape.gaps {
            ranges["\(gap.symbol) \(gap.kind)", default: []].append(gap.range)
        }
    }

    /// Compares the tape with what was sent, and notes the problems.
    mutating func run() {
        problems += tape.problems
        problems += Set(truth.unknown).sorted().map { "the audit does not know '\($0)'" }
        let lanes = Set(truth.lanes.keys).union(tape.live.keys)
        for lane in lanes.sorted(by: { "\($0)" < "\($1)" }) { compare(lane) }
        checkPrints()
        for (lane, values) in tape.fetched {
            if lane.kind == .news { checkHeadlines(lane.symbol, values.map(\.content)) }
            figures[lane.kind, default: Figures()].fetched += values.count
        }
    }

    /// Checks headlines of the past. Each process requests them, and history must have returned
    /// them.
    private mutating func checkHeadlines(_ symbol: String, _ contents: [String]) {
        let past = truth.pastHeadlines[symbol] ?? []
        for content in contents where !past.contains(where: content.hasSuffix) {
            problems.append("\(symbol): history has no headline \(content)")
        }
    }

    // MARK: gaps

    func isInGap(_ value: BrokerValue, _ lane: BrokerLane) -> Bool {
        guard let kind = lane.dataKind, let gaps = ranges["\(lane.symbol) \(kind.rawValue)"] else {
            return false
        }
        let sent = value.time.nanoseconds
        let arrival = sent..<latestArrival(sent)
        return gaps.contains { gap in
            gap.overlaps(arrival) || value.event.map { gap.overlaps($0) } ?? false
        }
    }

    private func latestArrival(_ sent: Int64) -> Int64 {
        let usual = sent + transit
        let pause = pauses.filter { $0.lowerBound <= usual && sent < $0.upperBound }.last
        return max(usual, pause.map { $0.upperBound + transit } ?? usual)
    }

    // MARK: lanes

    private func isWanted(_ lane: BrokerLane) -> Bool {
        guard lane.kind != .bulletins else { return true }
        guard let feeds = feeds[lane.symbol] else { return false }
        switch lane.kind {
        case .printed, .topOfBook, .indicators: return feeds.contains(.level1)
        case .options: return !feeds.isDisjoint(with: [.level1, .computations])
        case .news: return feeds.contains(.news)
        default: return true
        }
    }

    private func feeds(_ lane: BrokerLane) -> Instrument.Feeds { feeds[lane.symbol] ?? [] }

    /// Returns whether the symbol's trades come from level 1 and tick by tick.
    private func isTwofold(_ symbol: String) -> Bool {
        guard let feeds = feeds[symbol] else { return false }
        return feeds.contains(.level1) && !feeds.isDisjoint(with: [.trades, .allTrades])
    }

    /// Compares the tape's values of a lane with those that were sent.
    private mutating func compare(_ lane: BrokerLane) {
        let sent = isWanted(lane) ? truth.lanes[lane] ?? [] : []
        let found = tape.live[lane] ?? []
        figures[lane.kind, default: Figures()].sent += sent.count
        figures[lane.kind, default: Figures()].onTape += found.count
        switch lane.kind {
        case .bulletins, .fundamentals: checkWhole(lane, sent, found)
        default: checkOrder(lane, sent, found)
        }
    }

    private mutating func checkOrder(
        _ lane: BrokerLane, _ sent: [BrokerValue], _ found: [BrokerValue]
    ) {
        var numbers: [String: Int] = [:]
        func number(_ value: BrokerValue) -> Int {
            if let known = numbers[value.content] { return known }
            numbers[value.content] = numbers.count
            return numbers.count - 1
        }
        let isMayBe =
            lane.kind == .topOfBook && feeds(lane).contains(.quotes)
            || (lane.kind == .printed || lane.kind == .trades) && isTwofold(lane.symbol)
        let (first, second) = (sent.map(number), found.map(number))
        let isToldOtherwise = lane.kind == .news ? headlinesTold(lane, sent) : []
        let free = sent.indices.map {
            isMayBe || isToldOtherwise.contains($0) || isInGap(sent[$0], lane)
        }
        let alignment = BrokerAlignment(first, second) { free[$0] }
        if alignment.isGivenUp {
            problems.append(
                "\(lane): \(sent.count) were sent, \(found.count) are on the tape, and more than "
                    + "\(BrokerAlignment.differencesMax) of them are others")
        }
        if !isMayBe { figures[lane.kind, default: Figures()].inGaps += alignment.missing.count }
        for place in alignment.lost {
            problems.append("\(lane): lost, in no gap: \(sent[place].content), \(sent[place].time)")
        }
        let contents = Set(first)
        for place in alignment.added {
            let isKnown = contents.contains(second[place])
            problems.append(
                "\(lane): \(isKnown ? "once more, or out of order" : "never sent"): "
                    + "\(found[place].content), \(found[place].time)")
        }
    }

    /// Returns the indices of headlines that were sent before or that history returned. Each
    /// headline is on the tape once.
    private func headlinesTold(_ lane: BrokerLane, _ sent: [BrokerValue]) -> Set<Int> {
        var told = Set((tape.fetched[lane] ?? []).map { BrokerContent.withoutExtra($0.content) })
        return Set(
            sent.indices.filter {
                !told.insert(BrokerContent.withoutExtra(sent[$0].content)).inserted
            })
    }

    private mutating func checkWhole(
        _ lane: BrokerLane, _ sent: [BrokerValue], _ found: [BrokerValue]
    ) {
        let told = Dictionary(grouping: sent, by: \.content).mapValues(\.count)
        let kept = Dictionary(grouping: found, by: \.content).mapValues(\.count)
        for (content, count) in told {
            let most = lane.kind == .bulletins ? min(count, gateways) : count
            let there = kept[content] ?? 0
            if there == 0 { problems.append("\(lane): lost: \(content.prefix(80))") }
            if there > most {
                problems.append("\(lane): \(there) times, not \(most): \(content.prefix(80))")
            }
        }
        for content in kept.keys where told[content] == nil {
            problems.append("\(lane): never sent: \(content.prefix(80))")
        }
    }

    /// Checks the prints of instruments for which two feeds deliver prints. If both feeds reported
    /// a print, it must be there at least as often as the feed with the lower count reported it:
    /// the other may have reported it again while it was not the active one.
    private mutating func checkPrints() {
        for (print, sent) in truth.prints where isTwofold(print.symbol) {
            let (one, other) = (sent.tickByTick, sent.level1)
            let most = max(one, other)
            let least = min(one, other) == 0 ? most : min(one, other)
            let found = tape.prints[print]?.live ?? 0
            // The last trade at a subscription's start may be repeated; it is marked and is no
            // event.
            let states = tape.states[print] ?? 0
            if found - states > most {
                problems.append("\(found) times (\(states) as a state), not \(most): \(print)")
            }
            guard found < least else { continue }
            let lane = BrokerLane(symbol: print.symbol, kind: .trades)
            let event = BrokerValue.event(second: print.second)
            let value = BrokerValue(
                content: "", time: Timestamp(nanoseconds: event.lowerBound), event: event)
            if isInGap(value, lane) {
                figures[.trades, default: Figures()].inGaps += least - found
            } else {
                problems.append("\(found) times, not \(least), and in no gap: \(print)")
            }
        }
    }

    var summary: String {
        let lines = BrokerLane.Kind.allCases.compactMap { kind in
            figures[kind].map { "  \(kind.rawValue): \($0)" }
        }
        return (lines + [BrokerGapFigures(tape).description]).joined(separator: "\n")
    }
}

/// Counts what happened to the gaps.
struct BrokerGapFigures: CustomStringConvertible {
    private(set) var opened = 0
    private(set) var unended = 0
    private(set) var filled = 0
    private(set) var partly = 0
    private(set) var abandoned = 0
    private(set) var waiting = 0
    private(set) var reasons: [GapReason: Int] = [:]

    init(_ tape: BrokerTape) {
        for gap in tape.gaps {
            opened += 1
            reasons[GapReason(rawValue: gap.reason) ?? .unknown, default: 0] += 1
            switch (gap.isEnded, gap.filled.isEmpty, gap.abandoned.isEmpty) {
            case (false, _, _): unended += 1
            case (true, true, true): waiting += 1
            case (true, false, true): filled += 1
            case (true, false, false): partly += 1
            case (true, true, false): abandoned += 1
            }
        }
    }

    var description: String {
        let reasons = reasons.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", ")
        return "  gaps: \(opened) (\(reasons)); filled \(filled), partly \(partly), "
            + "given up \(abandoned), waiting \(waiting), not ended \(unended)"
    }
}
