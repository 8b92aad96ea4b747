import IBEngine
import IBProtocol
import MarketModel
import Primitives
import Testing

/// A machine with its clock, the requests it made and the records it gave.
struct BackfillBench {
    var machine: BackfillMachine
    var ids = RequestIDs()
    var now: Double = 1_000
    var requests: [IBRequest] = []
    var records: [ProviderRecord] = []

    /// The arrivals around an outage, when they are known.
    static let arrivals = Arrivals(
        [MarketTick(9, 1), MarketTick(10, 1), MarketTick(10, 1), MarketTick(13, 5)]
            .map { $0.arrived(.trade) }, since: wallSeconds(8.0), until: wallSeconds(20.0))

    init(_ change: (inout BackfillLimits) -> Void = { _ in }) {
        var limits = BackfillLimits()
        change(&limits)
        machine = BackfillMachine(limits)
    }

    var moment: Moment {
        Moment(wall: wallSeconds(now), monotonic: .at(Int64(now * 1_000_000_000)))
    }

    /// Adds a gap. Without `arrivals` it is known that none of the gap's ticks arrived.
    mutating func add(
        _ kind: DataKind, _ from: Double, _ to: Double, _ arrivals: Arrivals? = nil,
        feeds: Instrument.Feeds = [.trades, .quotes], contract: Contract = Contract(.stock, "A"),
        _ change: (inout OpenGap) -> Void = { _ in }
    ) {
        var gap = OpenGap(
            instrument: 0, kind: kind, from: wallSeconds(from), to: wallSeconds(to),
            reason: .disconnected)
        change(&gap)
        machine.add(
            gap, contract: contract, feeds: feeds,
            arrivals: arrivals ?? Arrivals([], since: gap.from, until: gap.to), now: moment,
            into: &records)
    }

    /// Takes an answer of trades at 1, one per second.
    mutating func tookTrades(_ id: Int32, _ seconds: [Int64]) throws {
        took(try HistoryAnswers.trades(id, seconds.map { MarketTick($0, 1) }))
    }

    /// Returns the requests that are made now.
    mutating func next() -> [IBRequest] {
        requests = []
        machine.next(now: moment, ids: &ids, into: &requests, into: &records)
        return requests
    }

    /// An answer to a request of the machine came.
    mutating func took(_ answer: HistoryAnswer) {
        let isOwn = machine.took(answer, now: moment, into: &records)
        #expect(isOwn)
    }

    /// TWS refused a request of the machine.
    mutating func refused(_ id: Int32, _ code: Int32, _ text: String) {
        let isOwn = machine.refused(
            IBNotice(request: id, code: code, text: text), now: moment, into: &records)
        #expect(isOwn)
    }

    /// Returns the gap records so far as `filled 10.5 - 12.0: detail`, and forgets them.
    mutating func gaps() -> [String] {
        defer { records = [] }
        return records.compactMap(\.gapRecord).map { record in
            let state = GapState(rawValue: record.state).map { "\($0)" } ?? "?"
            let from = Double(record.from.nanoseconds) / 1e9
            let to = Double(record.to.nanoseconds) / 1e9
            return "\(state) \(from) - \(to)" + (record.detail.isEmpty ? "" : ": \(record.detail)")
        }
    }

    /// The times at which bars begin.
    var bars: [Timestamp] {
        records.compactMap {
            if case .tape(.providerBar(let bar)) = $0 { bar.openTime } else { nil }
        }
    }

    var added: [MarketTick] { records.compactMap { $0.addedTrade ?? $0.addedQuote } }
}
