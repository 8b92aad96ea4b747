import MarketModel
import Membership
import Primitives
import TestSupport
import Testing

@testable import DeploymentWatch
@testable import TapelineTool

@Suite("tapeline watch: the verdict") struct WatchVerdictTests {
    private static func group(
        _ name: String, behind: UInt64? = 0, ready: Int = 1, silent: Int = 0, unheard: Int = 0
    ) -> WatchSight.Group {
        WatchSight.Group(
            name: name, behind: behind, ready: ready, silent: silent, unheard: unheard)
    }

    /// All is good, so many seconds after the first look.
    private static func sight(_ seconds: Int64 = 0) -> WatchSight {
        var sight = WatchSight()
        sight.now = MonotonicTime(nanoseconds: 1_000_000_000_000 + seconds * 1_000_000_000)
        sight.sources = [.init(name: "ib", watermarkSeconds: 0)]
        sight.groups = [group("operator"), group("store")]
        (sight.ticksPerSecond, sight.barSeconds, sight.gaps.open) = (62.4, 0.42, 0)
        (sight.freeBytes, sight.storedBytes, sight.feeds.live) = (1_000_000, 5_000, 4)
        return sight
    }

    @Test("nothing is wrong") func good() {
        var verdict = WatchVerdict()
        let lines = verdict.judge(Self.sight())
        #expect(
            lines.map(\.shown) == [
                "ALL GOOD  62 ticks/s  bars up to 0.4 s ago  4 feeds live  no gap open"
            ])
        var bare = Self.sight()
        (bare.ticksPerSecond, bare.barSeconds, bare.gaps.open, bare.feeds.live) = (nil, nil, nil, 0)
        #expect(verdict.judge(bare).map(\.shown) == ["ALL GOOD"])
        #expect(lines.map(\.level) == [.good])
    }

    /// Expects one line for a look at which something has changed.
    private func expect(
        _ text: String, _ level: WatchVerdict.Level, _ page: String?,
        _ place: SourceLocation = #_sourceLocation, _ change: (inout WatchSight) -> Void
    ) {
        var verdict = WatchVerdict()
        _ = verdict.judge(Self.sight())
        var sight = Self.sight(1)
        change(&sight)
        let wanted = [WatchVerdict.Line(level, text, page)]
        #expect(verdict.judge(sight) == wanted, sourceLocation: place)
        for page in [page].compactMap({ $0 }) {
            let path = "\(ServerPrograms.checkout)/docs/runbooks/\(page).md"
            #expect(FileSystem.exists(path), "\(path)", sourceLocation: place)
        }
        // The next look that is good again says so.
        #expect(verdict.judge(Self.sight(2)).map(\.level) == [.good], sourceLocation: place)
    }

    @Test("each trouble by itself has its line, its level and its page") func troubles() {
        expect("NO STORE IS READY: no rows are stored", .bad, "Services") {
            $0.groups = [Self.group("operator"), Self.group("store", ready: 0)]
        }
        expect("NO OPERATOR IS READY: no bars are made", .bad, "Services") {
            $0.groups = [Self.group("store")]
        }
        expect("NO STORE-B IS READY: no rows are stored", .bad, "Services") {
            $0.needed = [.operators, .store, GroupName("store-b") ?? .keepers]
        }
        // A store that is not needed may be away.
        var verdict = WatchVerdict()
        var sight = Self.sight()
        sight.groups.append(
            Self.group("store-b", behind: 900_000, ready: 0, silent: 8, unheard: 2))
        #expect(verdict.judge(sight).map(\.level) == [.good])
        expect(
            "operator-worker-a IS NOT READY: partition 3: another definition", .warning, "Services"
        ) {
            $0.processes = [
                .init(name: "operator-worker-a", unready: "partition 3: another definition"),
                .init(name: "operator-worker-b"),
            ]
        }
        expect("store-writer DOES NOT ANSWER: no answer", .warning, "Services") {
            $0.processes = [.init(name: "store-writer", silence: "no answer")]
        }
        expect("store-writer IS DEGRADED: Valkey is away", .warning, "Services") {
            $0.processes = [.init(name: "store-writer", degraded: "Valkey is away")]
        }
        expect(
            "store-writer IS DEGRADED: tables of ticks: trades waits", .warning, "TableBlocked"
        ) {
            $0.processes = [.init(name: "store-writer", degraded: "tables of ticks: trades waits")]
            $0.processes[0].holdsTableBack = true
        }
        expect("3 PARTITIONS OF STORE HAVE NO LIVE OWNER", .warning, "Owners") {
            $0.groups[1] = Self.group("store", silent: 3)
        }
        expect(
            "2 PARTITIONS OF STORE UNHEARD: nobody says how far they are read", .warning,
            "Owners"
        ) {
            $0.groups[1] = Self.group("store", unheard: 2)
            $0.groups.append(Self.group("reader", unheard: 2))
        }
        expect("STORE IS FAR BEHIND: 100000 ticks", .warning, "GroupLag") {
            $0.groups[1] = Self.group("store", behind: 100_000)
        }
        expect("GAPS NOT SEEN: permission denied; view", .warning, "Gaps") {
            $0.gaps.problem = "permission denied\nview"
        }
    }

    @Test("each trouble of data and of machines, too") func moreTroubles() {
        expect("SOURCE ib SILENT 41 s: its bars wait", .bad, "SourceMissing") {
            $0.sources = [.init(name: "ib", watermarkSeconds: 41)]
        }
        expect("NO SOURCE: no gateway has put ticks on the tape", .warning, "SourceMissing") {
            $0.sources = []
        }
        expect("FEEDS DO NOT DELIVER: A trade (refused)", .warning, "ProviderFeedsDown") {
            $0.feeds.silent = ["A trade (refused)"]
        }
        expect("FEEDS DO NOT DELIVER: a, b, c and 2 more", .warning, "ProviderFeedsDown") {
            $0.feeds.silent = ["a", "b", "c", "d", "e"]
        }
        expect("TAPE NEARLY FULL: 9 % free", .warning, "TapeRoom") { $0.freePercent = 9 }
        expect("SPOOL IN USE: 7 ticks wait for the tape", .warning, "Spool") {
            $0.feeds.spooledTicks = 7
        }
        expect("2 GAPS OPEN: 'tapeline gaps' lists them", .warning, "Gaps") {
            $0.gaps.open = 2
        }
        let start = Timestamp(nanoseconds: 0)
        expect(
            "CLOCK OFF: the clock of PostgreSQL is 30.0 s behind this machine's", .warning,
            "ClocksDisagree"
        ) {
            $0.clock = ClockOffset(
                asked: start, answered: start,
                theirs: start.advanced(byNanoseconds: -30_000_000_000))
        }
    }

    @Test("a source that is retired, or sends with old watermarks, is not silent")
    func retired() {
        var verdict = WatchVerdict()
        var sight = Self.sight()
        sight.sources.append(.init(name: "old", watermarkSeconds: nil))
        sight.sources.append(.init(name: "new", watermarkSeconds: 14.9))
        #expect(verdict.judge(sight).map(\.level) == [.good])
    }

    @Test("the age of a trouble counts from its first look; the room follows from the growth")
    func away() {
        var verdict = WatchVerdict()
        func judge(_ seconds: Int64, bytes: UInt64) -> String {
            var sight = Self.sight(seconds)
            sight.databaseProblem = "no answer"
            (sight.storedBytes, sight.freeBytes) = (5_000 + bytes, 1_000_000 - bytes)
            return verdict.judge(sight).first?.shown ?? ""
        }
        let page = " → docs/runbooks/BreakerOpen.md"
        #expect(judge(10, bytes: 0) == "DATABASE AWAY: the tape keeps the rows\(page)")
        #expect(judge(51, bytes: 0) == "DATABASE AWAY 41 s: the tape keeps the rows\(page)")
        #expect(
            judge(110, bytes: 10_000)
                == "DATABASE AWAY 1 min 40 s: the tape keeps the rows, room for about 2 h 45 min"
                + page)
        // The tape was purged meanwhile: the growth is not known.
        verdict = WatchVerdict()
        _ = judge(0, bytes: 500)
        #expect(judge(5, bytes: 400) == "DATABASE AWAY 5 s: the tape keeps the rows\(page)")
        #expect(verdict.judge(Self.sight(6)).map(\.level) == [.good])
        #expect(judge(7, bytes: 0).hasPrefix("DATABASE AWAY: "))
    }

    @Test("without NATS nothing else is known, but the database") func nats() {
        var verdict = WatchVerdict()
        var sight = WatchSight()
        sight.natsProblem = "no servers"
        sight.now = MonotonicTime(nanoseconds: 0)
        _ = verdict.judge(sight)
        sight.now = MonotonicTime(nanoseconds: 4_000_000_000)
        let text = "NATS AWAY 4 s: gateways keep ticks in their spools; owners stay"
        #expect(
            verdict.judge(sight)
                == [WatchVerdict.Line(.bad, text, "Nats")])
        sight.databaseProblem = "no answer"
        #expect(verdict.judge(sight).map(\.level) == [.bad, .bad])
        sight = Self.sight(5)
        sight.databaseProblem = "no answer"
        #expect(verdict.judge(sight).count == 1)
    }

    @Test("a lag that grows in five looks is told until it falls; a small one is not")
    func lag() {
        func verdicts(_ lags: [UInt64]) -> [WatchVerdict.Level] {
            var verdict = WatchVerdict()
            return lags.enumerated().map { index, lag in
                var sight = Self.sight(Int64(index))
                sight.groups[1] = Self.group("store", behind: lag)
                return verdict.judge(sight)[0].level
            }
        }
        let grows = verdicts([1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 6_000, 5_999])
        #expect(grows == [.good, .good, .good, .good, .good, .warning, .warning, .good])
        // A look that comes before the next report does not begin the count again.
        let slow = verdicts([1_000, 2_000, 2_000, 3_000, 4_000, 4_000, 5_000, 6_000])
        #expect(slow.last == .warning && slow.dropLast().allSatisfy { $0 == .good })
        #expect(verdicts([99_999, 100_000]) == [.good, .warning])
        #expect(verdicts([1, 2, 3, 4, 5, 6, 7]).allSatisfy { $0 == .good })
        #expect(verdicts([9_000, 9_000, 9_000, 9_001, 9_000, 9_000]).allSatisfy { $0 == .good })
    }

    @Test(
        "spans of time",
        arguments: [
            (0.4, "0 s"), (41, "41 s"), (60, "1 min"), (61, "1 min 1 s"), (7_800, "2 h 10 min"),
            (273_600, "3 d 4 h"), (.infinity, "more than 1000 years"), (-3, "0 s"),
        ] as [(Double, String)])
    func spans(seconds: Double, text: String) { #expect(SpanText.of(seconds) == text) }

    @Test("keys, colours, and what gateways report") func screen() throws {
        #expect(
            "qQp hH?xj\u{1b}".utf8.map { WatchKeys.key([$0]) } == [
                .quit, .quit, .pause, .pause, .help, .help, .help, nil, .down, .page(.all),
            ])
        #expect(
            WatchScreen.frame(["abcdef", "g"], columns: 4, rows: 24, colors: [0: "\u{1b}[31m"])
                == "\u{1b}[H\u{1b}[31mabcd\u{1b}[0m\u{1b}[K\r\ng\u{1b}[K\u{1b}[J")
        var gateways = WatchSample.Gateways()
        gateways.add(
            try JSONValue.parse(
                #"{"gateway":{"spool":{"ticks":7},"providers":{"ibkr":{"state":"ready","#
                    + #""instruments":[{"symbol":"A","feeds":[{"feed":"trades","state":"live"},"#
                    + #"{"feed":"quotes","state":"refused"}]}]}}}}"#))
        #expect(gateways.spooledTicks == 7 && gateways.liveFeeds == 1)
        #expect(gateways.silentFeeds == ["A quotes (refused)"])
        gateways.add(try JSONValue.parse("{}"))
        #expect(gateways.spooledTicks == 7)
        let pages = [
            #"{"ready":true}"#, #"{"ready":false,"reasons":["no tape","x"]}"#, #"{"ready":false}"#,
        ]
        #expect(
            try pages.map { WatchSight.Process("w", try JSONValue.parse($0)).unready } == [
                nil, "no tape", "it does not say why",
            ])
        #expect(WatchSight.Process("w", nil).silence == UnitPlan.noAnswer)
        let apart = WatchSight.Process(
            "w",
            try JSONValue.parse(
                #"{"ready":true,"degraded":["tables of ticks: x"],"#
                    + #""writer":{"groups_apart":[{"group":"ticks"}]}}"#))
        #expect(apart.degraded == "tables of ticks: x" && apart.holdsTableBack)
        #expect(apart.unready == nil)
    }
}
