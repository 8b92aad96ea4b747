import Foundation
import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import DeploymentWatch
@testable import TapelineTool

@Suite("tapeline watch")
struct WatchTests {
    private static func head(
        _ partition: Int, _ source: String, _ last: UInt64, epoch: UInt64 = 3, age: Int64 = 1
    ) throws -> TapeReport.Head {
        TapeReport.Head(
            partition: Partition(partition), source: try #require(SourceName(source)),
            lastOrdinal: last, epoch: epoch, watermark: MadeMembers.time(10 - age), sequence: 1)
    }

    private static func time(_ seconds: Double) -> MonotonicTime {
        MonotonicTime(nanoseconds: Int64(seconds * 1e9))
    }

    private static func message(_ group: String, _ positions: String) -> [UInt8] {
        Array(#"{"v":1,"group":"\#(group)","positions":[\#(positions)]}"#.utf8)
    }

    private static func position(_ input: String, _ partition: Int, _ last: Int) -> String {
        let source = input == "ticks" ? "synthetic" : "operator"
        return #"{"partition":\#(partition),"input":"\#(input)","sequence":9,"durable":9,"#
            + #""sources":[{"source":"\#(source)","epoch":3,"last_ordinal":\#(last)}]}"#
    }

    private static func sample() throws -> WatchSample {
        var sample = WatchSample()
        sample.now = MadeMembers.time(10)
        sample.readAt = MonotonicTime(nanoseconds: 5_000_000_000)
        sample.streams = [
            WatchSample.Stream(name: "MD_TICKS_0", bytes: 12_900_000, limit: 1 << 30),
            WatchSample.Stream(name: "MD_TICKS_1", bytes: 1_000_000_000, limit: 1 << 30),
            WatchSample.Stream(name: "MD_BARS", bytes: 512, limit: nil),
        ]
        sample.ticks = [
            try head(0, "synthetic", 10_000), try head(1, "synthetic", 2_500, age: 4),
            try head(1, "a-source-of-24-character", 99, epoch: 123_456, age: 400),
        ]
        sample.bars = [try head(0, "operator", 77)]
        sample.positions.receive(
            message("operator", "\(position("ticks", 0, 9_000)),\(position("ticks", 1, 2_500))"),
            on: "md.pos.operator")
        sample.positions.receive(
            message("store", "\(position("ticks", 0, 10_001)),\(position("bars", 0, 70))"),
            on: "md.pos.store")
        let table = try MadeMembers.table()
        sample.members = table.members
        sample.owners = table.owners
        sample.gaps = ["synthetic": 3]
        sample.around.changed = ["synthetic": time(4), WatchTrail.bars: time(1)]
        sample.around.writtenSeconds = 0.4
        return sample
    }

    /// The same two seconds before.
    private static func earlier(_ sample: WatchSample) -> WatchSample {
        var sample = sample
        sample.readAt = time(3)
        return sample
    }

    @Test("one screen of 80 columns")
    func text() throws {
        var before = try Self.sample()
        before.readAt = MonotonicTime(nanoseconds: 3_000_000_000)
        before.ticks = [try Self.head(0, "synthetic", 9_000), try Self.head(1, "synthetic", 2_499)]
        before.bars = []
        let view = WatchView(
            title: "the stack default, namespace md", try Self.sample(), before: before)
        #expect(
            view.lines.joined(separator: "\n") == """
                tapeline watch  the stack default, namespace md             2026-01-05T14:30:10Z

                THE WAY OF A TICK        STATE                                  RATE     BEHIND
                a-source-of-24-character ✕ no gateway of a-source-…       50 ticks/s          -
                synthetic                ✕ no gateway of synthetic…      501 ticks/s          -
                operator                 ● it keeps up                             -      2.0 s
                tape: bars               ● it flows                        39 bars/s          -
                store                    ✕ no store answers, so no…                -      0.2 s
                database                 ✕ no writer answers                       -          -

                NUMBERS
                Ticks per second                   550   Bars per second                     39
                Operators behind         2.0 s (1,099)   Writers behind               not known
                Newest commit                0.4 s old   Room on the tape              6 % free
                Gaps open                    not known   Processes ready                 1 of 3

                PROCESS                  GROUP                    STATE       PARTITIONS
                host-8501                operator                 ● ready     0-2,5
                host-with-quite-a-long-… operator                 ◌ joining   -
                gate-8500                source-ib                ◌ aside     -

                STREAM                             USED             OF   FREE
                MD_TICKS_0                     12.3 MiB        1.0 GiB   98 %
                MD_TICKS_1                      953 MiB        1.0 GiB    6 %  low
                MD_BARS                           512 B       no limit      -
                """)
        #expect(view.lines.allSatisfy { $0.count <= 80 })
    }

