import MarketModel
import Primitives
import Testing

@testable import ProviderGateway

@Suite("What becomes of gaps from before")
struct GapHandOverTests {
    private func at(_ second: Int64) -> Timestamp { LedgerTape.at(second) }

    private func part(_ from: Int64, _ to: Int64?, _ kind: DataKind = .trade) -> MissingPart {
        MissingPart(
            kind: kind.rawValue, reason: GapReason.disconnected.rawValue, from: at(from),
            to: to.map(at) ?? .undefined)
    }

    private func handOver(
        _ missing: [(String, MissingPart)], feeds: Instrument.Feeds = .trades, now: Int64 = 100
    ) throws -> GapHandOver {
        GapHandOver(
            try missing.map { (try #require(Symbol($0.0)), $0.1) }, now: at(now)
        ) { $0.text == "SPY" ? (number: 4, feeds: feeds) : nil }
    }

    private func shownSettlements(_ handOver: GapHandOver) -> [String] {
        handOver.settlements.map { settlement in
            let (from, to) = (settlement.part.from.nanoseconds, settlement.part.to.nanoseconds)
            return "\(settlement.state) \(from / 1_000_000_000)-\(to / 1_000_000_000) "
                + settlement.detail
        }
    }

    @Test("what is asked for goes to the provider, by its beginning, also what lasts")
    func asked() throws {
        let found = try handOver([
            ("SPY", part(50, nil)), ("SPY", part(10, 30)), ("SPY", part(10, 30, .any)),
        ])
        #expect(found.settlements.isEmpty)
        #expect(
            found.gaps.map(\.from) == [at(10), at(10), at(50)] && found.gaps[0].kind == .any
                && found.gaps[1].to == at(30) && !found.gaps[2].to.isDefined)
        #expect(found.gaps.allSatisfy { $0.instrument == 4 && $0.reason == .disconnected })
    }

    @Test("what nobody asks for is given up on the tape; what lasts ends first")
    func notAsked() throws {
        let found = try handOver([
            ("QQQ", part(10, 30)), ("QQQ", part(50, nil)), ("SPY", part(60, 70, .quote)),
        ])
        #expect(found.gaps.isEmpty)
        #expect(
            shownSettlements(found) == [
                "abandoned 10-30 \(GapHandOver.notAsked)", "open 50-100 ",
                "abandoned 50-100 \(GapHandOver.notAsked)",
                "abandoned 60-70 \(GapHandOver.otherKinds)",
            ])
    }

