package import MarketModel
package import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// A market in which every tick follows from its number. It determines what a source must have
/// delivered.
package struct AuditedMarket: Sendable {
    package var symbols: [Symbol]
    /// The upper 16 bits of its ticks' provider ids.
    package var fingerprint: UInt64
    /// Returns the time of tick 0, given the time of the tick with this number.
    package var origin: @Sendable (_ index: UInt64, _ time: Timestamp) -> Timestamp
    package var tick: @Sendable (_ index: UInt64, _ origin: Timestamp) -> Tick

    package struct Tick: Sendable {
        /// The number of the tick's symbol.
        package var symbol: Int
        package var kind: DataKind
        package var time: Timestamp

        package init(symbol: Int, kind: DataKind, time: Timestamp) {
            self.symbol = symbol
            self.kind = kind
            self.time = time
        }
    }

    package init(
        symbols: [Symbol], fingerprint: UInt64,
        origin: @escaping @Sendable (_ index: UInt64, _ time: Timestamp) -> Timestamp,
        tick: @escaping @Sendable (_ index: UInt64, _ origin: Timestamp) -> Tick
    ) {
        self.symbols = symbols
        self.fingerprint = fingerprint
        self.origin = origin
        self.tick = tick
    }
}

/// Compares the ticks of a deterministic market with the tape: every tick is on it exactly once, or
/// inside a recorded gap of its symbol.
package struct MarketAudit: Sendable {
    package struct Gap: Sendable {
        package let from: Timestamp
        package let to: Timestamp
        package let kind: DataKind
        package let reason: GapReason?

        func covers(_ tick: AuditedMarket.Tick) -> Bool {
            (kind == .any || kind == tick.kind) && from <= tick.time && tick.time < to
        }
    }

    package struct Report: Sendable, CustomStringConvertible {
        /// The number of ticks that the market made in the interval.
        package var made = 0
        package var onTape = 0
        /// Ticks that are not on the tape but inside a recorded gap.
        package var inGaps = 0
        package var lost = 0
        package var doubled = 0
        package var gaps = 0
        /// Sentences about problems, the first few of each kind.
        package var problems: [String] = []

        package var isRight: Bool { problems.isEmpty && lost == 0 && doubled == 0 }

        package var description: String {
            "made \(made): on tape \(onTape), in gaps \(inGaps) (\(gaps) records), lost \(lost), "
                + "doubled \(doubled); \(problems.joined(separator: "; "))"
        }

        fileprivate mutating func complain(_ text: String) {
            if problems.count < MarketAudit.problemsMax { problems.append(text) }
        }
    }

    private static let problemsMax = 20
    /// The highest tick number that fits into a provider id.
    private static let indexMax: UInt64 = 1 << 48 - 1

    /// The gaps per symbol.
    package private(set) var gaps: [Symbol: [Gap]] = [:]
    /// How often each tick is on the tape.
    private var found: [UInt64: Int] = [:]
    /// The time of tick 0. `nil` if no tick was seen yet.
    package private(set) var origin: Timestamp?
    private let market: AuditedMarket
    private var report = Report()

    package init(_ market: AuditedMarket) { self.market = market }

    /// Reads everything of the source that is on the tape.
    package init(_ market: AuditedMarket, _ tape: TestTape, source: SourceName) throws {
        self.init(market)
        for number in 0..<tape.names.partitions {
            let subject = tape.names.ticks(Partition(number), source)
            for packet in try tape.tickPackets(Partition(number)) where packet.subject == subject {
                packet.payload.withRawSpan { add($0) }
            }
        }
    }

    /// Adds a packet of ticks of the source, in any order.
    package mutating func add(_ packet: RawSpan) {
        var symbols: [UInt32: Symbol] = [:]
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(let trade): add(trade.header, .trade, symbols[trade.header.symbol])
            case .quote(let quote): add(quote.header, .quote, symbols[quote.header.symbol])
            case .bar: continue
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    symbols[index] = definition.symbol
                } else if let gap = message.gapRecord(in: packet) {
                    add(gap, symbols[gap.header.symbol])
                }
            case .malformed: report.complain("a record is malformed")
            }
        }
    }

    private mutating func add(_ gap: GapRecord, _ symbol: Symbol?) {
        report.gaps += 1
        guard let symbol, let kind = DataKind(rawValue: gap.kind) else {
            if gap.header.symbol != TickHeader.noSymbol {
                report.complain("a gap record names no symbol or kind")
            }
            return
        }
        gaps[symbol, default: []].append(
            Gap(
                from: gap.from, to: gap.to, kind: kind, reason: GapReason(rawValue: gap.reason)))
    }

    private mutating func add(_ header: TickHeader, _ kind: DataKind, _ symbol: Symbol?) {
        guard header.providerID >> 48 == market.fingerprint else {
            report.complain("a tick is of another market")
            return
        }
        let index = header.providerID & Self.indexMax
        let origin = market.origin(index, header.eventTime)
        if self.origin == nil { self.origin = origin }
        guard origin == self.origin else {
            report.complain("tick \(index) at \(header.eventTime) is of a market that began anew")
            return
        }
        let tick = market.tick(index, origin)
        if tick.kind != kind || symbol != market.symbols[tick.symbol] {
            report.complain("tick \(index) is \(kind) of \(symbol?.text ?? "nobody")")
        }
        found[index, default: 0] += 1
    }

    /// Returns a report on the ticks with times in [from, to).
    package func report(from: Timestamp, to: Timestamp) -> Report {
        var report = report
        guard let origin else {
            report.complain("no tick is on the tape")
            return report
        }
        var index = firstIndex(at: from, origin: origin)
        while true {
            let tick = market.tick(index, origin)
            guard tick.time < to else { return report }
            report.made += 1
            judge(index, tick, &report)
            index += 1
        }
    }

    private func judge(_ index: UInt64, _ tick: AuditedMarket.Tick, _ report: inout Report) {
        switch found[index] ?? 0 {
        case 0 where (gaps[market.symbols[tick.symbol]] ?? []).contains { $0.covers(tick) }:
            report.inGaps += 1
        case 0:
            report.lost += 1
            report.complain(
                "tick \(index) (\(tick.kind) of \(market.symbols[tick.symbol]) at \(tick.time)) is "
                    + "neither on the tape nor in a gap")
        case 1: report.onTape += 1
        case let count:
            report.doubled += 1
            report.complain("tick \(index) is on the tape \(count) times")
        }
    }

    /// Returns the first tick at or after a time. Times rise with numbers.
    private func firstIndex(at time: Timestamp, origin: Timestamp) -> UInt64 {
        var (low, high): (UInt64, UInt64) = (0, 1)
        while high < Self.indexMax, market.tick(high, origin).time < time { high *= 2 }
        while low < high {
            let middle = low + (high - low) / 2
            if market.tick(middle, origin).time < time { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
