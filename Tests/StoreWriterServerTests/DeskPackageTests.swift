import Foundation
import MarketModel
import Primitives
import Seeds
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TestSupport
import Testing

@testable import StoreWriter

/// The Python package of `Sources/Desk/python`, installed from its wheel, beside polars, pandas,
/// pyarrow and duckdb.
@Suite("The Python package")
struct DeskPackageTests {
    static let root = ServerPrograms.checkout
    private static let folder = "\(root)/Tests/StoreWriterServerTests"
    private static let package = "\(root)/Sources/Desk/python"
    /// The status by which `engines.sh` reports that the packages are not available.
    private static let absent: Int32 = 3

    /// Runs a part of `desk_package.py`, or of another script, with the installed wheel. Returns
    /// what it printed; `nil` if the Python package index is not reachable.
    func check(
        _ arguments: [String], _ environment: [String: String] = [:],
        with packages: String = "desk", script: String = "desk_package.py"
    ) throws -> String? {
        let site = try TemporaryFolder("site")
        var settings = environment
        settings["DESK_SITE"] = site.path
        settings["DESK_TOOLS"] = ProductPrograms.folder
        do {
            settings["DESK_PACKAGE"] = try RunFolder.made("wheel") {
                try Self.install(in: $0, with: packages)
            }
            return try Self.python(script, arguments, with: packages, settings)
        } catch let failure as ProgramFailure where failure.status == Self.absent {
            print("the Python package was not tried: \(failure.message)")
            return nil
        }
    }

    /// Runs checks, all of which have to pass.
    func expectPassed(
        _ arguments: [String], _ environment: [String: String] = [:],
        with packages: String = "desk", script: String = "desk_package.py"
    ) throws {
        let told = try check(arguments, environment, with: packages, script: script)
        #expect(told?.hasSuffix("checks passed") != false, "\(told ?? "")")
    }

    @discardableResult
    private static func python(
        _ script: String, _ arguments: [String] = [], with packages: String,
        _ environment: [String: String]
    ) throws -> String {
        try run(
            "/bin/bash",
            ["\(root)/deploy/local/engines.sh", "--of", packages, "\(folder)/\(script)"]
                + arguments, environment: environment)
    }

    /// Makes the wheel with the decoder and the transport of this build, and installs it.
    private static func install(in place: String, with packages: String) throws {
        let decoder = "\(place)/libraries/libtapeline_decoder.so"
        let transport = "\(place)/libraries/transport"
        try run(
            "/bin/bash",
            ["\(root)/deploy/local/decoder.sh", "--debug", ProductPrograms.folder, decoder])
        try run("/bin/bash", ["\(root)/deploy/local/transport.sh", transport])
        try python(
            "desk/install.py", with: packages,
            [
                "DESK_PACKAGE": place, "TAPELINE_DECODER_LIBRARY": decoder,
                "TAPELINE_TRANSPORT_FOLDER": transport,
                // Any folder of texts does for a wheel that nobody is given.
                "TAPELINE_LICENCES": "\(root)/docs/runbooks",
            ])
    }

    @Test("its version is that of the product")
    func version() throws {
        let text = try String(
            contentsOfFile: "\(Self.package)/tapeline/version.py", encoding: .utf8)
        #expect(text.contains("__version__ = \"\(ProductVersion.text)\""))
    }

    /// Makes a database of the rows of some files. Returns the URL of its reader.
    static func database(_ name: String, _ files: [String]) throws -> String {
        let database = try TestDatabase(name, mode: .plain)
        try database.migrateForReaders()
        for file in files { try database.fill(from: file) }
        return database.url()
    }

    @Test("frames of a database have its values, holes raise, and no password is shown")
    func database() throws {
        let url = try Self.database(
            "desk_package", ["data_page.sql", "desk/depth.sql", "desk/kinds.sql"])
        try expectPassed(["database", url])
    }

    @Test("a loaded past and live rows are one frame, and what nobody loaded is missing in it")
    func past() throws {
        let url = try Self.database("desk_past", ["desk/history.sql"])
        try expectPassed(["past", url])
    }

