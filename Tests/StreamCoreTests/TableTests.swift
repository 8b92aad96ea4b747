import MarketModel
import Primitives
import Testing

@testable import StreamCore

@Suite struct BarSeriesTests {
    @Test(
        "names say the width",
        arguments: [
            ("1s", 1), ("5s", 5), ("1m", 60), ("15m", 900), ("60m", 3_600), ("1h", 3_600),
            ("4h", 14_400), ("24h", 86_400), ("1d", 86_400), ("86400s", 86_400),
        ])
    func widths(text: String, seconds: Int64) throws {
        let series = try BarSeries(text)
        #expect(series.widthNanoseconds == seconds * 1_000_000_000)
        #expect(series.name.text == text)
    }

    @Test(
        "what is no number with a unit is refused",
        arguments: [
            "", "s", "1", "1x", "01s", "0s", "-1s", "+1s", "1.5s", "1 s", "s1", "1ms", "1M", "é1s",
            "99999999999999999999s",
        ])
    func malformed(text: String) {
        #expect(throws: StreamCoreError.seriesText(text)) { try BarSeries(text) }
    }

    @Test(
        "a width that does not divide a day is refused",
        arguments: ["7s", "7m", "5h", "2d", "86401s", "9223372036854775807d"])
    func uneven(text: String) {
        #expect(throws: StreamCoreError.seriesWidth(text)) { try BarSeries(text) }
    }

    @Test("a set is ordered from finest to coarsest, whatever the order it is given in")
    func order() throws {
        let set = try BarSeriesSet(["1h", "1s", "1d", "1m"])
        #expect(set.all.map(\.name.text) == ["1s", "1m", "1h", "1d"])
    }

    @Test("a set refuses equal widths, none, and too many")
    func sets() {
        #expect(throws: StreamCoreError.seriesTwice("1m", "60s")) {
            try BarSeriesSet(["60s", "1s", "1m"])
        }
        #expect(throws: StreamCoreError.seriesCount(0)) { try BarSeriesSet([String]()) }
        let many = [1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 24, 25, 27].map { "\($0)s" }
        #expect(throws: StreamCoreError.seriesCount(17)) { try BarSeriesSet(many) }
    }

    @Test("every error is one line that says what to do")
    func errors() {
        let errors: [StreamCoreError] = [
            .seriesText("x"), .seriesWidth("7m"), .seriesTwice("1m", "60s"), .seriesCount(0),
        ]
        for error in errors {
            #expect(!error.description.contains("\n"))
            #expect(error.description.contains(":"))
        }
    }
}

@Suite struct SourceTableTests {
    @Test("sources keep their index")
    func index() throws {
        var table = SourceTable()
        let name = try sourceName("a")
        #expect(table.index(of: name) == 0)
        #expect(table.index(of: name) == 0)
        #expect(table.entries[0].watermark == SourceTable.noWatermark)
    }

    @Test("a past that is loaded holds up nothing of the present, and counts where it is alone")
    func history() throws {
        var tables = PartitionTables()
        tables.tapeStarts(at: Timestamp(nanoseconds: 1_000))
        func least() -> Int64 { tables.sources.leastWatermark(silentAfter: 60).nanoseconds }
        let past = try #require(tables.source(try sourceName("a-history")))
        tables.advance(past, to: Timestamp(nanoseconds: 5))
        #expect(least() == 5)
        let live = try #require(tables.source(try sourceName("a")))
        #expect(least() == 5, "a has given no watermark")
        tables.advance(live, to: Timestamp(nanoseconds: 900))
        #expect(least() == 900)
        let states = tables.sourceStates(silentAfter: 60)
        #expect(states.map(\.kind) == [.real, .madeUp])
        // It begins before the tape does.
        for (source, from) in [(live, 1_000), (past, 5)] as [(Int, Int64)] {
            let change = tables.define(
                Subscription(
                    symbol: try #require(Symbol("X")), provider: "p",
                    since: Timestamp(nanoseconds: 5)), source: source)
            #expect(tables.seenFrom(Int(try #require(change?.index))) == from)
        }
    }