    @Test("of what was being filled in, no second is asked for twice")
    func begun() throws {
        func begun(_ done: Int64, areBars: Bool = false) -> MissingPart {
            var part = part(10, 30)
            part.begun = .init(done: at(done), doubtful: at(done + 1), areBars: areBars)
            return part
        }
        let middle = try handOver([("SPY", begun(20))])
        #expect(middle.gaps.map(\.from) == [at(21)] && middle.gaps[0].to == at(30))
        #expect(
            shownSettlements(middle) == [
                "filled 10-20 \(GapHandOver.cameBefore)",
                "abandoned 20-21 \(GapHandOver.inDoubt)",
            ])
        let first = try handOver([("SPY", begun(10))])
        #expect(shownSettlements(first) == ["abandoned 10-11 \(GapHandOver.inDoubt)"])
        let last = try handOver([("SPY", begun(29))])
        #expect(last.gaps.isEmpty && last.settlements.count == 2)
        let bars = try handOver([("SPY", begun(20, areBars: true))])
        #expect(shownSettlements(bars) == ["abandoned 10-21 \(GapHandOver.barsOnly)"])
        #expect(bars.gaps.map(\.from) == [at(21)])
        // This also applies to instruments that are no longer requested.
        let gone = try handOver([("QQQ", begun(20))])
        #expect(
            gone.gaps.isEmpty
                && shownSettlements(gone).last == "abandoned 21-30 \(GapHandOver.notAsked)")
    }

    /// The records of SPY that a killed gateway left on the tape, and the gaps that are then handed
    /// on complete.
    struct Fetched: CustomTestStringConvertible {
        let testDescription: String
        let feeds: Instrument.Feeds
        let left: @Sendable (inout LedgerTape) -> Void
        let handed: [String]

        static let day: Int64 = 86_400

        static let all = [
            Fetched(
                testDescription: "today's bar, while the gap of bars lasts",
                feeds: [.bars, .dailyHistory],
                left: {
                    $0.gap(1, 10 * day, nil, .open, .providerBar)
                    $0.day(1, until: 11 * day, fetchedAt: 10 * day + 60)
                }, handed: ["providerBar 864000-"]),
            Fetched(
                testDescription: "daily bars after a weekend's outage, before its trades",
                feeds: [.trades, .dailyHistory],
                left: {
                    $0.gap(1, 10 * day + 7, 13 * day + 9)
                    for end in 5...14 as ClosedRange<Int64> {
                        $0.day(1, until: end * day, fetchedAt: 13 * day + 20)
                    }
                }, handed: ["trade 864007-1123209"]),
            Fetched(
                testDescription: "today's bar, while the gaps of level 1 last",
                feeds: [.level1, .dailyHistory],
                left: {
                    $0.gap(1, 10 * day, nil)
                    $0.gap(1, 10 * day, nil, .open, .quote)
                    $0.day(1, until: 11 * day, fetchedAt: 10 * day + 60)
                }, handed: ["trade 864000-", "quote 864000-"]),
            Fetched(
                testDescription: "the gap of bars is filled, that of trades is not yet",
                feeds: [.trades, .bars],
                left: {
                    $0.gap(1, 100, 200)
                    $0.gap(1, 100, 200, .open, .providerBar)
                    for close in stride(from: 105, through: 195, by: 5) as StrideThrough<Int64> {
                        $0.bar(1, close, width: 5)
                    }
                    $0.gap(1, 100, 200, .filled, .providerBar)
                }, handed: ["trade 100-200"]),
            Fetched(
                testDescription: "trades come as bars, of quotes nothing came yet",
                feeds: [.trades, .quotes],
                left: {
                    $0.gap(1, 100, 200)
                    $0.gap(1, 100, 200, .open, .quote)
                    for close in 101...200 as ClosedRange<Int64> { $0.bar(1, close) }
                    $0.gap(1, 100, 200, .abandoned)
                }, handed: ["quote 100-200"]),
            Fetched(
                testDescription: "headlines come, the latest first, while a gap of news lasts",
                feeds: [.level1, .news],
                left: {
                    $0.gap(1, 100, nil, .open, .news)
                    $0.headline(1, 135)
                    $0.headline(1, 120)
                }, handed: ["news 100-"]),
            Fetched(
                testDescription: "headlines come for a gap of news, and not all of them",
                feeds: [.level1, .news],
                left: {
                    $0.gap(1, 100, 200, .open, .news)
                    $0.gap(1, 100, 200, .filling, .news)
                    $0.headline(1, 190)
                }, handed: ["news 100-200"]),
            Fetched(
                testDescription: "an instrument's first time is told while its values are missing",
                feeds: .level1,
                left: {
                    $0.gap(1, 100, nil, .open, .indicator)
                    $0.indicator(1, 160)
                }, handed: ["indicator 100-"]),
        ]
    }

    @Test("what fills nothing takes nothing from what is handed on", arguments: Fetched.all)
    func otherFetched(fetched: Fetched) throws {
        var tape = try LedgerTape()
        fetched.left(&tape)
        tape.seal()
        let missing = tape.fold().missing.map { ($0.symbol.text, $0.part) }
        let found = try handOver(missing, feeds: fetched.feeds, now: 20 * Fetched.day)
        #expect(found.settlements.isEmpty, "\(shownSettlements(found))")
        let handed = found.gaps.map { gap in
            let (from, to) = (gap.from.nanoseconds, gap.to.nanoseconds)
            return "\(gap.kind) \(from / 1_000_000_000)-"
                + (gap.to.isDefined ? "\(to / 1_000_000_000)" : "")
        }
        #expect(handed == fetched.handed)
    }

    @Test("of more gaps than are taken the oldest are given up, and none that lasts")
    func tooMany() throws {
        let count = ProviderLimits.gapsMax + 3
        var missing = (0..<count).map { ("SPY", part(Int64($0) * 10, Int64($0) * 10 + 5)) }
        missing.append(("SPY", part(-50, nil)))
        let found = try handOver(missing)
        #expect(found.gaps.count == ProviderLimits.gapsMax + 1 && found.tooMany == 3)
        #expect(!found.gaps[0].to.isDefined && found.gaps[1].from == at(30))
        #expect(
            shownSettlements(found)
                == (0..<3).map { "abandoned \($0 * 10)-\($0 * 10 + 5) \(GapHandOver.tooMany)" })
    }

    @Test("kinds that this version does not know stay open for one that does")
    func unknownKind() throws {
        var strange = part(10, 30)
        strange.kind = 200
        let found = try handOver([("SPY", strange)])
        #expect(found.gaps.isEmpty && found.settlements.isEmpty)
    }
}