    @Test("what a server sends of rows becomes columns, and no bytes make it touch other memory")
    func rows() throws { try expectPassed(["rows", "\(Seeds.one())"]) }

    @Test("a reading that fails in its middle raises its exception, and nothing stays of streams")
    func streams() throws {
        try expectPassed(["streams"])
    }
}

/// Packets of one partition with every edge of a value, and a recording of them.
struct DeskTape {
    static let partitions = 4
    static let start = StoreScene.time

    let symbols: [Symbol]
    private(set) var ticks: UInt64 = 0
    private var random: SeededRandom
    private var builder: PacketBuilder
    private let source = SourceName("test")

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        // Only of the partition that the scene has.
        symbols = Array(
            (0..<100).compactMap { Symbol("S\($0)") }.filter {
                Partition(of: $0, count: Self.partitions) == Partition(1)
            }.prefix(3))
        builder = PacketBuilder(
            kind: .ticks, partition: Partition(1), source: SourceName("test") ?? .operator)
    }

    private mutating func below(_ count: UInt64) -> UInt64 { random.next() % count }

    private mutating func header(_ symbol: UInt32) -> TickHeader {
        let time = Self.start + Int64(ticks) * 1_000_003 - Int64(below(4_000_000))
        let hasTime = below(8) > 0
        return TickHeader(
            symbol: symbol, flags: TickFlags(rawValue: UInt16(below(1 << 16))),
            action: UInt8(below(3)), resolution: UInt8(below(7)),
            providerTime: hasTime ? Timestamp(nanoseconds: time) : .undefined,
            receiveTime: Timestamp(nanoseconds: time + Int64(below(1_000_000))),
            providerID: [0, UInt64.max, UInt64(ticks)][Int(below(3))])
    }

    private mutating func price() -> Price {
        below(10) == 0 ? .undefined : Price(raw: Int64(bitPattern: random.next()) / 4)
    }

    private mutating func size() -> Quantity {
        below(10) == 0 ? .undefined : Quantity(raw: Int64(below(1 << 60)))
    }

    private mutating func text() -> ShortText {
        ShortText(["", "Q", "NASDAQ", "12345678"][Int(below(4))]) ?? .empty
    }

    private mutating func append(_ symbol: UInt32) {
        let header = header(symbol)
        let isAdded: Bool
        switch below(6) {
        case 0, 1:
            isAdded = builder.append(
                Trade(
                    header: header, price: price(), size: size(), exchange: text(),
                    conditions: text()))
        case 2:
            isAdded = builder.append(
                Quote(
                    header: header, bidPrice: price(), bidSize: size(), askPrice: price(),
                    askSize: size(), bidExchange: text(), askExchange: text()))
        case 3: isAdded = append(bar: header)
        case 4: isAdded = append(value: header)
        case _ where below(5) == 0:
            isAdded = builder.append(DepthReset(header: header, reason: .halted))
        case _:
            isAdded = builder.append(
                DepthUpdate(
                    header: header, position: UInt32(below(20)), side: .bid, operation: .update,
                    price: price(), size: size(), marketMaker: MarketMaker("MAKER-123") ?? .none,
                    flags: DepthFlags(rawValue: UInt8(below(4)))))
        }
        precondition(isAdded)
        ticks += 1
    }

    private mutating func append(bar header: TickHeader) -> Bool {
        let close = header.eventTime
        var bar = ProviderBar(
            header: header, openTime: close.advanced(byNanoseconds: -60_000_000_000),
            closeTime: close, kind: .trades)
        bar.kind = UInt8(below(9))
        bar.flags = ProviderBarFlags(rawValue: UInt8(below(8)))
        (bar.open, bar.high, bar.low) = (price(), price(), price())
        (bar.close, bar.vwap) = (price(), price())
        if below(3) > 0 { bar.volume = Int128(below(1 << 60)) * 1_000_000 }
        if below(3) > 0 { bar.trades = Int64(below(1_000)) }
        return builder.append(bar)
    }

    /// Adds a value of the symbol, or of none.
    private mutating func append(value header: TickHeader) -> Bool {
        var own = header
        if below(9) == 0 { own.symbol = TickHeader.noSymbol }
        let value = IndicatorValue(
            header: own, name: ["rate", "größe"][Int(below(2))],
            unit: ["", "percent"][Int(below(2))],
            value: below(8) == 0
                ? IndicatorValue.undefined : Int128(Int64(bitPattern: random.next())) * 1_000,
            periodStart: below(3) == 0
                ? .undefined : header.eventTime.advanced(byNanoseconds: -7),
            periodEnd: header.eventTime, revision: below(3))
        return builder.append(value) == .appended
    }

    /// Adds a gap of trades of the first symbol, from 10 to 20 s, as open and then in part filled.
    private mutating func appendGaps() {
        let times = [10, 14, 20].map { Timestamp(nanoseconds: Self.start + $0 * 1_000_000_000) }
        for (from, state) in [(times[0], GapState.open), (times[1], .filled)] {
            let gap = GapRecord(
                header: TickHeader(
                    symbol: 0, providerTime: .undefined,
                    receiveTime: Timestamp(nanoseconds: Self.start + 30_000_000_000)),
                from: from, to: times[2], kind: .trade, reason: .gatewayLost, state: state,
                detail: "of a test")
            precondition(builder.append(gap) == .appended)
            ticks += 1
        }
    }

    /// Returns packets of 50 ticks. The one with the number `gapsAt`, or the middle one, also has
    /// the gaps.
    mutating func packets(_ count: Int, gapsAt: Int? = nil) throws -> [[UInt8]] {
        for symbol in symbols {
            builder.define(symbol, provider: "ib")
        }
        var next: UInt64 = 1
        return (0..<count).map { number in
            for _ in 0..<50 { append(UInt32(below(UInt64(symbols.count)))) }
            if number == gapsAt ?? count / 2 { appendGaps() }
            let packet = builder.seal(
                PacketBuilder.Seal(
                    epoch: 3, firstOrdinal: next, watermark: Timestamp(nanoseconds: Self.start),
                    sendTime: Timestamp(nanoseconds: Self.start + Int64(number))))
            next = packet.header.nextOrdinal
            return packet.bytes
        }
    }

    /// Returns a recording as docs/replay.md describes it: of the minute from the start on.
    func recording(_ packets: [[UInt8]]) -> [UInt8] {
        var bytes = Array("TAPEREC1".utf8)
        func put(_ value: Int64, _ count: Int) {
            for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (index * 8))) }
        }
        func put(_ text: String, _ count: Int) {
            bytes += Array(text.utf8) + Array(repeating: 0, count: count - text.utf8.count)
        }
        put(2, 2)
        put(0, 2)
        put(98, 4)
        put(Self.start, 8)
        put(Self.start - 1_000_000_000, 8)
        put(Self.start + 60_000_000_000, 8)
        put("md", 16)
        put("test", 24)
        put(Int64(Self.partitions), 2)
        put(1, 2)
        put(0, 4)
        put(1, 2)
        var chain = bytes.withRawSpan { Checksum.of($0) }
        put(Int64(bitPattern: chain), 8)
        for (number, packet) in packets.enumerated() {
            let place = bytes.count
            put(Int64(packet.count), 4)
            put(0, 8)
            put(Self.start + Int64(number), 8)
            bytes += packet
            chain = Array(bytes[(place + 12)...]).withRawSpan {
                Checksum.chained($0, after: chain)
            }
            for index in 0..<8 {
                bytes[place + 4 + index] = UInt8(truncatingIfNeeded: chain >> UInt64(index * 8))
            }
        }
        put(0, 4)
        let end = bytes.count
        put(Int64(packets.count), 8)
        let tickCount = packets.reduce(Int64(0)) { sum, packet in
            sum
                + packet.withRawSpan { span in
                    ((try? PacketReader.header(of: span)).map { Int64($0.tickCount) }) ?? 0
                }
        }
        put(tickCount, 8)
        chain = Array(bytes[end...]).withRawSpan { Checksum.chained($0, after: chain) }
        put(Int64(bitPattern: chain), 8)
        return bytes
    }
}