    @Test(
        "clocks of gateways may differ, jump, and stand still while packets wait in a spool",
        arguments: [0, 3_600, -3_600, 86_400 * 365 * 70] as [Int64])
    func clocks(jump: Int64) throws {
        let second: Int64 = 1_000_000_000
        var table = SourceTable()
        for name in ["a", "b"] { _ = table.index(of: try sourceName(name)) }
        table.advance(0, to: Timestamp(nanoseconds: 5))
        table.advance(1, to: Timestamp(nanoseconds: 9))
        func least() -> Int64 { table.leastWatermark(silentAfter: 60 * second).nanoseconds }
        let start: Int64 = 1_700_000_000
        for time in start..<start + 100 {
            table.sent(0, at: Timestamp(nanoseconds: time * second))
            // The clock of b jumps after 50 seconds, and is set right after 75.
            let ahead = (start + 50..<start + 75).contains(time) ? jump : 0
            table.sent(1, at: Timestamp(nanoseconds: (time + ahead) * second))
            #expect(least() == 5, "\(time - start)")
        }
        // The tape was away for an hour: the first packet after it says nothing about the other.
        table.sent(1, at: Timestamp(nanoseconds: (start + 3_700) * second))
        #expect(least() == 5)
        // a has gone; b goes on.
        for time in 3_701..<3_760 as Range<Int64> {
            table.sent(1, at: Timestamp(nanoseconds: (start + time) * second))
        }
        #expect(least() == 9)
    }

    @Test("a full table refuses further sources and counts them")
    func limit() throws {
        var table = SourceTable()
        for number in 0..<StreamLimits.sourcesMax {
            let index = table.index(of: try sourceName("s\(number)"))
            #expect(index == number)
        }
        let more = table.index(of: try sourceName("more"))
        #expect(more == nil)
        #expect(table.refused == 1)
        let before = table.entries
        table.advance(StreamLimits.sourcesMax, to: Timestamp(nanoseconds: 0))
        #expect(table.entries == before)
    }
}

/// Sources that a person retired.
@Suite("Retired sources") struct RetiredSourceTests {
    private static let second: Int64 = 1_000_000_000

    private func table(_ names: [String]) throws -> SourceTable {
        var table = SourceTable()
        for (index, name) in names.enumerated() {
            _ = table.index(of: try sourceName(name))
            table.advance(index, to: Timestamp(nanoseconds: Int64(index + 1)))
        }
        return table
    }

    private func least(_ table: SourceTable) -> Int64 {
        table.leastWatermark(silentAfter: 60 * Self.second).nanoseconds
    }

    @Test("nothing waits for a retired source until a packet of a higher epoch comes")
    func epochs() throws {
        var table = try table(["a", "b"])
        #expect(least(table) == 1)
        table.retire(0, epoch: 7)
        #expect(least(table) == 2 && table.entries[0].isRetired)
        for epoch in [1, 6, 7] as [UInt64] {
            table.heard(0, epoch: epoch)
            #expect(table.entries[0].isRetired, "\(epoch)")
        }
        // An earlier retirement that comes later changes nothing.
        table.retire(0, epoch: 3)
        table.heard(0, epoch: 5)
        #expect(table.entries[0].isRetired)
        table.heard(0, epoch: 8)
        #expect(!table.entries[0].isRetired && least(table) == 1)
        // When all are retired, none counts.
        for source in 0..<2 { table.retire(source, epoch: 0) }
        #expect(least(table) == SourceTable.noWatermark.nanoseconds)
        table.retire(2, epoch: 1)
        let before = table.entries
        table.heard(2, epoch: 1)
        #expect(table.entries == before)
    }

    @Test("a retired source leaves its place to another one, and returns to a full table")
    func places() throws {
        var table = try table((0..<StreamLimits.sourcesMax).map { "s\($0)" })
        #expect(table.index(of: try sourceName("more")) == nil)
        table.retire(3, epoch: 2)
        #expect(table.index(of: try sourceName("more")) == StreamLimits.sourcesMax)
        #expect(table.index(of: try sourceName("again")) == nil)
        #expect(table.refused == 2)
        table.heard(3, epoch: 3)
        #expect(!table.entries[3].isRetired && table.refused == 2)
        // A new one needs two places now.
        table.retire(4, epoch: 2)
        #expect(table.index(of: try sourceName("again")) == nil)
        table.retire(5, epoch: 2)
        #expect(table.index(of: try sourceName("again")) != nil)
    }

    @Test("all names that were ever there have a limit, too")
    func known() throws {
        var table = SourceTable()
        for number in 0..<StreamLimits.sourcesKnownMax {
            let index = table.index(of: try sourceName("s\(number)"))
            #expect(index == number)
            table.retire(number, epoch: 1)
        }
        #expect(table.index(of: try sourceName("more")) == nil)
        #expect(table.index(of: try sourceName("s7")) == 7)
    }

