/// One subscription of reqTickByTickData.
struct TickByTickFeed: Sendable {
    let request: Int32
    let instrument: Int
    let kind: TickByTickKind
    var isToldOfCompetition = false
}

/// One subscription of reqRealTimeBars.
struct BarFeed: Sendable {
    static let width: Int64 = 5

    let request: Int32
    let instrument: Int
    let show: MarketHistory.Show
    /// Bars that began before this second are not sent.
    let firstSecond: Int64
    var isToldOfCompetition = false
}

/// A historical request that is kept up to date.
struct GrowingBar: Sendable {
    let request: Int32
    let instrument: Int
    let show: MarketHistory.Show
    let width: Int64
    let format: Int32
}
