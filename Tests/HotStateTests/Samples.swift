import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import Testing

@testable import HotState

/// One sealed packet of a source, with its position on the tape.
struct SamplePacket {
    var builder: PacketBuilder
    /// The ordinal of its first record, in `add`.
    var firstOrdinal: UInt64 = 1

    init(_ kind: PacketKind = .ticks, source: String = "s") throws {
        builder = PacketBuilder(
            kind: kind, partition: Partition(0), source: try #require(SourceName(source)))
    }

    mutating func symbol(_ name: String, source: String? = nil) throws -> UInt32 {
        builder.register(
            SymbolDefinition(
                symbol: try #require(Symbol(name)), provider: "", since: .undefined,
                source: source.flatMap { SourceName($0) }))
    }

    mutating func trade(_ symbol: UInt32, _ price: Int64, action: UInt8 = 0) {
        let isIn = builder.append(Sample.trade(symbol, price, action: action))
        #expect(isIn)
    }

    mutating func quote(_ symbol: UInt32, ask: Int64) {
        let isIn = builder.append(Sample.quote(symbol, ask: ask))
        #expect(isIn)
    }

    mutating func bar(_ symbol: UInt32, _ series: String, open: Int64, close: Int64) throws {
        let number = builder.register(
            SeriesDefinition(name: try #require(SeriesName(series)), widthNanoseconds: 1))
        var bar = Bar(
            symbol: symbol, series: number, openTime: Timestamp(nanoseconds: open),
            closeTime: Timestamp(nanoseconds: open + 1))
        bar.close = Price(raw: close * 1_000_000_000)
        let isIn = builder.append(bar)
        #expect(isIn)
    }

    mutating func providerBar(
        _ symbol: UInt32, open: Int64, seconds: Int64 = 5, close: Int64,
        kind: ProviderBarKind = .trades
    ) {
        let start = Timestamp(nanoseconds: open * 1_000_000_000)
        let end = start.advanced(byNanoseconds: seconds * 1_000_000_000)
        var bar = ProviderBar(
            header: TickHeader(
                symbol: symbol, providerTime: end, receiveTime: end.advanced(byNanoseconds: 1)),
            openTime: start, closeTime: end, kind: kind)
        bar.close = Price(raw: close * 1_000_000_000)
        bar.trades = 7
        let isIn = builder.append(bar)
        #expect(isIn)
    }

    mutating func row(
        _ symbol: UInt32, _ side: BookSide, _ operation: DepthOperation, at position: UInt32,
        price: Int64 = 1
    ) {
        let isIn = builder.append(Sample.row(symbol, side, operation, at: position, price: price))
        #expect(isIn)
    }

    mutating func reset(_ symbol: UInt32, _ reason: DepthResetReason = .reset) {
        let isIn = builder.append(Sample.reset(symbol, reason))
        #expect(isIn)
    }

    /// Seals the packet and offers it to the queue, as a consumer delivers it.
    mutating func offer(to queue: HotQueue, sequence: UInt64) throws {
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: 1, watermark: .undefined, sendTime: .undefined))
        let clock = SystemClock()
        let message = try NatsMessage(
            subject: "s",
            replyTo: "$JS.ACK.s.c.1.\(sequence).\(sequence).\(clock.now().nanoseconds).0",
            payload: packet.withBytes { bytes in
                (0..<bytes.byteCount).map { bytes.uint8(at: $0) }
            })
        queue.offer(
            message, packet.header, streamCreated: Timestamp(nanoseconds: 5),
            now: clock.monotonic())
    }

    /// Seals the packet and puts it into the table.
    mutating func add(
        to table: inout HotTable, sequence: UInt64, created: Int64 = 5,
        receivedAt: MonotonicTime = .at(0), stored: Timestamp = .undefined
    ) {
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: firstOrdinal, watermark: .undefined, sendTime: .undefined))
        let origin = HotOrigin(
            source: packet.header.source,
            order: HotOrder(
                streamCreated: Timestamp(nanoseconds: created), sequence: sequence),
            receivedAt: receivedAt, stored: stored)
        packet.withBytes { table.add($0, origin) }
    }
}

enum Sample {
    static func trade(_ symbol: UInt32, _ price: Int64, action: UInt8 = 0) -> Trade {
        Trade(
            header: TickHeader(
                symbol: symbol, action: action, providerTime: Timestamp(nanoseconds: 17),
                receiveTime: Timestamp(nanoseconds: 18)),
            price: Price(raw: price * 1_000_000_000), size: Quantity(raw: 250_000_000))
    }

    static func quote(_ symbol: UInt32, ask: Int64) -> Quote {
        Quote(
            header: TickHeader(
                symbol: symbol, providerTime: .undefined,
                receiveTime: Timestamp(nanoseconds: 18)),
            bidPrice: .undefined, bidSize: .undefined, askPrice: Price(raw: ask * 1_000_000_000),
            askSize: Quantity(raw: 100_000_000))
    }

    static func row(
        _ symbol: UInt32, _ side: BookSide, _ operation: DepthOperation, at position: UInt32,
        price: Int64 = 1
    ) -> DepthUpdate {
        DepthUpdate(
            header: TickHeader(
                symbol: symbol, providerTime: .undefined, receiveTime: Timestamp(nanoseconds: 18)),
            position: position, side: side, operation: operation,
            price: Price(raw: price * 1_000_000_000), size: Quantity(raw: 100_000_000))
    }

    static func reset(_ symbol: UInt32, _ reason: DepthResetReason = .reset) -> DepthReset {
        DepthReset(
            header: TickHeader(
                symbol: symbol, providerTime: .undefined, receiveTime: Timestamp(nanoseconds: 17)),
            reason: reason)
    }

    /// Text without control characters, of at most 512 bytes. Any such text may be a symbol.
    static let strangeSymbols = [
        "AAPL", "BRK.B", "BTC/USD", "^GSPC", "O'N \"x\"", "a b  c", "{tag}:x", "{}", "{", "*?[a-z]",
        "\\", "$1", "%s%d", "md:trade:AAPL", "é", "e\u{301}", "日経", "🦆📈", "👩‍👩‍👧",
        "\u{FFFD}", String(repeating: "y", count: 64), String(repeating: "z", count: 512), "-", ":",
    ]
}

/// Takes everything out and returns the positions.
func takeAll(
    _ table: inout HotTable, now: MonotonicTime = .at(0), heardAfter: MonotonicTime = .at(-1)
) -> HotBatch {
    var batch = HotBatch()
    table.take(atMost: 1_000_000, now: now, heardAfter: heardAfter, into: &batch)
    return batch
}

/// Returns trades of one source, as the database had them at a position.
func fill(
    _ trades: [(symbol: String, price: Int64)], at sequence: UInt64, received: Int64 = 18,
    readAt: Int64 = 18, now: MonotonicTime = .at(0)
) throws -> [HotFill] {
    var builder = HotFillBuilder(
        .ticks, Partition(0),
        HotOrder(streamCreated: Timestamp(nanoseconds: 5), sequence: sequence),
        readAt: Timestamp(nanoseconds: readAt), receivedAt: now)
    let source = try #require(SourceName("s"))
    // The first one has the ordinal 101.
    for (ordinal, (symbol, price)) in zip(101..., trades) {
        var trade = Sample.trade(0, price)
        trade.header.receiveTime = Timestamp(nanoseconds: received)
        builder.add(
            .trade(trade), symbol: try #require(Symbol(symbol)), source: source,
            at: HotFillPlace(lane: source, ordinal: UInt64(ordinal)))
    }
    return builder.finish()
}