    @Test("each part in whole has what the screen of all has no room for")
    func parts() throws {
        var sample = try Self.sample()
        sample.around.lost = "26 s of trades of 4 symbols"
        sample.around.openGaps = 2
        sample.around.processes = [
            .init(name: "gateway", unready: "the broker is away\nfor long"),
            .init(name: "cockpit"),
        ]
        let view = WatchView(title: "t", sample, before: Self.earlier(sample))
        #expect(
            view.body(.way).joined(separator: "\n") == """
                SOURCE                    PER SECOND   ON THE TAPE  EPOCH WATERMARK PARTS  GAPS
                a-source-of-24-character         0.0            99 123456     400 s     1     0
                synthetic                        0.0         12500      3     4.0 s     2     3
                bars                             0.0            77      3     1.0 s     1     -

                GROUP                      TICKS BEHIND    BARS BEHIND  READY  OWNED
                operator                           1099              -    1/2  5, 3 silent
                source-ib                             -              -    0/1  0
                store                             0 + ?              7    0/0  1, 1 silent
                """)
        let table = try MadeMembers.table()
        #expect(view.body(.processes) == table.lines)
        #expect(
            view.body(.services) == [
                "SERVICE                  STATE        WHAT IT SAYS",
                "gateway                  ✕ not ready  the broker is away; for long",
                "cockpit                  ● ready      -",
            ])
        #expect(view.body(.all).contains(view.body(.services)[1]))
        #expect(
            view.body(.tape).suffix(2) == [
                "1          synthetic                            2500        3        4.0 s",
                "1          a-source-of-24-character               99   123456        400 s",
            ])
        #expect(
            view.body(.gaps) == [
                "Gaps open: 2",
                "LOST TODAY: 26 s of trades of 4 symbols, which nothing will fill",
                "  a-source-of-24-character: 0 on record", "  synthetic: 3 on record",
                "'tapeline gaps' lists them",
            ])
        for page in WatchPage.allCases {
            #expect(view.body(page).allSatisfy { $0.count <= 80 }, "\(page)")
        }
    }

    @Test("a step is as the overview of the cockpit says it")
    func steps() throws {
        func words(_ change: (inout WatchSample) throws -> Void) throws -> [String] {
            var sample = try Self.sample()
            sample.members += [
                try MadeMembers.member("source-synthetic", "gate"),
                try MadeMembers.member("store", "writer"),
            ]
            try change(&sample)
            return WatchView(title: "t", sample, before: Self.earlier(sample)).steps.map {
                "\($0.name): \($0.look.state) \($0.look.words)"
            }
        }
        let own = try words { $0.ticks.removeLast() }
        #expect(
            own == [
                "synthetic: flows it flows", "operator: behind 1,000 records behind",
                "tape: bars: flows it flows", "store: unknown 1 partitions say nothing",
                "database: flows it flows",
            ])
        let silent = try words { sample in
            sample.around.changed = ["synthetic": Self.time(-89)]
            sample.around.writtenSeconds = nil
            sample.positions.receive(
                Self.message("other", Self.position("ticks", 0, 10_000)), on: "md.pos.other")
            sample.ticks.removeLast(2)
            sample.needed.append(try #require(GroupName("store-b")))
        }
        #expect(
            silent == [
                "synthetic: quiet no tick for 1 min 34 s",
                "operator: behind 1,000 records behind",
                "tape: bars: quiet no bar since the watch listens",
                "store: behind 7 records behind",
                "store-b: dead no store-b answers, so no rows are stored",
                "database: quiet it answers, and nothing was written yet",
                "other: quiet it has read all there is",
            ])
        let away = try words { sample in
            (sample.bars, sample.gapsAbsence) = ([], "it refuses\nall")
            sample.around.isDatabaseAway = true
            sample.members.removeAll { $0.group == .operators }
            sample.around.sent["synthetic"] = .some(nil)
        }
        #expect(!away.contains { $0.hasPrefix("synthetic") })
        #expect(away.contains("tape: bars: dead no operator answers"))
        #expect(away.contains("database: dead it refuses; all"))
        let first = WatchView(title: "t", try Self.sample(), before: nil).steps
        #expect(first[2].look.state == .unknown && first[2].name == "operator")
    }

    @Test("what is new of a source is remembered with the time of its look")
    func trail() throws {
        var trail = WatchTrail()
        func note(_ seconds: Double, _ heads: [TapeReport.Head]) -> [String: MonotonicTime] {
            var sample = WatchSample()
            (sample.readAt, sample.ticks) = (Self.time(seconds), heads)
            return trail.note(sample)
        }
        let (old, new) = (try Self.head(0, "ib", 5), try Self.head(0, "ib", 6))
        let other = try Self.head(1, "ib", 9)
        let looks = [[old, other], [new, other], [new, other], [], [new, other]]
        var found: [MonotonicTime?] = []
        for (second, heads) in looks.enumerated() {
            found.append(note(Double(second), heads)["ib"])
        }
        #expect(found == [nil, Self.time(1), Self.time(1), nil, nil])
    }

    @Test("keys open parts, and move them; what is lost is beside the verdict")
    func keys() throws {
        func key(_ text: String) -> WatchKeys.Key? { WatchKeys.key(Array(text.utf8)[...]) }
        #expect(key("q") == .quit && key("P") == .pause && key("?") == .help && key("x") == nil)
        #expect(key("3") == .page(.services) && key("\u{1b}") == .page(.all) && key("9") == nil)
        #expect(key("\u{1b}[B") == .down && key("\u{1b}[A") == .up && key("\u{1b}[C") == nil)
        #expect(key("") == nil && key("qq") == .quit)
        var shown = WatchRun.Shown()
        let lost = WatchRun.beside("1 s of trades", [.init(.good, "ALL GOOD  62 ticks/s")])
        #expect(
            lost.map(\.text) == [
                "ALL GOOD now  62 ticks/s",
                "LOST TODAY: 1 s of trades, which nothing will fill",
            ])
        #expect(WatchRun.beside(nil, lost) == lost)
        (shown.view, shown.verdict) = (WatchView(title: "t", try Self.sample(), before: nil), lost)
        for key in [WatchKeys.Key.page(.way), .down, .up, .up, .down, .pause] { shown.take(key) }
        var screen = shown.screen
        #expect(screen.lines[0].hasPrefix("tapeline watch  t"))
        #expect(screen.colors.keys.sorted() == [1, 2])
        #expect(
            screen.lines[1...4].elementsEqual(
                [lost[0].text, lost[1].shown, "PAUSED", "WAY  (0: all)"]))
        // The heading of the part is above the screen.
        #expect(screen.lines[5].hasPrefix("a-source-of-24-character"))
        for _ in 0..<99 { shown.take(.down) }
        #expect(shown.screen.lines.count == 6)
        shown.take(.page(.all))
        shown.problem = "NATS is away"
        shown.view?.isOld = true
        screen = shown.screen
        // Nothing looks alive that is not known to be.
        #expect(screen.lines.filter { $0.contains("●") }.isEmpty)
        #expect(screen.lines.contains { $0.hasPrefix("synthetic                ? not known now") })
        #expect(screen.lines[0] == lost[0].text && screen.lines[3] == "NATS is away")
    }

    @Test("free, damaged and unrecorded partitions of operators and writers have no live owner")
    func withoutOwner() throws {
        let table = try MadeMembers.table()
        func lost(_ group: String, _ partitions: Int, _ table: MembersTable) throws -> [Int] {
            table.withoutOwner(try #require(GroupName(group)), of: partitions)
        }
        #expect(try lost("operator", 0, table) == [3, 4, 6])
        #expect(try lost("operator", 8, table) == [3, 4, 6, 7])
        #expect(try lost("store", 3, table) == [0, 1, 2])
        // A source that is retired has left its partitions free.
        let source = MembersTable(
            members: [],
            owners: [
                try MadeMembers.owner("source-ib", 0, "gate", state: .free),
                try MadeMembers.owner("source-ib", 1, "gate", isDamaged: true),
                try MadeMembers.owner("source-ib", 2, "gate"),
            ])
        #expect(try lost("source-ib", 8, source) == [2])
    }

    @Test("one stream of a source that stands still is old, however new the others are")
    func oldStreams() throws {
        let names = try #require(TapeNames(namespace: "md", partitions: 8))
        let now = MadeMembers.time(10)
        let streams = TapeNames.tickStreams
        let new = try Self.head(0, "ib", 1), old = try Self.head(1, "ib", 1, age: 60)
        #expect(WatchFeed.oldStreams([new], names, now).isEmpty)
        #expect(WatchFeed.oldStreams([new, old], names, now) == [1: MadeMembers.time(-50)])
        // A quiet partition of a stream whose watermarks come is none of it.
        let quiet = try Self.head(streams, "ib", 1, age: 60)
        #expect(WatchFeed.oldStreams([new, quiet], names, now).isEmpty)
        var bare = new
        bare.watermark = .undefined
        #expect(WatchFeed.oldStreams([bare], names, now) == [0: .undefined])
    }

    @Test("what is derived over all partitions has a line, and counts in who reads it")
    func universe() throws {
        var sample = try Self.sample()
        sample.universe = try Self.head(0, "universe", 25)
        let view = WatchView(title: "t", sample, before: nil)
        #expect(
            view.body(.way).contains(
                "universe                           -            25      3     1.0 s   all     -"))
        #expect(view.lines.allSatisfy { $0.count <= 80 })
        let json = try JSONValue.parse(view.json())
        #expect(json.at("universe", "last_ordinals")?.int == 25)
        let groups = try #require(json["groups"]?.array)
        #expect(groups[2]["lag_bars"]?.int == 7 + 25)
    }

    @Test("an empty tape, without a look before, without gaps")
    func empty() throws {
        var sample = WatchSample()
        sample.now = MadeMembers.time(10)
        sample.gapsAbsence = "no database is named (POSTGRES_HOST)"
        let view = WatchView(title: String(repeating: "x", count: 100), sample, before: nil)
        #expect(view.lines.allSatisfy { $0.count <= 80 })
        #expect(view.lines.contains("  nothing stands on the tape yet"))
        #expect(view.lines.contains("  nobody was heard"))
        #expect(view.lines.last == "gaps are unknown: no database is named (POSTGRES_HOST)")
        let first = WatchView(title: "t", try Self.sample(), before: nil)
        #expect(first.sources.allSatisfy { $0.perSecond == nil })
        #expect(RateText.of(3.14159) == "3.1" && RateText.of(1234.5) == "1,235")
        #expect(RateText.of(999) == "999" && RateText.of(1_234_567) == "1,234,567")
    }

    @Test("for a program one line with all of it")
    func json() throws {
        let text = WatchView(title: "t", try Self.sample(), before: try Self.sample()).json()
        #expect(!text.contains("\n"))
        let json = try JSONValue.parse(text)
        #expect(json["sources"]?.array?.last?["gaps"]?.int == 3)
        #expect(json["sources"]?.array?.last?["watermark_age_seconds"]?.double == 4)
        #expect(json.at("bars", "last_ordinals")?.int == 77)
        let groups = try #require(json["groups"]?.array)
        #expect(groups[0]["lag_ticks"]?.int == 1_099 && groups[0]["lag_bars"] == nil)
        #expect(groups[2]["lag_ticks_partitions_unheard"]?.int == 1)
        #expect(groups[2]["lag_bars"]?.int == 7 && groups[0]["owned_silent"]?.int == 3)
        let streams = try #require(json["streams"]?.array)
        #expect(streams[1]["headroom_percent"]?.int == 6 && streams[2]["max_bytes"] == nil)
    }

    @Test("positions that make no sense are not heard, and none goes back")
    func positions() throws {
        var positions = WatchPositions()
        func hears(_ bytes: [UInt8], on subject: String = "md.pos.a") -> Bool {
            positions.receive(bytes, on: subject)
        }
        for wrong in [
            "", "{}", #"{"v":1,"group":"a","positions":[{}]}"#,
            #"{"v":2,"group":"a","positions":[]}"#,
            #"{"v":1,"group":"a","positions":[{"partition":-1,"input":"ticks","sources":[]}]}"#,
            #"{"v":1,"group":"a","positions":[{"partition":1,"input":"x","sources":[]}]}"#,
            #"{"v":1,"group":"a","positions":[{"partition":1,"input":"bars","sources":[{}]}]}"#,
        ] {
            #expect(!hears(Array(wrong.utf8)), "\(wrong)")
        }
        // A group's user may send on the subject of its own group, and names another one.
        for other in ["md.pos.b", "md.pos.ba", "md.pos", "md.head.a"] {
            #expect(!hears(Self.message("a", Self.position("ticks", 0, 8)), on: other), "\(other)")
        }
        #expect(positions.groups.isEmpty)
        let heads = [try Self.head(0, "synthetic", 10)]
        #expect(hears(Self.message("a", Self.position("ticks", 0, 8))))
        #expect(hears(Self.message("a", Self.position("ticks", 0, 5))))
        #expect(positions.lag("a", "ticks", behind: heads)?.ordinals == 2)
        #expect(positions.lag("a", "bars", behind: heads) == nil)
        #expect(positions.lag("b", "ticks", behind: heads) == nil)
        for number in 0..<WatchPositions.groupsMax * 2 {
            _ = hears(
                Self.message("g\(number)", Self.position("ticks", 0, 8)),
                on: "md.pos.g\(number)")
        }
        #expect(positions.groups.count == WatchPositions.groupsMax)
    }

    @Test("a screen is redrawn in place, cut to its size, and given back once")
    func screen() throws {
        #expect(
            WatchScreen.frame(["abcdef", "g"], columns: 4, rows: 24)
                == "\u{1b}[Habcd\u{1b}[K\r\ng\u{1b}[K\u{1b}[J")
        #expect(
            WatchScreen.frame(["a", "b", "c"], columns: 80, rows: 2)
                == "\u{1b}[Ha\u{1b}[K\r\n… 2 more lines\u{1b}[K\u{1b}[J")
        let folder = try TemporaryFolder("screen")
        let live = try OpenFile(folder.file("live"))
        let terminal = Terminal(output: live.descriptor, errors: live.descriptor)
        let screen = WatchScreen(terminal, isLive: true)
        screen.end()
        screen.show(["late"])
        #expect(live.text.isEmpty)
        let second = WatchScreen(terminal, isLive: true)
        second.show(["one"])
        second.show(["two"])
        second.end()
        second.end()
        second.show(["three"])
        #expect(
            live.text
                == "\u{1b}[?1049h\u{1b}[?25l\u{1b}[2J\u{1b}[Hone\u{1b}[K\u{1b}[J"
                + "\u{1b}[Htwo\u{1b}[K\u{1b}[J\u{1b}[?25h\u{1b}[?1049l")
        let plain = try OpenFile(folder.file("plain"))
        WatchScreen(Terminal(output: plain.descriptor), isLive: false).show(["a", "b"])
        #expect(plain.text == "a\nb\n\n")
    }

    @Test("arguments")
    func arguments() throws {
        #expect(try WatchCommand.parse([]) == WatchCommand())
        #expect(
            try WatchCommand.parse(["--once", "--json", "--interval", "5"])
                == WatchCommand(interval: .seconds(5), isOnce: true, asJSON: true))
    }
}
