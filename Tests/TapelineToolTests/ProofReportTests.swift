import MarketModel
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TestSupport
import Testing

@testable import StoredBars
@testable import TapelineTool

@Suite("What a person sees of a proof and of an explanation") struct ProofReportTests {
    private func key(_ minute: Int64) throws -> ProofKey {
        ProofKey(
            symbol: SourceSymbol(
                try #require(Symbol("AAPL")), of: try #require(SourceName("ib"))),
            series: try #require(SeriesName("1m")), openTime: minute * 60_000_000_000, number: 0)
    }

    private func bar(volume: Int128, notional: Int128) -> Bar {
        var bar = Bar(
            symbol: 0, series: 0, openTime: Timestamp(nanoseconds: 0),
            closeTime: Timestamp(nanoseconds: 60_000_000_000))
        (bar.open, bar.volume, bar.notional) = (Price(raw: 1_500_000_000), volume, notional)
        return bar
    }

    private func report(_ count: Int64) throws -> ProofReport {
        var report = ProofReport(readsTape: true)
        let stored = bar(volume: 370_000_000_000, notional: 132_096_800_000_000_000_000_000)
        let rows = try (0..<count).map { StoredBar(key: try key($0), bar: stored, revision: 1) }
        let computed = bar(volume: 360_000_000_001, notional: 132_096_800_000_000_000_000_001)
        let made = Dictionary(uniqueKeysWithValues: rows.map { ($0.key, computed) })
        report.tables.compare(rows, with: made, .init(looksAtFlags: false)) { _, _ in true }
        return report
    }

    @Test("sums are decimals, as prices are")
    func decimals() throws {
        let lines = try report(1).lines
        #expect(lines[0] == "differing \(try key(0)) (from the tables)")
        #expect(
            lines[1...2] == [
                "  volume: stored 3700, computed 3600.00000001",
                "  notional: stored 1320968, computed 1320968.00000000000000001",
            ], "\(lines)")
    }

    @Test("the ticks of the report are those that were read, and are called so")
    func ticksRead() throws {
        var report = try report(1)
        (report.ticks, report.nanoseconds) = (3, 1_000)
        #expect(report.lines.last == "3 ticks read, also around the bars, 3.0 million a second")
        #expect(try JSONValue.parse(report.json())["ticks_read"]?.int == 3)
    }

    @Test("of many bars that differ the first ten are shown, and the others counted")
    func many() throws {
        let ten = try report(10).lines
        #expect(ten.count { $0.hasPrefix("differing AAPL") } == 10)
        #expect(!ten.contains { $0.contains("more bar") })
        let eleven = try report(11).lines
        #expect(eleven.contains("and 1 more bar (from the tables): --json shows all"))
        let many = try report(1_200).lines
        #expect(many.count { $0.hasPrefix("differing AAPL") } == 10)
        #expect(many.contains("and 1190 more bars (from the tables): --json shows the first 1000"))
        #expect(many.count < 40, "\(many.count) lines")
    }

    @Test("a feed that began within a bar is the reason why it is partial")
    func feedStarts() throws {
        let (aapl, spy) = (try #require(Symbol("AAPL")), try #require(Symbol("SPY")))
        let source = try #require(SourceName("ib"))
        func time(_ seconds: Int64) -> Timestamp { Timestamp(nanoseconds: seconds * 1_000_000_000) }
        let bar = ExplainedBar(key: try key(0), closeTime: 60_000_000_000)
        func starts(_ symbol: Symbol, since: Timestamp) -> [FeedStart] {
            var builder = PacketBuilder(kind: .ticks, partition: Partition(1), source: source)
            for name in [spy, symbol] {
                let number = builder.register(
                    SymbolDefinition(symbol: name, provider: "x", since: since))
                _ = builder.append(
                    Trade(
                        header: TickHeader(
                            symbol: number, providerTime: time(30), receiveTime: time(30)),
                        price: Price(raw: 1), size: Quantity(raw: 1)))
            }
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 1, firstOrdinal: 1, watermark: time(30), sendTime: time(30)))
            return packet.withBytes {
                FeedStart.all(packet.header, $0, of: aapl, within: bar)
            }
        }
        let start = FeedStart(source: source, provider: "x", time: time(27))
        #expect(starts(aapl, since: time(27)) == [start])
        // A bar that begins with the subscription misses nothing.
        for other in [Timestamp.undefined, time(0), time(60), time(-5)] {
            #expect(starts(aapl, since: other).isEmpty)
        }
        #expect(starts(spy, since: time(27)).isEmpty)
        var report = ExplainReport(
            bar: bar, stored: nil, row: nil, partition: Partition(1))
        report.tapeSays.feedStarts = [start]
        #expect(report.lines.contains("  \(start.sentence)"))
        let marks = BarMarks(isPartial: true, isMixed: false, isFilled: false, isWithdrawn: false)
        #expect(marks.texts(partialAs: report.partialCause) == ["partial: \(start.sentence)"])
        report.gaps = [
            WindowGap(
                kind: "trade", state: "open", reason: "x", from: "", to: "", source: "ib", noted: ""
            )
        ]
        #expect(marks.texts(partialAs: report.partialCause) == marks.texts)
        let json = try JSONValue.parse(report.json())["feed_starts"]?.array?.first
        #expect(json?["provider"]?.string == "x" && json?["source"]?.string == "ib")
    }