    @Test("a checkpoint keeps retirements")
    func checkpoint() throws {
        var tables = PartitionTables()
        for name in ["a", "b"] {
            let source = try #require(tables.source(try sourceName(name)))
            tables.advance(source, to: Timestamp(nanoseconds: 5))
        }
        tables.retire(1, epoch: 9)
        let kept = tables.state
        let restored = try kept.read { try PartitionTables(SourceGroups(), restoring: $0) }
        #expect(restored.sources.entries == tables.sources.entries)
        #expect(restored.sources.entries.map(\.isRetired) == [false, true])
        #expect(restored.state == kept)
        var later = kept
        later[4] = 2
        #expect(throws: CheckpointError.version(found: 2, known: 1)) {
            try later.read { try PartitionTables(SourceGroups(), restoring: $0) }
        }
    }
}

@Suite struct SymbolTableTests {
    @Test("a full table refuses further symbols, and their trades are counted")
    func limit() throws {
        var machine = Alone<BarMachine>(series: try BarSeriesSet(["1s"]))
        let source = try machine.newSource("a")
        for number in 0..<StreamLimits.symbolsMax {
            let index = machine.symbol(try subscription("S\(number)"), source: source)
            guard index == UInt32(number) else {
                Issue.record("symbol \(number) has index \(String(describing: index))")
                return
            }
        }
        let more = machine.symbol(try subscription("more"), source: source)
        let known = machine.symbol(try subscription("S7"), source: source)
        #expect(more == nil && known == 7)
        #expect(machine.symbols.refused == 1)
        #expect(machine.symbols.pair(at: 7).symbol.text == "S7")
        #expect(machine.symbols.source(of: 7) == source)
        #expect(machine.symbols.since(of: 7) == .undefined)
        #expect(machine.symbols.count == StreamLimits.symbolsMax)
        let later = Timestamp(nanoseconds: 5)
        _ = machine.symbol(try subscription("S7", since: later), source: source)
        #expect(machine.symbols.since(of: 7) == later)
    }

    @Test("providers beyond the limit count as one")
    func providers() {
        var table = SymbolTable()
        for number in 0..<StreamLimits.providersMax {
            let index = table.providerIndex("p\(number)")
            #expect(index == number)
        }
        let others = ["x", "y", "p3"].map { table.providerIndex($0) }
        #expect(others == [StreamLimits.providersMax, StreamLimits.providersMax, 3])
    }

    @Test("a source lists its symbols in ascending order, whoever comes and goes")
    func bySource() throws {
        var table = SymbolTable()
        let feeds = [0, 1].map { SymbolTable.Feed(source: $0, provider: 0) }
        for number in 0..<6 {
            _ = table.insert(
                try ofTest("S\(number)"), try subscription("S\(number)"), feed: feeds[number % 2])
        }
        table.move(2, to: feeds[1], closedThrough: Timestamp(nanoseconds: 5))
        table.move(5, to: feeds[0], closedThrough: Timestamp(nanoseconds: 5))
        table.move(1, to: feeds[0], closedThrough: SourceTable.noWatermark)
        #expect(table.symbolsBySource == [[0, 1, 4, 5], [2, 3]])
        #expect(table.records[2].closedThrough.nanoseconds == 5)
    }
}

@Suite struct DueWindowsTests {
    @Test("windows are put into order of end, and equals stay in theirs", arguments: 1...40)
    func sorts(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var due = DueWindows()
        let range: Int64 = [1, 5, 3_000, 5_000_000, 9_000_000_000][Int(seed % 5)]
        for round in 0..<2 {
            due.removeAll()
            var expected: [(end: Int64, slot: UInt32)] = []
            for slot in 0..<UInt32(200 * (1 - round) + 3) {
                let end = Int64.random(in: -range...range, using: &random) * 1_000_000_000
                due.append(end: end, slot: slot)
                expected.append((end, slot))
            }
            expected.sort { ($0.end, $0.slot) < ($1.end, $1.slot) }
            due.sortByEnd()
            #expect(due.items.map(\.slot) == expected.map(\.slot), "seed \(seed)")
        }
    }

    @Test("nothing due is nothing to do")
    func empty() {
        var due = DueWindows()
        due.sortByEnd()
        #expect(due.items.isEmpty)
    }
}
