internal import Primitives

/// The faults that commands have set.
struct Conditions: Sendable {
    var permissions: [SimulatedInstrument.Permission]
    /// Per instrument: its feeds send nothing.
    var isSilent: [Bool]
    /// Per instrument: another session has its data.
    var isCompeting: [Bool]
    /// Per instrument: live sizes are sent in lots, and the volume of the day in shares, as by a
    /// switch of TWS.
    var isInLots: [Bool]
    /// 1100: no data, although the sockets stay open.
    var isServerLost = false
    var isMarketFarmDown = false
    var isHistoryFarmDown = false
    var refusesClientIDs = false

    init(_ instruments: [SimulatedInstrument]) {
        permissions = instruments.map(\.permission)
        isSilent = instruments.map { _ in false }
        isCompeting = instruments.map { _ in false }
        isInLots = instruments.map { _ in false }
    }

    func isDark(_ instrument: Int) -> Bool {
        isServerLost || isMarketFarmDown || isSilent[instrument]
    }
}

/// A message of the exchanges, or of the broker, to all clients.
struct Bulletin: Sendable {
    let id: Int32
    let text: String
}

/// The rest of the server as a session sees it.
struct World {
    let settings: SimulatorSettings
    let market: SimulatedMarket
    let conditions: Conditions
    /// The client ids of the other sessions.
    let clientIDs: [Int32]
    let bulletins: [Bulletin]
    let now: Timestamp

    /// Returns an instrument with the unit in which its live sizes are sent now.
    func quoted(_ place: Int) -> SimulatedInstrument {
        var instrument = market.instruments[place]
        instrument.countsLots = conditions.isInLots[place]
        return instrument
    }

    var second: Int64 { now.nanoseconds / 1_000_000_000 }

    func history(_ version: Int32) -> MarketHistory {
        MarketHistory(market: market, version: version, now: now)
    }
}
