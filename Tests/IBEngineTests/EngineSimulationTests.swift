import IBEngine
import MarketModel
import Primitives
import Seeds
import Testing

@Suite("The engine in worlds from a seed") struct EngineSimulationTests {
    private static let seeds = Seeds(
        fixed: 1...150,
        // Level 1 goes silent, and a competing session stops the trades that come tick by tick.
        failed: [11_479_750_924_462_383_245])
    private static let ofAllKinds = Seeds(
        fixed: 1...150,
        failed: [
            11_479_750_924_462_383_245,
            // The vendor is lost for half a second, while a farm is down that does not say that it
            // is back.
            1_387_975_927_798_564_395,
        ])

    @Test("Every tick is there once or inside an outage that has an end", arguments: seeds.all())
    func completeness(_ seed: UInt64) {
        let world = Self.lived(seed, canBackfill: false)
        let found = Self.problems(of: world, isFilled: false)
        #expect(found.isEmpty, "TAPELINE_SEED=\(seed): \(found.prefix(5))")
    }

    @Test("With history every trade is there once, or its gap was given up", arguments: seeds.all())
    func filled(_ seed: UInt64) {
        let world = Self.lived(seed, canBackfill: true)
        let found = Self.problems(of: world, isFilled: true)
        #expect(found.isEmpty, "TAPELINE_SEED=\(seed): \(found.prefix(5))")
    }

    @Test(
        "Every value of every kind is there once or inside an outage that has an end",
        arguments: ofAllKinds.all())
    func everyKind(_ seed: UInt64) {
        let world = Self.lived(seed, canBackfill: seed % 2 == 0, kinds: KindWorlds.all)
        let found = Self.problems(of: world, isFilled: false)
        #expect(found.isEmpty, "TAPELINE_SEED=\(seed): \(found.prefix(5))")
    }

    @Test(
        "Quotes that level 1 hands over are there, or inside an outage that has an end",
        arguments: seeds.all())
    func quotes(_ seed: UInt64) {
        let isFilled = seed % 2 == 1
        let world = Self.lived(seed, canBackfill: isFilled, kinds: [[.level1, .quotes]])
        let found = Self.problems(of: world, isFilled: isFilled)
        #expect(found.isEmpty, "TAPELINE_SEED=\(seed): \(found.prefix(5))")
    }

    @Test("A source of delayed data has all of them, and says that it has", arguments: seeds.all())
    func delayed(_ seed: UInt64) {
        let world = Self.lived(
            seed, canBackfill: false, kinds: [.level1, [.level1, .computations]], isDelayed: true)
        let found = Self.problems(of: world, isFilled: false)
        #expect(found.isEmpty, "TAPELINE_SEED=\(seed): \(found.prefix(5))")
    }

    private static func problems(of world: World, isFilled: Bool) -> [String] {
        world.verdict.generalProblems + world.problems(isFilled: isFilled) + standing(world)
    }

    /// Returns what is still wrong when all faults have long ended.
    private static func standing(_ world: World) -> [String] {
        var found = world.server.complaints
        let status = world.engine.status
        for instrument in status.instruments {
            for feed in instrument.feeds where feed.state != .live && feed.state != .done {
                found.append("\(instrument.symbol) \(feed.feed) is \(feed.state): \(feed.reason)")
            }
        }
        if status.state != .ready { found.append("the session is \(status.state)") }
        if status.openOutages != 0 { found.append("\(status.openOutages) outages are open") }
        if status.counters.lateRecords != 0 { found.append("there are late records") }
        if !status.pacing.isEmpty { found.append("\(status.pacing) waits") }
        return found
    }

    /// The longest time between an arrival and its delivery to the engine, in nanoseconds.
    static let stepMax: Int64 = 150_000_000

    /// A run: faults for two minutes and a half, then an hour in which everything is retried that
    /// can be, a minute of trading, and another hour.
    static func lived(
        _ seed: UInt64, canBackfill: Bool, kinds: [Instrument.Feeds]? = nil,
        isDelayed: Bool = false
    ) -> World {
        var choice = SeededRandom(seed: seed &* 7 &+ 1)
        let few: [Instrument.Feeds] =
            seed % 4 == 0
            ? [.level1] : [.level1, .trades, [.level1, .trades], [.trades, .quotes]]
        var feeds = (0..<3).map { _ in
            let kinds = kinds ?? few
            return kinds[Int.random(in: 0..<kinds.count, using: &choice)]
        }
        var rerouted: Set<Int> = []
        if kinds != nil, !isDelayed, seed % 3 == 0 {
            // The data of the last instrument come under another contract.
            rerouted = [feeds.count]
            // There are no more books than lines for them.
            let books = feeds.count { !$0.isDisjoint(with: [.depth, .smartDepth]) }
            let hasLine = books < PacingLimits().lines.depth
            feeds.append(seed % 2 == 0 || !hasLine ? .level1 : .smartDepth)
        }
        // The other contract is no stock. Old servers report sizes of stocks in hundreds.
        let versions = rerouted.isEmpty && !isDelayed ? [157, 158, 163, 176, 187] : [176, 187]
        let version = kinds == nil ? 176 : versions[Int(seed % UInt64(versions.count))]
        var world = World(
            seed: seed, feeds: feeds, canBackfill: canBackfill, version: version,
            isDelayed: isDelayed, rerouted: rerouted)
        world.start()
        var untilFault = Int64.random(in: 5...20, using: &choice) * second
        let end = world.now + 150 * second
        while world.now < end {
            let step = Int64.random(in: 20_000_000...stepMax, using: &choice)
            world.step(step)
            untilFault -= step
            guard untilFault <= 0 else { continue }
            world.fault()
            untilFault = Int64.random(in: 1...25, using: &choice) * second
        }
        world.calm()
        for _ in 0..<800 { world.step(150_000_000) }
        world.isTrading = false
        for _ in 0..<400 { world.step(10 * second) }
        world.isTrading = true
        for _ in 0..<400 { world.step(150_000_000) }
        world.isTrading = false
        for _ in 0..<20 { world.step(200_000_000) }
        // The last trades prove that history is up to date when it is requested once more.
        for _ in 0..<400 { world.step(10 * second) }
        return world
    }
}

