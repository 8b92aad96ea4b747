import MarketModel
import Primitives
import Testing

@testable import IBEngine

/// The machine of the feeds of one instrument. A test gives all times as seconds after noon.
struct FeedBench {
    /// Noon of the world's day: second 0 of the tests.
    static let noon = Timestamp(nanoseconds: (World.dayStart + 43_200) * second)

    var machine = FeedMachine()
    var turn = Turn(IBEngineSettings(seed: 1), moment(at: 0))

    init(_ feeds: Instrument.Feeds, _ security: Instrument.Security = .stock) throws {
        machine.begin(1, try Self.instrument(feeds, security), in: &turn)
    }

    /// The instrument DIA with these feeds.
    static func instrument(
        _ feeds: Instrument.Feeds, _ security: Instrument.Security = .stock
    ) throws -> Instrument {
        Instrument(
            symbol: try #require(Symbol("DIA")), contract: Instrument.Contract(security),
            feeds: feeds)
    }

    /// A second by the clock of the calendar.
    static func wall(at seconds: Int64) -> Timestamp {
        noon.advanced(byNanoseconds: seconds * second)
    }

    /// A second by both clocks.
    static func moment(at seconds: Int64) -> Moment {
        Moment(wall: wall(at: seconds), monotonic: .at(seconds * second))
    }

    /// Sets the clock to so many seconds after noon.
    mutating func setClock(to seconds: Int64) { turn.now = Self.moment(at: seconds) }

    /// Where the feed is in the machine.
    func route(_ feed: FeedKind) throws -> FeedRoute {
        let slot = machine.entries[0].slots.firstIndex { $0.feed == feed }
        return FeedRoute(place: 0, slot: try #require(slot))
    }

    /// Makes a feed live since this time.
    mutating func makeLive(_ route: FeedRoute, _ request: Int32, since seconds: Int64 = 0) {
        machine[route].phase = .live(
            FeedPhase.Live(request: request, since: Self.wall(at: seconds)))
    }

    /// Stops a live feed, for this reason.
    mutating func interrupt(_ route: FeedRoute, _ cause: OutageCause.Kind, at seconds: Int64) {
        setClock(to: seconds)
        machine.interrupt(route, OutageCause(cause, "a test"), in: &turn)
    }

    /// Lets a stopped feed deliver again.
    mutating func resume(_ route: FeedRoute, at seconds: Int64) {
        setClock(to: seconds)
        machine.resume(route, in: &turn)
    }
}
