import MarketModel
import Primitives
import TapeCodec
import TapeListing
import TapeProtocol
import Testing

@testable import TapelineTool

@Suite("What a tail is asked, and how it writes")
struct TailTextTests {
    private let now = Timestamp(nanoseconds: 1_750_000_000_000_000_000)

    @Test(
        "places",
        arguments: [
            ("beginning", .beginning), ("seq:1", .sequence(1)),
            ("seq:18446744073709551615", .sequence(UInt64.max)),
            ("now", .time(.init(nanoseconds: 1_750_000_000_000_000_000))),
            ("-1500ms", .time(.init(nanoseconds: 1_749_999_998_500_000_000))),
            ("-10m", .time(.init(nanoseconds: 1_749_999_400_000_000_000))),
            ("-2d", .time(.init(nanoseconds: 1_749_827_200_000_000_000))),
            ("1970-01-01T00:00Z", .time(.init(nanoseconds: 0))),
            ("2025-06-15T15:06:40Z", .time(.init(nanoseconds: 1_750_000_000_000_000_000))),
            ("2025-06-15 17:06:40+02:00", .time(.init(nanoseconds: 1_750_000_000_000_000_000))),
            ("2025-06-15T11:06:40.5-0400", .time(.init(nanoseconds: 1_750_000_000_500_000_000))),
            (
                "2024-02-29T23:59:59.999999999+00",
                .time(.init(nanoseconds: 1_709_251_199_999_999_999))
            ),
            ("1969-12-31T23:59:59Z", .time(.init(nanoseconds: -1_000_000_000))),
            ("2025-06-15", .time(.init(nanoseconds: 1_749_945_600_000_000_000))),
            ("today", .time(.init(nanoseconds: 1_749_945_600_000_000_000))),
            ("yesterday", .time(.init(nanoseconds: 1_749_859_200_000_000_000))),
        ] as [(String, TailPlace)])
    func places(text: String, place: TailPlace) throws {
        #expect(try TailPlace.parse(text, "--from", now: now) == place)
    }

    @Test(
        "what is no place is refused, never guessed",
        arguments: [
            "", "later", "seq:0", "seq:", "seq:-1", "seq:1x", "-10", "-m", "10m", "--5m",
            "2025-06-15T15:06:40", "2025-02-29", "2025-06-15 ", "tomorrow", "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-06-31T00:00:00Z", "2025-06-15T24:00:00Z", "2025-06-15T15:60:00Z",
            "2025-06-15T15:06:40.Z", "2025-06-15T15:06:40.1234567890Z",
            "2025-06-15T15:06:40+99:00", "2025-06-15T15:06:40Zulu", "9999-01-01T00:00:00Z",
            "-99999999999999999999d", "-9223372036854775807d", "2025-00-10T00:00:00Z",
        ])
    func refused(text: String) {
        #expect(throws: ToolError.self) { try TailPlace.parse(text, "--from", now: now) }
    }

    @Test("any time that can be written is read as itself")
    func roundTrip() throws {
        var random = SeededRandom(seed: 4_711)
        for _ in 0..<2_000 {
            let time = Timestamp(nanoseconds: Int64(bitPattern: random.next() >> 1))
            #expect(ISOTime.parse(time.description) == time)
        }
    }

    @Test("--bars goes with a kind that is derived")
    func derivedKind() throws {
        let command = try TailCommand.parse(["--bars", "--kind", "bar", "--from", "-2m"], now: now)
        #expect(command.wantsBars && command.kinds.count == 1)
    }

    @Test("following is what happens when no end is given")
    func follows() throws {
        func follows(_ arguments: [String]) throws -> Bool {
            try TailCommand.parse(arguments, now: now).follows
        }
        #expect(try follows([]) && follows(["--from", "-1h"]) && follows(["--json"]))
        #expect(try !follows(["--limit", "3"]) && !follows(["--to", "now"]))
        #expect(try follows(["--limit", "3", "--follow"]))
    }

    private func selections(_ arguments: [String]) throws -> [TailCommand.Selection] {
        let names = try #require(TapeNames(namespace: "md", partitions: 32))
        return try TailCommand.parse(arguments, now: now).selections(names)
    }