/// The feeds with which the instruments of a world are recorded.
enum KindWorlds {
    static let all: [Instrument.Feeds] = [
        .level1, .trades, [.level1, .trades], [.trades, .quotes], .midpoints, .depth, .smartDepth,
        .bars, .news, [.level1, .news], [.level1, .computations], .computations,
        [.fundamentals, .trades], [.dailyHistory, .bars], [.bars, .depth, .news],
    ]
}

extension World {
    /// Returns the ticks that are missing without a record, or recorded twice, by kind.
    func problems(isFilled: Bool) -> [String] {
        var found: [String] = []
        for index in instruments.indices {
            let mine = server.trades.filter { $0.instrument == index }
            for track in Track.allCases where tracks(index).contains(track) {
                let isOfHistory = track == .trade || track == .bar || track == .quote
                let isStamped = isOfHistory && track != .quote
                let events =
                    track == .bar
                    ? server.bars.filter { $0.instrument == index }
                    : track == .news ? mine.filter(\.isNews) : mine
                let isFetched = canBackfill && track == .news
                found += verdict.problems(
                    in: events, track, isFilled: isFilled && isOfHistory || isFetched,
                    latency: isFilled && isStamped
                        ? 0 : server.latencyMax + EngineSimulationTests.stepMax)
            }
            found += documentProblems(index) + bookProblems(index)
        }
        for number in 1...max(1, server.bulletins)
        where server.bulletins > 0 && verdict.bulletins[UInt64(number)] != 1 {
            let count = verdict.bulletins[UInt64(number)] ?? 0
            found.append("bulletin \(number) is there \(count) times")
        }
        return found
    }

    private func tracks(_ index: Int) -> Set<Track> {
        let feeds = instruments[index].feeds
        let isCFD = server.rerouted.contains(index)
        var tracks: Set<Track> = []
        if feeds.contains(.level1) {
            tracks.formUnion(verdict.isDelayed ? [.quote, .trade] : [.quote, .volume])
            if !verdict.isDelayed, !isCFD { tracks.insert(.trade) }
            if feeds.contains(.computations), !verdict.isDelayed { tracks.insert(.computation) }
        }
        if feeds.contains(.trades) { tracks.insert(.trade) }
        if feeds.contains(.quotes) { tracks.insert(.quote) }
        if feeds.contains(.midpoints) { tracks.insert(.midpoint) }
        if !feeds.isDisjoint(with: [.depth, .smartDepth]) { tracks.insert(.depth) }
        if feeds.contains(.bars) { tracks.insert(.bar) }
        if feeds.contains(.news) { tracks.insert(.news) }
        return tracks
    }

    private func documentProblems(_ index: Int) -> [String] {
        let feeds = instruments[index].feeds
        var found: [String] = []
        let documents = verdict.documents[UInt32(index)] ?? 0
        if documents != (feeds.contains(.fundamentals) ? 1 : 0) {
            found.append("\(documents) documents of \(index)")
        }
        let days = verdict.dailyBars[UInt32(index)] ?? []
        let wanted = feeds.contains(.dailyHistory) ? World.days.count : 0
        if days.count != wanted || Set(days).count != wanted {
            found.append("days of \(index): \(days)")
        }
        return found
    }

    private func bookProblems(_ index: Int) -> [String] {
        guard !instruments[index].feeds.isDisjoint(with: [.depth, .smartDepth]) else { return [] }
        var wanted = RecordedBook(rows: [[0, 0, 0], [0, 0, 0]])
        for row in server.books[index].rows { wanted.rows[row.side][row.position] = row.number }
        let book = verdict.books[UInt32(index)] ?? RecordedBook()
        return book == wanted ? [] : ["the book of \(index) is \(book), not \(wanted)"]
    }
}
