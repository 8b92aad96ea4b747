internal import IBProtocol
internal import MarketModel
internal import Primitives

/// Makes records of daily bars from history. A day begins at midnight where the contract trades, or
/// in UTC when the rules of that zone are not known.
struct DailyBars: Sendable {
    var number: UInt32
    var zone: ZoneRules?
    var kind: HistoryKind
    var isInLots: Bool

    /// Returns `nil` when the bar has no day.
    func record(_ bar: HistoricalBar, _ now: Timestamp) -> ProviderBar? {
        let start: Timestamp
        switch bar.time {
        case .day(let day): start = midnight(day)
        case .instant(let time): start = time
        case .wall(let wall, _):
            start = instant(wall.seconds)
        }
        guard start.isDefined else { return nil }
        let end: Timestamp
        if case .day(let day) = bar.time {
            end = midnight(day.addingReportingOverflow(1).partialValue)
        } else {
            end = start.advanced(byNanoseconds: .days(1))
        }
        let header = TickHeader(
            symbol: number, flags: .backfilled, resolution: TimeResolution.day.rawValue,
            // A bar in progress gets the present time, because no tape takes a stamp in the future.
            providerTime: min(end, now), receiveTime: now)
        var record = ProviderBar(
            header: header, openTime: start, closeTime: end,
            kind: kind == .trades ? .trades : .midpoint)
        record.open = bar.open
        record.high = bar.high
        record.low = bar.low
        record.close = bar.close
        record.vwap = bar.vwap
        record.volume = isInLots ? bar.volume.inLots : bar.volume
        record.trades = bar.trades
        record.flags = end > now ? [.regularHours, .inProgress] : .regularHours
        return record
    }

    private func midnight(_ day: Int64) -> Timestamp {
        let (seconds, isPast) = day.multipliedReportingOverflow(by: 86_400)
        return isPast ? .undefined : instant(seconds)
    }

    private func instant(_ local: Int64) -> Timestamp {
        let time = zone.map { $0.time(ofLocal: local) } ?? local
        let (nanoseconds, isPast) = time.multipliedReportingOverflow(by: EngineLimits.second)
        return isPast ? .undefined : Timestamp(nanoseconds: nanoseconds)
    }
}
