import MarketModel
import Primitives

/// A tick of a backfill, with the kind of data whose gap it may fill.
///
/// Only trades, quotes and bars are fetched for a gap, in the order of their times. Headlines are
/// requested at every start, come with the latest first, and are identified by their articles. An
/// indicator describes the instrument as of now. So neither shows how far a backfill has come.
struct FetchedTick {
    /// The kind of data that is missing. A bar may only be a substitute for it.
    let kind: DataKind
    /// Whether it is a bar and not a tick.
    let isBar: Bool
    let time: Timestamp
    /// The provider's resolution of `time`, as a raw `TimeResolution`.
    let resolution: UInt8

    init(_ kind: DataKind, _ header: TickHeader) {
        self.init(kind, header, isBar: false)
    }

    /// Returns `nil` for a bar that fills no gap. Bars of days are requested for their own sake. A
    /// bar in progress is stamped with now, a time inside every gap that lasts. A bar of 5 seconds
    /// fills a gap of bars only: it shows nothing about ticks.
    init?(_ bar: ProviderBar) {
        let width = bar.closeTime.nanoseconds(since: bar.openTime)
        switch (width, TimeResolution(rawValue: bar.header.resolution)) {
        case (FetchedBars.liveSeconds * Self.second, _):
            self.init(.providerBar, bar.header, isBar: true)
        case (FetchedBars.standInSeconds * Self.second, .second):
            let isOfQuotes = bar.kind == ProviderBarKind.bidAsk.rawValue
            self.init(isOfQuotes ? .quote : .trade, bar.header, isBar: true)
        default: return nil
        }
    }

    private init(_ kind: DataKind, _ header: TickHeader, isBar: Bool) {
        self.kind = kind
        self.isBar = isBar
        time = header.eventTime
        resolution = header.resolution
    }

    private static let second: Int64 = 1_000_000_000
}
