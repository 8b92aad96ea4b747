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

/// The time of the simulated services. Commands step it and change its speed.
struct SimulatedClock: Sendable {
    private var start: Timestamp
    private var simulatedStart: Timestamp
    private var speed: Int128

    init(_ settings: PolledSettings, start: Timestamp) {
        self.start = start
        simulatedStart = settings.simulatedStart ?? start
        speed = Int128(settings.speed)
    }

    func time(_ now: Timestamp) -> Timestamp {
        let passed = Int128(now.nanoseconds(since: start)) * speed
        return simulatedStart.advanced(byNanoseconds: Int64(clamping: passed))
    }

    /// Goes on from `now` at another speed; 0: it stands still.
    mutating func go(_ speed: Int, from now: Timestamp) {
        (start, simulatedStart, self.speed) = (now, time(now), Int128(speed))
    }

    /// Steps ahead, or back, but not before 1970.
    mutating func step(seconds: Int64) {
        let nanoseconds = max(-simulatedStart.nanoseconds, seconds * 1_000_000_000)
        simulatedStart = simulatedStart.advanced(byNanoseconds: nanoseconds)
    }
}