    @Test("only the streams and subjects are read that can hold what is asked for")
    func streams() throws {
        #expect(try selections([]).map(\.stream) == (0..<4).map { "MD_TICKS_\($0)" })
        #expect(try selections([]).first?.filters == ["md.ticks.*.*"])
        // What a person puts on the tape may concern the source, too.
        #expect(
            try selections(["--source", "ib"]).last?.filters
                == ["md.ticks.*.ib", "md.ticks.*.manual"])
        #expect(try selections(["--source", "manual"]).last?.filters == ["md.ticks.*.manual"])
        // AAPL belongs to partition 7, and so to stream 3.
        let symbol = [TailCommand.Selection(stream: "MD_TICKS_3", filters: ["md.ticks.7.*"])]
        #expect(try selections(["AAPL"]) == symbol)
        #expect(try selections(["AAPL", "--partition", "7"]) == symbol)
        #expect(
            try selections(["AAPL", "--bars"]) == [
                TailCommand.Selection(stream: "MD_BARS", filters: ["md.bars.7"])
            ])
        #expect(try selections(["--kind", "bar"]).map(\.filters) == [["md.bars.*"]])
        #expect(
            try selections(["--bars"]).map(\.filters) == [["md.bars.*", "md.all.universe"]])
        for all in [["--partition", "all"], ["--partition=universe"], ["--source", "universe"]] {
            #expect(
                try selections(all) == [
                    TailCommand.Selection(stream: "MD_BARS", filters: ["md.all.universe"])
                ])
            #expect(throws: ToolError.self) { try selections(all + ["AAPL"]) }
            #expect(throws: ToolError.self) { try selections(all + ["--partition", "1"]) }
        }
        #expect(
            try selections(["--kind=late-tick", "--kind=trade"]).map(\.stream)
                == (0..<4).map { "MD_TICKS_\($0)" } + ["MD_BARS"])
        #expect(
            try selections(["--partition=1", "--partition=5", "--partition=2", "--control"]) == [
                TailCommand.Selection(
                    stream: "MD_TICKS_1", filters: ["md.ticks.1.*", "md.ticks.5.*", "md.wm.1.*"]),
                TailCommand.Selection(
                    stream: "MD_TICKS_2", filters: ["md.ticks.2.*", "md.wm.2.*"]),
            ])
        #expect(throws: ToolError.self) {
            try selections(["AAPL", "--partition", "8"])
        }
        #expect(throws: ToolError.self) { try selections(["--partition", "32"]) }
    }

    /// Returns symbol and source of what a tail with these arguments shows of a packet.
    private func shown(_ arguments: [String], of packet: SealedPacket) throws -> [String] {
        let command = try TailCommand.parse(arguments, now: now)
        let printer = TailPrinter(format: .json)
        var output = OutputBuffer(descriptor: -1, capacity: 4_096)
        var (walk, tick) = (PacketListing(), ListedTick())
        walk.begin(packet.header, sequence: 1)
        packet.withBytes { bytes in
            walk.walk(bytes, command.selection, &tick) { tick in
                printer.line(tick, &output)
            }
        }
        return try String(decoding: output.bytes, as: UTF8.self).split(separator: "\n").map {
            let json = try JSONValue.parse(String($0))
            let source = json["of_source"]?.string ?? json["source"]?.string ?? ""
            return "\(json["symbol"]?.string ?? "-") \(source)"
        }
    }

    private func definition(_ symbol: String, _ source: String?) throws -> SymbolDefinition {
        SymbolDefinition(
            symbol: try #require(Symbol(symbol)), provider: "made", since: .undefined,
            source: source.flatMap { SourceName($0) })
    }

    private func sealed(_ builder: inout PacketBuilder) -> SealedPacket {
        builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: .undefined, sendTime: .undefined))
    }

    @Test("a source is its packets, what is made of its ticks, and what a person did for it")
    func sources() throws {
        // A person's ticks of two sources, one of no source in particular, one without a symbol.
        var manual = PacketBuilder(kind: .ticks, partition: Partition(0), source: .manual)
        for (symbol, source) in [("A", "x"), ("A", "y"), ("B", nil)] {
            let index = manual.register(try definition(symbol, source))
            let isIn = manual.append(TailBench.trade(index, 1))
            #expect(isIn)
        }
        let general = IndicatorValue(
            header: TickHeader(
                symbol: TickHeader.noSymbol, providerTime: .undefined, receiveTime: now),
            name: "GDP", value: 1, periodStart: now, periodEnd: now)
        _ = manual.append(general)
        let person = sealed(&manual)
        #expect(try shown([], of: person) == ["A x", "A y", "B manual", "- manual"])
        #expect(try shown(["--source", "x"], of: person) == ["A x", "B manual", "- manual"])
        #expect(try shown(["--source", "x", "A"], of: person) == ["A x"])
        #expect(try shown(["--source", "manual"], of: person).count == 4)
        #expect(try shown(["A"], of: person) == ["A x", "A y"])

        // Bars and values of two sources, and a value of none.
        var bars = PacketBuilder(kind: .bars, partition: Partition(0), source: .operator)
        let series = bars.register(
            SeriesDefinition(name: try #require(SeriesName("1m")), widthNanoseconds: 1))
        for source in ["x", "y"] {
            let index = bars.register(try definition("A", source))
            let isIn = bars.append(
                Bar(symbol: index, series: series, openTime: now, closeTime: now))
            #expect(isIn)
            var value = general
            value.header.symbol = index
            _ = bars.append(value)
        }
        _ = bars.append(general)
        let made = sealed(&bars)
        #expect(try shown(["--bars"], of: made).count == 5)
        #expect(try shown(["--bars", "--source", "y"], of: made) == ["A y", "A y"])
        #expect(try shown(["--bars", "--source", "operator"], of: made).count == 5)

        var own = PacketBuilder(
            kind: .ticks, partition: Partition(0), source: try #require(SourceName("x")))
        let index = own.register(try definition("A", nil))
        let isIn = own.append(TailBench.trade(index, 1))
        #expect(isIn)
        let ticks = sealed(&own)
        #expect(try shown(["--source", "x"], of: ticks) == ["A x"])
        #expect(try shown(["--source", "y"], of: ticks).isEmpty)
    }

    @Test("a bar's line and columns name its source")
    func barSource() throws {
        var tick = ListedTick()
        tick.kind = .record(.bar)
        tick.symbol = "A"
        tick.fields = []
        tick.fields.add("series", "1m")
        tick.fields.add("of_source", "ibkr")
        let line = written { TailPrinter(format: .table).line(tick, &$0) }
        #expect(line.contains("1m ibkr"), "\(line)")
        let csv = written { TailPrinter(format: .csv).line(tick, &$0) }
        #expect(csv.contains(",1m,ibkr,"), "\(csv)")
    }

    // MARK: writing

    private func written(_ body: (inout OutputBuffer) -> Void) -> String {
        var output = OutputBuffer(descriptor: -1, capacity: 64)
        body(&output)
        return String(decoding: output.bytes, as: UTF8.self)
    }

    @Test("numbers and times are written as their own descriptions say")
    func numbers() {
        var random = SeededRandom(seed: 99)
        var values: [Int64] = [0, 1, -1, 9, 10, Int64.min, Int64.max, 1_000_000_000, -100_000_000]
        for _ in 0..<2_000 {
            values.append(Int64(bitPattern: random.next() >> (random.next() % 64)))
        }
        for value in values {
            #expect(written { $0.integer(value) } == "\(value)")
            #expect(written { $0.unsigned(value.magnitude) } == "\(value.magnitude)")
            #expect(
                written { $0.decimal(value, decimals: 9) } == FixedPoint.text(value, decimals: 9))
            let time = Timestamp(nanoseconds: value == Int64.max ? 0 : value)
            #expect(written { $0.time(time) } == time.description)
        }
    }

    @Test("what a symbol may hold breaks neither JSON nor CSV nor a terminal")
    func escapes() throws {
        for text in ["plain", "a\"b", "a\\b", "é😀", "a,b", "\u{1}\n\t\r", ""] {
            #expect(try JSONValue.parse(written { $0.jsonString(text) }).string == text)
        }
        #expect(written { $0.csvField("plain é") } == "plain é")
        #expect(written { $0.csvField("a,b") } == "\"a,b\"")
        #expect(written { $0.csvField("a\"b") } == "\"a\"\"b\"")
        #expect(written { $0.csvField("a\nb\rc") } == "\"a\nb\rc\"")
        #expect(written { $0.csvLine(["a", nil, "", "b"]) } == "a,,\"\",b\r\n")
        #expect(written { $0.plain("a\u{1b}[31mb\u{9b}c") } == "a?[31mb?c")
    }
}
