import MarketModel
import Primitives

/// A tick that was fetched later, and of what a gap it may be there to fill.
///
/// Trades, quotes and bars alone are fetched for a gap, in the order of their times. Headlines are
/// asked for at every start, come with the latest first, and are known by their articles; an
/// indicator tells of the instrument as of now. Neither says how far anybody has come.
struct FetchedTick {
    /// What is missing, which a bar may only stand in for.
    let kind: DataKind
    let isBar: Bool
    let time: Timestamp
    /// A raw `TimeResolution`.
    let resolution: UInt8

    init(_ kind: DataKind, _ header: TickHeader) {
        self.init(kind, header, isBar: false)
    }

    /// Nil: it fills no gap. Bars of days are asked for on their own account, and one in progress
    /// is as of now, which lies in every gap that lasts. Those of 5 seconds were missing
    /// themselves, and tell nothing of ticks.
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