    @Test("of many ticks those that say most are shown, in the order of time, and all if asked for")
    func bounded() throws {
        var report = ExplainReport(
            bar: ExplainedBar(key: try key(0), closeTime: 60_000_000_000), stored: nil, row: nil,
            partition: Partition(1))
        let symbol = try key(0).symbol
        let exchange = try #require(ShortText("N"))
        func tick(_ ordinal: Int) -> ProofTick {
            let time = Timestamp(nanoseconds: Int64(ordinal))
            var tick = ProofTick(
                symbol: symbol, provider: "x", source: symbol.source, ordinal: UInt64(ordinal))
            tick.trade = Trade(
                header: TickHeader(
                    symbol: 0, providerTime: time, receiveTime: time,
                    providerID: UInt64(ordinal)),
                price: Price(raw: 1), size: Quantity(raw: 1), exchange: exchange)
            return tick
        }
        let most = ExplainReport.ticksShownMax
        report.ticks = (1...300).map { number in
            let isOut = (200..<205).contains(number)
            var one = ExplainedTick(
                tick: tick(number), taken: tick(number),
                verdict: isOut ? .out(.undefined) : .counts)
            if number == 300 { one.roles = [.close] }
            return one
        }
        func shown(_ lines: [String]) -> [Int] {
            lines.compactMap { line in
                line.firstMatch(of: /ib\/1\/(\d+)/).flatMap { Int($0.1) }
            }
        }
        #expect(shown(report.lines) == Array(1...(most - 6)) + Array(200..<205) + [300])
        #expect(report.lines.contains("  and \(300 - most) more: --all shows them"))
        #expect(report.lines.contains { $0.hasPrefix("TICKS of its window: 295 in, 5 out") })
        report.onlyInTables = (301...350).map(tick)
        #expect(report.lines.contains("  and \(350 - 2 * most) more: --all shows them"))
        let all = report.lines(ticksMax: nil)
        #expect(shown(all) == Array(1...350))
        #expect(!all.contains { $0.contains("--all") })
        #expect(try JSONValue.parse(report.json())["ticks"]?.array?.count == 300)
        let asked = try Commands.parse(["explain", "AAPL", "1m", "-1m", "--all"])
        #expect((asked as? ExplainCommand)?.showsAll == true)
    }

    @Test("a version has its number, counted from the bar's first one, beside its ordinal")
    func versions() throws {
        var report = ExplainReport(
            bar: ExplainedBar(key: try key(0), closeTime: 60_000_000_000), stored: nil, row: nil,
            partition: Partition(1))
        report.versions = [1_127, 1_130].map {
            BarVersion(
                revision: $0, reason: "closed", values: BarVersion.Values(), isWithdrawn: false)
        }
        let versions = try JSONValue.parse(report.json())["versions"]?.array
        #expect(versions?.map { $0["number"]?.int } == [1, 2])
        #expect(versions?.map { $0["revision"]?.int } == [1_127, 1_130])
    }
}
