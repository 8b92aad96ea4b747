package import Primitives
package import VenueWeb

/// The settings of the simulated services.
package struct PolledSettings: Equatable, Sendable {
    package var web = WebSettings()
    /// The key that FRED asks for.
    package var fredKey = "abcdefghijklmnopqrstuvwxyz012345"
    /// The key that CoinGecko asks for; `nil`: it answers without one.
    package var coinKey: String?
    /// The simulated time at the start; `nil`: the real one.
    package var simulatedStart: Timestamp?
    /// Simulated seconds per second.
    package var speed = 1

    package init() {}
}

/// The time of the simulated services.
struct SimulatedClock: Sendable {
    private let start: Timestamp
    private let simulatedStart: Timestamp
    private let speed: Int128

    init(_ settings: PolledSettings, start: Timestamp) {
        self.start = start
        simulatedStart = settings.simulatedStart ?? start
        speed = Int128(settings.speed)
    }

    func time(_ now: Timestamp) -> Timestamp {
        let passed = Int128(now.nanoseconds(since: start)) * speed
        return simulatedStart.advanced(byNanoseconds: Int64(clamping: passed))
    }
}
