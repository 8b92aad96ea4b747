import IBEngine
import MarketModel
import Primitives
import Testing

// What most tests let a world do, and what they look at.
extension World {
    /// A world that has run for these seconds. `change` is made before its start.
    static func running(
        _ feeds: [Instrument.Feeds], seed: UInt64 = 3, canBackfill: Bool = false,
        seconds: Double = 10, _ change: (inout World) -> Void = { _ in }
    ) -> World {
        var world = World(seed: seed, feeds: feeds, canBackfill: canBackfill)
        change(&world)
        world.start()
        world.pass(seconds)
        return world
    }

    /// Lets so many seconds pass.
    mutating func pass(_ seconds: Double, step: Int64 = 100_000_000) {
        let end = now + Int64((seconds * 1_000).rounded()) * 1_000_000
        while now < end { self.step(step) }
    }

    typealias Begun = (UInt32, Instrument, reached: Timestamp)

    /// The first instrument, as it is begun again.
    func first(reached: Timestamp = .undefined) -> Begun { (0, instruments[0], reached) }

    /// Changes what is followed. Returns the records of gaps that follow from it.
    @discardableResult
    mutating func follow(
        _ begun: [Begun] = [], ended: [UInt32] = [], gaps: [OpenGap] = []
    ) -> [GapRecord] {
        var output = IBEngine.Output()
        engine.follow(begun: begun, ended: ended, gaps: gaps, moment, into: &output)
        let records = output.live.records.compactMap(\.gapRecord)
        settle(&output)
        return records
    }

    /// A gap of the first instrument. Its ends are so many seconds before now; without an end it
    /// lasts.
    func gap(_ kind: DataKind, from: Double, to: Double? = nil) -> OpenGap {
        OpenGap(
            instrument: 0, kind: kind, from: ago(from), to: to.map { ago($0) } ?? .undefined,
            reason: .disconnected)
    }

    /// The time so many seconds before now.
    func ago(_ seconds: Double) -> Timestamp {
        Timestamp(nanoseconds: now - Int64((seconds * 1_000).rounded()) * 1_000_000)
    }

    /// The vendor is lost, and the server says so.
    mutating func breakVendor() {
        server.isVendorLost = true
        tell(1100, "Connectivity between IB and Trader Workstation has been lost")
    }

    /// The vendor comes back, and the server says that it kept the subscriptions, or lost them.
    mutating func restoreVendor(lost: Bool = false) { remedies.append((now, .restore(lost: lost))) }

    /// The feeds of an instrument.
    func feeds(_ index: Int = 0) -> [FeedStatus] { engine.status.instruments[index].feeds }

    /// The states of all feeds.
    var states: [FeedStatus.State] { engine.status.instruments.flatMap { $0.feeds.map(\.state) } }

    /// How many requests of these kinds the server has seen.
    func requests(_ kinds: String...) -> Int { server.requestsSeen.count { kinds.contains($0) } }

    /// Ends the trading, lets everything arrive, and expects that no value is missing or double.
    mutating func expectWhole(
        isFilled: Bool, after seconds: Double = 2, at place: SourceLocation = #_sourceLocation
    ) {
        isTrading = false
        pass(seconds)
        let found = problems(isFilled: isFilled)
        #expect(found.isEmpty, "\(found.prefix(5))", sourceLocation: place)
    }

    /// The same of one kind of value, without history.
    mutating func expectWhole(
        _ track: Track, after seconds: Double = 1, at place: SourceLocation = #_sourceLocation
    ) {
        isTrading = false
        pass(seconds)
        let found = instruments.indices.flatMap { index in
            verdict.problems(
                in: server.trades.filter { $0.instrument == index }, track, isFilled: false,
                latency: track == .quote ? server.latencyMax + 100_000_000 : 0)
        }
        #expect(found.isEmpty, "\(found.prefix(5))", sourceLocation: place)
    }

    /// Expects that the output is sound, and that the client made no mistake.
    func expectSound(at place: SourceLocation = #_sourceLocation) {
        let found = verdict.problems + server.complaints
        #expect(found.isEmpty, "\(found.prefix(5))", sourceLocation: place)
    }
}
