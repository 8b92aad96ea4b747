package import EngineKit
package import MarketModel
package import Primitives

/// A load of Massive's past.
package typealias MassiveHistory = HistoryMachine<MassiveHistoryService>

/// How Massive is asked for its past, and what its answers say. A symbol is asked for page by page.
/// Its numbers rise and have holes, so they prove nothing.
package struct MassiveHistoryService: PagedHistory {
    /// Where a symbol is.
    package struct Place: PagePlace {
        /// The address of the next page, without its host; empty: it is asked for by its time.
        package var next = ""
        package var emptyPages = 0

        package init() {}
    }

    package typealias Request = MassivePastRequest
    package typealias Answer = [UInt8]

    package let bars: BarLength
    /// The time between two requests, in nanoseconds.
    private let interval: Int64
    /// Whether the plan gets what is older than a quarter of an hour alone.
    private let isDelayed: Bool

    package init(bars: BarLength, requestsPerMinute: Int, isDelayed: Bool) {
        self.bars = bars
        interval = 60_000_000_000 / Int64(max(1, requestsPerMinute))
        self.isDelayed = isDelayed
    }

    package var limits: RequestLimits {
        var limits = RequestLimits(
            service: "Massive", failedWait: 1_000_000_000, limitedWait: 20_000_000_000)
        limits.unit = interval
        return limits
    }

    package var leastAge: Int64 {
        isDelayed ? MassivePastLimits.delayedAge : HistoryLimits.leastAge
    }

    package func name(of instrument: Instrument) -> String { MassiveEngine.name(of: instrument) }

    package func problem(of instrument: Instrument) -> String? {
        instrument.contract.security == .stock
            ? MassiveEngine.problem(ofName: name(of: instrument))
            : "only stocks come from here: security: stock"
    }

    package func request(_ number: UInt64, for feed: Feed) -> MassivePastRequest {
        guard feed.place.next.isEmpty else {
            return MassivePastRequest(
                number: number, interval: interval, target: feed.place.next)
        }
        let from =
            feed.isOfBars
            ? max(
                feed.range.lowerBound,
                feed.next.advanced(byNanoseconds: -bars.nanoseconds)) : feed.next
        let rows = feed.rows(
            max: feed.isOfBars ? MassivePastLimits.barsMax : MassivePastLimits.tradesMax)
        return request(
            number, of: feed.name, feed.isOfBars ? bars : nil, from..<feed.range.upperBound,
            rows: rows)
    }

    /// `length`: that of bars; `nil`: trades are asked for.
    private func request(
        _ number: UInt64, of symbol: String, _ length: BarLength?,
        _ range: Range<Timestamp>, rows: Int
    ) -> MassivePastRequest {
        let target: String
        if let length {
            let million: Int64 = 1_000_000
            let from = range.lowerBound.nanoseconds / million
            // The service includes the last moment that it gets.
            let to = max(from, (range.upperBound.nanoseconds - 1) / million)
            let limit = min(MassivePastLimits.barsMax, rows * length.parts)
            let name = MassivePastRequest.encoded(symbol)
            target =
                "/v2/aggs/ticker/\(name)/range/\(length.words)/\(from)/\(to)"
                + "?adjusted=false&sort=asc&limit=\(limit)"
        } else {
            target = MassivePastRequest.trades(of: symbol, range, rows: rows)
        }
        return MassivePastRequest(number: number, interval: interval, target: target)
    }

    // MARK: answers

    package static func rank(_ id: UInt64) -> UInt64 { MassiveCodes.place(id) }

    package func page(
        _ bytes: [UInt8], of instrument: UInt32, length: BarLength?, _ now: Timestamp
    ) -> MassivePage? {
        MassivePage(bytes, instrument: instrument, length: length?.nanoseconds, now)
    }

    package func items(
        of page: MassivePage, _ feed: Feed, _ place: inout Place
    ) -> [HistoryItem] {
        page.rows.compactMap { item($0, of: feed) }
    }

    private func item(_ row: MassivePage.Row, of feed: Feed) -> HistoryItem? {
        switch row {
        case .trade(let trade, let fate):
            let header = trade.header
            let record = ProviderRecord.tape(.trade(trade))
            var cancel = trade
            cancel.header.action = TradeAction.cancel.rawValue
            return HistoryItem(
                time: header.providerTime, id: header.providerID,
                fate == .cancelled
                    ? .changed(record, .tape(.trade(cancel))) : .record(record))
        case .bar(let bar): return item(bar, of: feed)
        case .misfit(let time, let text, _): return item(misfit: text, at: time, of: feed)
        }
    }
}

// What a plan asks.
extension MassiveHistoryService {
    package func page(ofBars: Bool) -> (rows: Int, interval: Int64) {
        let bars = max(1, MassivePastLimits.barsMax / bars.parts)
        return (ofBars ? bars : MassivePastLimits.tradesMax, interval)
    }

    package func question(
        _ number: UInt64, _ question: HistoryQuestion, of instrument: Instrument,
        in range: Range<Timestamp>
    ) -> MassivePastRequest {
        request(
            number, of: name(of: instrument), length(of: question), range,
            rows: question == .firstTrade ? 1 : MassivePastLimits.barsMax)
    }

    package func counted(_ page: MassivePage, length: Int64) -> [HistoryCounts.Row] {
        page.rows.enumerated().map { place, row in
            let time =
                switch row {
                case .trade(let trade, _): trade.header.providerTime
                case .bar(let bar): bar.openTime
                case .misfit(let time, _, _): time
                }
            return HistoryCounts.Row(
                from: time, to: time.advanced(byNanoseconds: length),
                trades: length == 0 ? 1 : page.counts[place])
        }
    }
}
