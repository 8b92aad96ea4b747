import MarketModel
import Primitives
import Testing

@testable import IBEngine

/// The machine of the feeds of one instrument, at times that a test sets.
struct FeedBench {
    /// The time at which the clock of the tests says zero.
    static let noon = Timestamp(nanoseconds: (World.dayStart + 43_200) * second)

    var machine = FeedMachine()
    var turn = Turn(IBEngineSettings(seed: 1), moment(0))

    init(_ feeds: Instrument.Feeds, _ security: Instrument.Security = .stock) throws {
        machine.begin(1, try Self.instrument(feeds, security), in: &turn)
    }

    static func instrument(
        _ feeds: Instrument.Feeds, _ security: Instrument.Security = .stock
    ) throws -> Instrument {
        Instrument(
            symbol: try #require(Symbol("DIA")), contract: Instrument.Contract(security),
            feeds: feeds)
    }

    static func moment(_ seconds: Int64) -> Moment {
        Moment(
            wall: noon.advanced(byNanoseconds: seconds * second), monotonic: .at(seconds * second))
    }

    /// Sets the clock.
    mutating func goes(to seconds: Int64) { turn.now = Self.moment(seconds) }

    func route(_ feed: FeedKind) throws -> FeedRoute {
        let slot = machine.entries[0].slots.firstIndex { $0.feed == feed }
        return FeedRoute(place: 0, slot: try #require(slot))
    }

    /// Makes a feed live since this time.
    mutating func makeLive(_ route: FeedRoute, _ request: Int32, since seconds: Int64 = 0) {
        machine[route].phase = .live(
            FeedPhase.Live(request: request, since: Self.moment(seconds).wall))
    }

    mutating func interrupt(_ route: FeedRoute, _ cause: OutageCause.Kind, at seconds: Int64) {
        goes(to: seconds)
        machine.interrupt(route, OutageCause(cause, "a test"), in: &turn)
    }

    mutating func resume(_ route: FeedRoute, at seconds: Int64) {
        goes(to: seconds)
        machine.resume(route, in: &turn)
    }
}
