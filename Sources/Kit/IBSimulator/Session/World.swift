internal import Primitives

/// What goes wrong in the world, by command.
struct Conditions: Sendable {
    var permissions: [SimulatedInstrument.Permission]
    /// Their feeds say nothing.
    var isSilent: [Bool]
    /// Another session has their data.
    var isCompeting: [Bool]
    /// 1100: no data, though the sockets stay.
    var isServerLost = false
    var isMarketFarmDown = false
    var isHistoryFarmDown = false
    var refusesClientIDs = false

    init(_ instruments: [SimulatedInstrument]) {
        permissions = instruments.map(\.permission)
        isSilent = instruments.map { _ in false }
        isCompeting = instruments.map { _ in false }
    }

    func isDark(_ instrument: Int) -> Bool {
        isServerLost || isMarketFarmDown || isSilent[instrument]
    }
}

/// What the exchanges, or the broker, have to say to everybody.
struct Bulletin: Sendable {
    let id: Int32
    let text: String
}

/// What a session sees of everything else.
struct World {
    let settings: SimulatorSettings
    let market: SimulatedMarket
    let conditions: Conditions
    /// Of the other sessions.
    let clientIDs: [Int32]
    let bulletins: [Bulletin]
    let now: Timestamp

    var second: Int64 { now.nanoseconds / 1_000_000_000 }

    func history(_ version: Int32) -> MarketHistory {
        MarketHistory(market: market, version: version, now: now)
    }
}
