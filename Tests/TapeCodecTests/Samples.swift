import MarketModel
import Primitives
import TapeCodec
import Testing

/// Packets with a different value in every field, for round trips and golden files.
enum Samples {
    static let seal = PacketBuilder.Seal(
        epoch: 7, firstOrdinal: 1_000_001,
        watermark: Timestamp(nanoseconds: 1_767_623_400_123_456_789),
        sendTime: Timestamp(nanoseconds: 1_767_623_400_223_456_789))

    static func symbol(_ text: String) throws -> Symbol { try #require(Symbol(text)) }

    static func definition(_ text: String) throws -> SymbolDefinition {
        SymbolDefinition(
            symbol: try symbol(text), provider: "synthetic",
            since: Timestamp(nanoseconds: 1_767_623_000_000_000_000))
    }

    static func header(symbol: UInt32) -> TickHeader {
        TickHeader(
            symbol: symbol, flags: [.snapshot, .delayed], action: TradeAction.correction.rawValue,
            resolution: TimeResolution.millisecond.rawValue,
            providerTime: Timestamp(nanoseconds: 1_767_623_399_000_000_001),
            receiveTime: Timestamp(nanoseconds: 1_767_623_399_000_000_002),
            providerID: 0xfedc_ba98_7654_3210)
    }

    static func trade(symbol: UInt32) throws -> Trade {
        Trade(
            header: header(symbol: symbol), price: Price(raw: -1_234_567_890_123),
            size: Quantity(raw: 100_00000000), exchange: try #require(ShortText("NASDAQ")),
            conditions: try #require(ShortText("@ TI")))
    }

    static func quote(symbol: UInt32) throws -> Quote {
        Quote(
            header: header(symbol: symbol), bidPrice: Price(raw: 1), bidSize: Quantity(raw: 2),
            askPrice: Price(raw: 3), askSize: .undefined,
            bidExchange: try #require(ShortText("K")), askExchange: try #require(ShortText("QZ")))
    }

    static func bar(symbol: UInt32, series: UInt16) throws -> Bar {
        var bar = Bar(
            symbol: symbol, series: series, openTime: Timestamp(nanoseconds: 60_000_000_000),
            closeTime: Timestamp(nanoseconds: 120_000_000_000))
        bar.flags = [.partial, .final]
        bar.reason = BarReason.late.rawValue
        bar.generation = 3
        bar.number = 4
        bar.open = Price(raw: 5)
        bar.high = Price(raw: 6)
        bar.low = Price(raw: 7)
        bar.close = Price(raw: 8)
        bar.vwap = Price(raw: 9)
        bar.trades = 10
        bar.excluded = Bar.Excluded(condition: 11, oddLot: 12, filter: 13, undefined: 14)
        bar.volume = Int128(Int64.max) * 1_000
        bar.notional = -Int128(Int64.max) * 1_000_000
        return bar
    }

    static func source(_ text: String) throws -> SourceName { try #require(SourceName(text)) }

    /// 40 shares from 2026-05-01 on, 10 before.
    static func lot() throws -> RoundLot {
        try #require(
            RoundLot(
                Quantity(raw: 4_000_000_000),
                from: Timestamp(nanoseconds: 1_777_593_600_000_000_000),
                before: Quantity(raw: 1_000_000_000)))
    }

    static func tickPacket(lot: RoundLot? = nil) throws -> SealedPacket {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(7), source: try source("synthetic"))
        var first = try definition("AAPL")
        first.lot = lot
        let apple = builder.register(first)
        let emoji = builder.register(try definition("😀 BRK.B"))
        #expect(builder.append(try trade(symbol: emoji)))
        #expect(builder.append(try quote(symbol: apple)))
        #expect(builder.append(try trade(symbol: apple)))
        return builder.seal(seal)
    }

    static func outputState() throws -> OutputState {
        OutputState(
            input: TapePosition(
                streamCreated: Timestamp(nanoseconds: 11), sequence: 12,
                packet: PacketIdentity(epoch: 13, firstOrdinal: 14, checksum: 15),
                sources: [
                    SourceOrdinal(source: try source("ibkr"), epoch: 16, lastOrdinal: 17),
                    SourceOrdinal(source: try source("synthetic"), epoch: 18, lastOrdinal: 19),
                ]),
            checksum: 20, generation: 21)
    }

    static func barPacket(lateness: Int64? = nil) throws -> SealedPacket {
        var builder = PacketBuilder(kind: .bars, partition: Partition(7), source: .operator)
        var apple = try definition("AAPL")
        apple.source = try source("synthetic")
        let symbol = builder.register(apple)
        let minute = builder.register(
            SeriesDefinition(
                name: try #require(SeriesName("1m")), widthNanoseconds: 60_000_000_000,
                latenessNanoseconds: lateness))
        #expect(builder.append(try bar(symbol: symbol, series: minute)))
        return builder.seal(seal, output: try outputState())
    }

    /// `watermark` is that of the source that is present.
    static func states(watermark: Timestamp = .undefined) throws -> [SourceState] {
        [
            SourceState(
                source: try source("ibkr-delayed"), presence: .silent, kind: .delayed,
                since: Timestamp(nanoseconds: 22)),
            SourceState(
                source: try source("old"), presence: .retired, kind: .real,
                since: Timestamp(nanoseconds: 23)),
            SourceState(
                source: try source("synthetic"), presence: .present, kind: .madeUp,
                since: .undefined, watermark: watermark),
        ]
    }

    static func statesPacket(watermark: Timestamp = .undefined) throws -> SealedPacket {
        var builder = PacketBuilder(kind: .bars, partition: Partition(7), source: .operator)
        var output = try outputState()
        output.states = try states(watermark: watermark)
        return builder.seal(seal, output: output)
    }

    static func members() throws -> [GroupMember] {
        let group = try source("ibkr")
        return [
            GroupMember(source: try source("ibkr-a"), group: group),
            GroupMember(source: try source("ibkr-b"), group: group),
        ]
    }

    static func membersPacket() throws -> SealedPacket {
        var builder = PacketBuilder(kind: .bars, partition: Partition(7), source: .operator)
        var output = try outputState()
        output.members = try members()
        return builder.seal(seal, output: output)
    }

    static func markerPacket() throws -> SealedPacket {
        var builder = PacketBuilder(
            kind: .ticks, partition: Partition(31), source: try source("synthetic"))
        return builder.seal(
            seal,
            marker: EpochMarker(
                startOrdinal: 1_000_001, previousEpoch: 6, previousSequence: 88, definition: 99,
                generation: 2))
    }

    static func watermarkPacket() throws -> SealedPacket {
        var builder = PacketBuilder(
            kind: .watermark, partition: Partition(3), source: try source("synthetic"))
        return builder.seal(seal)
    }

    static func retirementPacket() throws -> SealedPacket {
        var builder = PacketBuilder(
            kind: .watermark, partition: Partition(3), source: try source("synthetic"))
        return builder.seal(
            seal,
            marker: EpochMarker(startOrdinal: 1_000_001, previousEpoch: 6, previousSequence: 88),
            flags: .retirement)
    }
}

extension SealedPacket {
    var array: [UInt8] { withBytes { $0.array } }
}
