public import MarketModel
public import Primitives

/// One message of a packet.
@frozen
public enum Record {
    case trade(Trade)
    case quote(Quote)
    case bar(Bar)
    /// Everything that comes once per packet or symbol, and what this version does not know:
    /// where its block stands. `ControlReader` reads it.
    case other(MessageBounds)
    case malformed(PacketError)
}

/// Where a message stands in its packet.
@frozen
public struct MessageBounds: Sendable, BitwiseCopyable {
    public let template: UInt16
    public let body: Int
    public let blockLength: Int
    /// Behind the message, its variable fields included.
    public let end: Int

    @inlinable @inline(__always)
    init(template: UInt16, body: Int, blockLength: Int, end: Int) {
        self.template = template
        self.body = body
        self.blockLength = blockLength
        self.end = end
    }
}

/// Walks over the messages of a packet that `PacketReader` has checked.
///
/// Inlinable and flat because it is the hot loop of every reader: each record is one range check
/// and loads at constant offsets.
@frozen
public struct RecordCursor {
    @usableFromInline var offset: Int
    /// Ticks met so far, those of unknown templates included: each of them has an ordinal.
    public var tickCount: UInt32 = 0

    @inlinable
    public init() { offset = WireFormat.HeaderOffset.end }

    @usableFromInline
    init(from offset: Int) { self.offset = offset }

    /// The next message, or nil behind the last one. After `malformed` the packet ends.
    @inlinable @inline(__always)
    public mutating func next(in packet: RawSpan) -> Record? {
        let start = offset
        let remaining = packet.byteCount &- start
        guard remaining > 0 else { return nil }
        guard remaining >= WireFormat.messageHeaderBytes else {
            return fail(.truncated, at: start, WireFormat.messageHeaderBytes, remaining)
        }
        let head = packet.extracting(start..<start &+ WireFormat.messageHeaderBytes)
        let block = Int(head.uint16(at: 0))
        let template = head.uint16(at: 2)
        let body = start &+ WireFormat.messageHeaderBytes
        guard remaining &- WireFormat.messageHeaderBytes >= block else {
            return fail(.truncated, at: start, block, remaining)
        }
        guard head.uint16(at: 4) == WireFormat.schemaID else {
            return fail(
                .foreignSchema, at: start, Int(WireFormat.schemaID), Int(head.uint16(at: 4)))
        }
        offset = body &+ block
        tickCount &+= WireFormat.Template.isTick(template) ? 1 : 0
        switch template {
        case WireFormat.Template.trade where block >= WireFormat.Block.trade:
            return .trade(Trade(packet.extracting(body..<body &+ WireFormat.Block.trade)))
        case WireFormat.Template.quote where block >= WireFormat.Block.quote:
            return .quote(Quote(packet.extracting(body..<body &+ WireFormat.Block.quote)))
        case WireFormat.Template.bar where block >= WireFormat.Block.bar:
            return .bar(Bar(packet.extracting(body..<body &+ WireFormat.Block.bar)))
        case WireFormat.Template.trade, WireFormat.Template.quote, WireFormat.Template.bar:
            return fail(.truncated, at: start, WireFormat.Block.trade, block)
        default:
            return other(template, body: body, block: block, in: packet)
        }
    }

    @usableFromInline
    mutating func other(
        _ template: UInt16, body: Int, block: Int, in packet: RawSpan
    ) -> Record {
        for _ in 0..<WireFormat.Template.variableFields(template) {
            let remaining = packet.byteCount - offset
            guard remaining >= WireFormat.lengthBytes else {
                return fail(.truncated, at: offset, WireFormat.lengthBytes, remaining)
            }
            let length = Int(packet.uint32(at: offset))
            guard remaining - WireFormat.lengthBytes >= length else {
                return fail(.truncated, at: offset, length, remaining)
            }
            offset += WireFormat.lengthBytes + length
        }
        return .other(
            MessageBounds(template: template, body: body, blockLength: block, end: offset))
    }

    @usableFromInline
    mutating func fail(
        _ reason: PacketError.Reason, at start: Int, _ expected: Int, _ found: Int
    ) -> Record {
        // Nothing behind a message that cannot be measured means anything.
        offset = Int.max
        return .malformed(
            PacketError(reason, offset: start, expected: UInt64(expected), found: UInt64(found)))
    }
}

extension TickHeader {
    @inlinable @inline(__always)
    init(_ block: RawSpan) {
        self.init(
            symbol: block.uint32(at: 0),
            flags: TickFlags(rawValue: block.uint16(at: 4)),
            action: block.uint8(at: 6),
            resolution: block.uint8(at: 7),
            providerTime: Timestamp(nanoseconds: block.int64(at: 8)),
            receiveTime: Timestamp(nanoseconds: block.int64(at: 16)),
            providerID: block.uint64(at: 24))
    }
}

extension Trade {
    @inlinable @inline(__always)
    init(_ block: RawSpan) {
        self.init(
            header: TickHeader(block),
            price: Price(raw: block.int64(at: 32)),
            size: Quantity(raw: block.int64(at: 40)),
            exchange: ShortText(raw: block.uint64(at: 48)),
            conditions: ShortText(raw: block.uint64(at: 56)))
    }
}

extension Quote {
    @inlinable @inline(__always)
    init(_ block: RawSpan) {
        self.init(
            header: TickHeader(block),
            bidPrice: Price(raw: block.int64(at: 32)),
            bidSize: Quantity(raw: block.int64(at: 40)),
            askPrice: Price(raw: block.int64(at: 48)),
            askSize: Quantity(raw: block.int64(at: 56)),
            bidExchange: ShortText(raw: block.uint64(at: 64)),
            askExchange: ShortText(raw: block.uint64(at: 72)))
    }
}

extension Bar {
    @inlinable @inline(__always)
    init(_ block: RawSpan) {
        self.init(
            symbol: block.uint32(at: 0), series: block.uint16(at: 4),
            openTime: Timestamp(nanoseconds: block.int64(at: 8)),
            closeTime: Timestamp(nanoseconds: block.int64(at: 16)))
        flags = BarFlags(rawValue: block.uint8(at: 6))
        reason = block.uint8(at: 7)
        number = block.int64(at: 24)
        open = Price(raw: block.int64(at: 32))
        high = Price(raw: block.int64(at: 40))
        low = Price(raw: block.int64(at: 48))
        close = Price(raw: block.int64(at: 56))
        vwap = Price(raw: block.int64(at: 64))
        trades = block.uint64(at: 72)
        excluded = Excluded(
            condition: block.uint32(at: 80), oddLot: block.uint32(at: 84),
            filter: block.uint32(at: 88), undefined: block.uint32(at: 92))
        volume = block.int128(at: 96)
        notional = block.int128(at: 112)
        generation = block.uint32(at: 128)
    }
}
