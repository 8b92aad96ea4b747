import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import Testing

/// The broker's trades on the tape, and their gaps.
struct BrokerTapeAudit {
    typealias Print = BrokerSimulator.Print

    struct Gap {
        let from: Timestamp
        var to: Timestamp
        var state: GapState?
        var details: [String] = []
        /// Parts of the gap that were filled while others were not.
        var filled: [Range<Int64>] = []
    }

    private(set) var trades: [Print: Int] = [:]
    private(set) var backfilled = 0
    private(set) var live = 0
    /// The gaps per symbol, in the order of their beginning.
    private(set) var gaps: [String: [Gap]] = [:]
    private(set) var starts: [String: Timestamp] = [:]
    private(set) var last = Timestamp(nanoseconds: 0)
    private(set) var watermark = Timestamp(nanoseconds: Int64.min)

    init(_ tape: TestTape, source: String) throws {
        let source = try #require(SourceName(source))
        for number in 0..<tape.names.partitions {
            let partition = Partition(number)
            for packet in try tape.tickPackets(partition)
            where packet.subject == tape.names.ticks(partition, source) {
                watermark = max(watermark, packet.header.watermark)
                packet.payload.withRawSpan { read($0) }
            }
        }
    }

    private mutating func read(_ packet: borrowing RawSpan) {
        var names: [UInt32: String] = [:]
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(let trade): add(trade, names[trade.header.symbol] ?? "?")
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    names[index] = definition.symbol.text
                } else if let gap = message.gapRecord(in: packet) {
                    add(gap, names[gap.header.symbol] ?? "")
                } else if let record = message.subscriptionRecord(in: packet) {
                    let name = names[record.header.symbol] ?? "?"
                    if starts[name] == nil { starts[name] = record.header.receiveTime }
                }
            case .quote, .bar: continue
            case .malformed: Issue.record("malformed")
            }
        }
    }

    private mutating func add(_ trade: Trade, _ symbol: String) {
        let print = Print(
            symbol: symbol, second: trade.header.providerTime.nanoseconds / 1_000_000_000,
            price: trade.price.raw, size: trade.size.raw, exchange: trade.exchange.text)
        trades[print, default: 0] += 1
        if trade.header.flags.contains(.backfilled) { backfilled += 1 } else { live += 1 }
        last = max(last, trade.header.providerTime)
    }

    private mutating func add(_ record: GapRecord, _ symbol: String) {
        guard record.kind == DataKind.trade.rawValue else { return }
        let state = GapState(rawValue: record.state)
        var list = gaps[symbol] ?? []
        if let place = list.firstIndex(where: { $0.from == record.from }) {
            if record.to.isDefined { list[place].to = record.to }
            list[place].state = state
            if !record.detail.isEmpty { list[place].details.append(record.detail) }
        } else {
            list.append(
                Gap(from: record.from, to: record.to, state: state, details: [record.detail]))
        }
        if state == .filled, record.to.isDefined, let place = list.indices.last {
            let seconds = Self.seconds(record.from, record.to)
            list[place].filled.append(seconds)
        }
        gaps[symbol] = list
    }

    private static func seconds(_ from: Timestamp, _ to: Timestamp) -> Range<Int64> {
        let first = from.nanoseconds / 1_000_000_000
        return first..<max(first, (to.nanoseconds + 999_999_999) / 1_000_000_000)
    }

    /// Returns sentences about trades that are on the tape too often, or missing outside of the
    /// gaps that stayed open.
    func problems(_ truth: [Print: Int]) -> [String] {
        var problems: [String] = []
        for (print, count) in truth {
            let found = trades[print] ?? 0
            if found > count { problems.append("\(found) times, not \(count): \(print)") }
            if found < count, !isMissed(print) {
                problems.append("\(found) times, not \(count), and in no gap: \(print)")
            }
        }
        return problems.sorted()
    }

    /// Returns trades of these seconds that are on the tape and never happened.
    func strangers(_ truth: [Print: Int], _ seconds: Range<Int64>) -> [Print] {
        trades.keys.filter { seconds.contains($0.second) && truth[$0] == nil }
    }

    private func isMissed(_ print: Print) -> Bool {
        (gaps[print.symbol] ?? []).contains { gap in
            gap.state != .filled && gap.to.isDefined
                && Self.seconds(gap.from, gap.to).contains(print.second)
        }
    }

    var summary: String {
        let all = gaps.sorted { $0.key < $1.key }.flatMap { symbol, list in
            list.map { gap in
                let state = gap.state.map { "\($0)" } ?? "?"
                return "  \(symbol) \(gap.from) - \(gap.to): \(state) \(gap.details)"
            }
        }
        return (["live \(live), backfilled \(backfilled)"] + all).joined(separator: "\n")
    }
}
