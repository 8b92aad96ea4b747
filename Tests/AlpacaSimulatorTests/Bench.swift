import Primitives
import VenueTestSupport
import VenueWeb

@testable import AlpacaSimulator

/// A simulated Alpaca in memory with its clients.
typealias Bench = VenueBench<AlpacaSite>

extension VenueBench where Site == AlpacaSite {
    static var keys: [String: String] {
        ["APCA-API-KEY-ID": "test-key", "APCA-API-SECRET-KEY": "test-secret"]
    }

    init(
        symbols: [String] = ["AAPL", "KO"], rate: Int = 40, seed: UInt64 = 1,
        rarities: (inout AlpacaRarities) -> Void = { _ in },
        settings change: (inout AlpacaSettings) -> Void = { _ in }
    ) {
        var settings = AlpacaSettings()
        settings.web.keepsTruth = true
        settings.web.keepsMarketLog = true
        settings.web.pingSeconds = 3_600
        change(&settings)
        var usual = AlpacaRarities()
        usual.haltSeconds = 0
        rarities(&usual)
        self.init(
            AlpacaSite(
                settings, symbols: symbols.compactMap { AlpacaSymbol($0) },
                coins: [AlpacaSymbol("BTC/USD")].compactMap(\.self), seed: seed, rate: rate,
                rarities: usual, start: Self.start))
    }

    /// Connects and authenticates. Returns the connection's number.
    mutating func client(_ path: String = "/v2/sip") throws -> Int {
        let number = try webSocket(path, headers: Self.keys)
        _ = take(number)
        return number
    }
}
