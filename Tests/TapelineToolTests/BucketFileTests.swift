import MarketModel
import Membership
import NatsTransport
import Primitives
import TapeProtocol
import TapeTransport
import Testing

@testable import TapelineTool

/// The file of `tapeline buckets export`, without a server.
@Suite("the file of the buckets")
struct BucketFileTests {
    private static let names = TapeNames(namespace: "md", partitions: 4)

    private var names: TapeNames {
        get throws { try #require(Self.names) }
    }

    static let ledger =
        #"{"v":1,"time":"t","sequence":9,"last_ordinal":40,"whole":true,"#
        + #""symbols":[{"symbol":"SPY","fed":2,"known":true,"last_id":7,"last_time":5,"#
        + #""missing":[{"kind":1,"reason":1,"from":1000,"to":2000},"#
        + #"{"kind":2,"reason":1,"from":3000}]},{"symbol":"QQQ","fed":2,"known":true,"#
        + #""missing":[{"kind":1,"reason":2,"from":10,"to":20,"done":12,"doubtful":13,"#
        + #""bars":false}]}]}"#

    private static let values: [(SmallBucket, String, String)] = [
        (.sources, "gateway.ibkr.gaps.1", ledger),
        (.sources, "load.past.ranges", #"{"v":1,"ranges":[]}"#),
        (.sources, "watchlist.ibkr.wanted", #"{"v":1,"entries":[]}"#),
        (
            .groups, "group.archive",
            #"{"v":1,"registered_ns":5,"reads":["bars"],"kind":"","needed":true}"#
        ),
        (
            .groups, "store.database",
            #"{"v":1,"system":7412345678901234567,"timeline":2,"peer":"db","noted_ns":5}"#
        ),
    ]

    private func file() throws -> BucketFile {
        let entries = try Self.values.map { bucket, key, value in
            let kind: BucketKey.Kind? =
                if case .kept(let kind) = BucketKey(key, in: bucket, partitions: 4) { kind } else {
                    nil
                }
            return try BucketFile.Entry(
                bucket, key, try #require(kind), value: Array(value.utf8),
                time: Timestamp(nanoseconds: 1_750_000_000_000_000_000))
        }
        return BucketFile(
            try names, time: Timestamp(nanoseconds: 1_750_000_001_000_000_000), entries: entries)
    }

    private func problems(_ text: String) throws -> [String] {
        try problems(Array(text.utf8))
    }

    private func problems(_ bytes: [UInt8]) throws -> [String] {
        let names = try names
        do throws(BucketFile.Refusal) {
            _ = try BucketFile(bytes, for: names)
            return []
        } catch {
            return error.lines
        }
    }

    private func text() throws -> String { String(decoding: try file().bytes, as: UTF8.self) }

    private func lines() throws -> [String] {
        try text().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    // MARK: keys

    /// Bucket, key and what it is. Every kind of key that a release writes is in this table.
    private static let keys: [(SmallBucket, String, BucketKey?)] = [
        (.sources, "gateway.ibkr.record", .madeAgain(.sourceRecord)),
        (.sources, "gateway.ibkr.watchlist", .madeAgain(.report)),
        (.groups, "group.archive.ticks.0", .madeAgain(.positions)),
        (.groups, "group.archive.bars.3", .madeAgain(.positions)),
        (.groups, "store-b.intents.ticks.3", .madeAgain(.positions)),
        (.groups, "store.intents.news.3", .unknown),
        (.groups, "verified.MD_TICKS_0.nats-1", .madeAgain(.verification)),
        (.groups, "verified.MD_TICKS_0.nats.example", .madeAgain(.verification)),
        (.sources, "watchlist.ibkr.wanted", nil), (.sources, "load.past.ranges", nil),
        (.sources, "gateway.ibkr.gaps.3", nil), (.groups, "group.archive", nil),
        (.groups, "store.database", nil),
        (.sources, "gateway.ibkr.gaps.4", .unknown), (.sources, "gateway.ibkr.gaps.-1", .unknown),
        (.sources, "gateway.ibkr.gaps.03", .unknown), (.sources, "gateway.NO.record", .unknown),
        (.sources, "gateway.ibkr.gaps", .unknown), (.sources, "store.database", .unknown),
        (.sources, "watchlist.ibkr.ranges", .unknown), (.sources, "", .unknown),
        (.groups, "watchlist.ibkr.wanted", .unknown), (.groups, "group.A", .unknown),
        (.groups, "group", .unknown), (.groups, "group.archive.news.0", .unknown),
        (.groups, "group.archive.ticks.x", .unknown), (.groups, "keeper.0", .unknown),
        (.groups, "verified", .unknown), (.groups, ".", .unknown),
    ]

    @Test("positions, records and reports are never exported", arguments: keys.indices)
    func classified(index: Int) {
        let (bucket, key, wanted) = Self.keys[index]
        let found = BucketKey(key, in: bucket, partitions: 4)
        if let wanted {
            #expect(found == wanted)
        } else if case .kept = found {
        } else {
            Issue.record("\(key) is \(found)")
        }
    }

    // MARK: the format

    @Test("the file of the first version, byte by byte")
    func golden() throws {
        let lines = try lines()
        #expect(
            lines[0]
                == #"{"tapeline_buckets":1,"namespace":"md","partitions":4,"#
                + #""exported":"2025-06-15T15:06:41.000000000Z","exported_ns":1750000001000000000,"#
                + #""entries":5,"counts":{"watchlists":1,"loads":1,"gaps":1,"groups":1,"#
                + #""database_server":1},"checksum":"35c1786836e64a88"}"#)
        #expect(
            lines[3]
                == #"{"bucket":"sources","key":"watchlist.ibkr.wanted","#
                + #""stored":"2025-06-15T15:06:40.000000000Z","stored_ns":1750000000000000000,"#
                + #""value":{"v":1,"entries":[]}}"#)
        #expect(lines.count == 7 && lines[6].isEmpty)
        #expect(lines[5].contains(#""value":\#(Self.values[4].2)}"#))
    }

    @Test("what was written is read; a value of several lines has one")
    func roundTrip() throws {
        let file = try file()
        #expect(try BucketFile(file.bytes, for: try names) == file)
        let entry = try BucketFile.Entry(
            .sources, "load.past.ranges", .loads(try #require(SourceName("past"))),
            value: Array("{\n \"v\": 1,\n \"ranges\": [ ]\n}\n".utf8), time: file.time)
        #expect(entry.value == Array(#"{"v":1,"ranges":[]}"#.utf8))
        let empty = BucketFile(try names, time: file.time, entries: [])
        #expect(try BucketFile(empty.bytes, for: try names) == empty)
    }

    /// How the text is damaged, and what is said of it.
    private static let damages: [(@Sendable (String) -> String, [String])] = [
        ({ _ in "" }, ["it is empty"]),
        ({ _ in "{" }, ["line 1: the file ends in it"]),
        ({ _ in "\n" }, ["line 1: it is no header"]),
        ({ _ in "{}\n" }, ["line 1: it is no header"]),
        (
            { $0.replacing("buckets\":1", with: "buckets\":2") },
            ["line 1: a newer release wrote it (version 2, this program knows 1)"]
        ),
        (
            { $0.replacing("\"md\"", with: "\"other\"") },
            ["line 1: it is of the namespace other with 4 partitions, and this is md with 4"]
        ),
        ({ $0.replacing("partitions\":4", with: "partitions\":8") }, ["line 1: it is of the"]),
        ({ String($0.dropLast(3)) }, ["line 6: the file ends in it", "it has 4 values"]),
        ({ $0 + "{}\n" }, ["line 7: it has no bucket, key, time or value", "it has 6 values"]),
        ({ $0.replacing(",\"timeline\":2", with: ",\"timeline\":1") }, ["its checksum is another"]),
        (
            {
                $0.replacing("\"entries\":[]", with: "\"entries\":7").replacing(
                    "[\"bars\"]", with: "3")
            },
            [
                "line 4: watchlist.ibkr.wanted: it has no entries",
                "line 5: group.archive: it is no",
                "its checksum is another",
            ]
        ),
        (
            { $0.replacing("load.past.ranges", with: "gateway.ibkr.record") },
            ["line 3: gateway.ibkr.record is never imported", "its checksum"]
        ),
        (
            { $0.replacing("load.past.ranges", with: "owner.x") },
            ["line 3: owner.x is no key that is known", "its checksum"]
        ),
        (
            { $0.replacing("\"v\":1,\"ranges\"", with: "\"v\":9,\"ranges\"") },
            [
                "line 3: a newer release wrote it (load.past.ranges: it has version 9",
                "its checksum",
            ]
        ),
        (
            { $0 + ($0.split(separator: "\n").last ?? "") + "\n" },
            ["line 7: store.database is in line 6, too", "it has 6 values"]
        ),
        (
            { $0 + String(repeating: "x", count: BucketFile.lineBytesMax + 1) + "\n" },
            ["line 7: 528385 bytes, 528384 are the most", "it has 6 values"]
        ),
        ({ $0 + String(repeating: "[", count: 9_999) + "\n" }, ["line 7: JSON", "it has 6"]),
        (
            { $0.replacing("\"exported_ns\":17", with: "\"exported_nanos\":17") },
            ["line 1: it has no time"]
        ),
        ({ $0.replacing("\"entries\":5", with: "\"entries\":-1") }, ["it has 5 values"]),
        (
            { $0.replacing("\"entries\":5", with: "\"entries\":99999999999999999999") },
            ["line 1: it has no time"]
        ),
    ]

    @Test("all that is wrong is said, each with its line", arguments: damages.indices)
    func damaged(index: Int) throws {
        let (damage, wanted) = Self.damages[index]
        let found = try problems(damage(try text()))
        #expect(found.count == wanted.count, "\(found)")
        for (found, wanted) in zip(found, wanted) { #expect(found.hasPrefix(wanted), "\(found)") }
    }

    @Test("of many problems the first are named, and the others counted")
    func many() throws {
        let found = try problems(try text() + String(repeating: "{}\n", count: 200))
        #expect(found.count == BucketFile.problemsMax + 1)
        #expect(found.last == "and 101 more")
    }

    @Test("no damage traps, and none is taken for a whole file", arguments: 0..<20)
    func fuzz(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let whole = try file().bytes
        for _ in 0..<50 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                default: bytes.removeSubrange(place...)
                }
                if bytes.isEmpty { break }
            }
            guard bytes != whole else { continue }
            let found = try problems(bytes)
            // A change of the header that says the same, as of a count by kind, is not seen.
            let body = whole.firstIndex(of: 10).map { whole[$0...] }
            let isBodyWhole = bytes.firstIndex(of: 10).map { bytes[$0...] } == body
            #expect(!found.isEmpty || isBodyWhole, "seed \(seed): \(bytes.count)")
        }
    }

    // MARK: gaps

    /// The stored form of the ledger that an import makes. `PartitionLedgerTests` of the gateway
    /// reads the same text.
    static let putBack =
        #"{"v":1,"time":"1970-01-01T00:00:00.000000007Z","sequence":0,"#
        + #""last_ordinal":0,"whole":false,"symbols":[{"symbol":"SPY","fed":0,"known":false,"#
        + #""missing":[{"kind":1,"reason":1,"from":1000,"to":2000}]},{"symbol":"QQQ","fed":0,"#
        + #""known":false,"missing":[{"kind":1,"reason":2,"from":10,"to":20,"done":12,"#
        + #""doubtful":13,"bars":false}]}]}"#

    @Test("of a ledger only what is missing is put back, without positions and last trades")
    func ledger() throws {
        let waiting = try WaitingGaps(json: Array(Self.ledger.utf8))
        #expect(waiting.lastOrdinal == 40)
        #expect(waiting.gaps.map(\.symbol.text) == ["SPY", "SPY", "QQQ"])
        #expect(waiting.gaps.map(\.to.isDefined) == [true, false, true])
        let json = WaitingGaps.ledger(
            waiting.gaps.filter(\.to.isDefined), time: Timestamp(nanoseconds: 7))
        #expect(String(decoding: json, as: UTF8.self) == Self.putBack)
    }

    @Test(
        "a ledger with any damage is none",
        arguments: [
            ("\"kind\":2", "\"kind\":256"), ("\"reason\":2", "\"reason\":-1"),
            ("\"from\":3000", "\"from\":\"x\""), ("\"SPY\"", "\"\""), ("\"whole\":true,", ""),
            ("\"last_ordinal\":40", "\"last_ordinal\":18446744073709551615"),
            ("\"v\":1", "\"v\":2"),
        ])
    func damagedLedger(old: String, new: String) {
        let text = Self.ledger.replacing(old, with: new)
        #expect(throws: VersionedJSON.Refusal.self) {
            try WaitingGaps(json: Array(text.utf8))
        }
    }

    // MARK: arguments

    @Test("the command is known")
    func parsed() throws {
        let buckets = try BucketsCommand.parse(["import", "f", "--json", "--yes"])
        #expect(buckets.verb == .importing(from: "f") && buckets.asJSON && buckets.isConfirmed)
        #expect(try BucketsCommand.parse(["export", "-"]).verb == .export(to: nil))
        #expect(BucketsCommand.page.text.contains("buckets export FILE"))
    }
}
