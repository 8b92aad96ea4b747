import Foundation
import MarketModel
import Membership
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
            message("operator", "\(position("ticks", 0, 9_000)),\(position("ticks", 1, 2_500))"))
        sample.positions.receive(
            message("store", "\(position("ticks", 0, 10_001)),\(position("bars", 0, 70))"))
        let table = try MadeMembers.table()
        sample.members = table.members
        sample.owners = table.owners
        sample.gaps = ["synthetic": 3]
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

                SOURCE                    PER SECOND   ON THE TAPE  EPOCH WATERMARK PARTS  GAPS
                a-source-of-24-character          50            99 123456     400 s     1     0
                synthetic                        501         12500      3     4.0 s     2     3
                bars                              39            77      3     1.0 s     1     -

                GROUP                      TICKS BEHIND    BARS BEHIND  READY  OWNED
                operator                    1099 ~2.0 s              -    1/2  5, 3 silent
                  host-8501                    ready    0-2,5
                  host-with-quite-a-long-…     joining  -
                source-ib                             -              -    0/1  0
                  gate-8500                    aside    -
                store                             0 + ?       7 ~0.2 s    0/0  1, 1 silent

                STREAM                            BYTES             OF   FREE
                MD_TICKS_0                     12.3 MiB        1.0 GiB   98 %
                MD_TICKS_1                      953 MiB        1.0 GiB    6 %  low
                MD_BARS                           512 B       no limit      -
                """)
        #expect(view.lines.allSatisfy { $0.count <= 80 })
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
            view.lines.contains(
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
        func hears(_ bytes: [UInt8]) -> Bool { positions.receive(bytes) }
        for wrong in [
            "", "{}", #"{"v":1,"group":"a","positions":[{}]}"#,
            #"{"v":2,"group":"a","positions":[]}"#,
            #"{"v":1,"group":"a","positions":[{"partition":-1,"input":"ticks","sources":[]}]}"#,
            #"{"v":1,"group":"a","positions":[{"partition":1,"input":"x","sources":[]}]}"#,
            #"{"v":1,"group":"a","positions":[{"partition":1,"input":"bars","sources":[{}]}]}"#,
        ] {
            #expect(!hears(Array(wrong.utf8)), "\(wrong)")
        }
        #expect(positions.groups.isEmpty)
        let heads = [try Self.head(0, "synthetic", 10)]
        #expect(hears(Self.message("a", Self.position("ticks", 0, 8))))
        #expect(hears(Self.message("a", Self.position("ticks", 0, 5))))
        #expect(positions.lag("a", "ticks", behind: heads)?.ordinals == 2)
        #expect(positions.lag("a", "bars", behind: heads) == nil)
        #expect(positions.lag("b", "ticks", behind: heads) == nil)
        for number in 0..<WatchPositions.groupsMax * 2 {
            _ = positions.receive(Self.message("g\(number)", Self.position("ticks", 0, 8)))
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
