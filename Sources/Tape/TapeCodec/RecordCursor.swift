public import MarketModel
public import Primitives

/// One message of a packet.
@frozen
public enum Record {
    case trade(Trade)
    case quote(Quote)
    case bar(Bar)
    /// Any other message: a record of another kind, a definition, a marker, an output state, or one
    /// of a template that this version does not know. The readers of `MessageBounds` read it.
    case other(MessageBounds)
    /// Here the packet cannot be read further.
    case malformed(PacketError)
}

/// The template of a message and its place in the packet. All offsets are counted from the start of
/// the packet.
@frozen
public struct MessageBounds: Sendable, BitwiseCopyable {
    public let template: UInt16
    /// The offset of the block, which follows the message header.
    public let body: Int
    /// The length of the block on the wire, which may be longer than this version knows.
    public let blockLength: Int
    /// The offset after the message, including its variable fields.
    public let end: Int

    @inlinable @inline(__always)
    init(template: UInt16, body: Int, blockLength: Int, end: Int) {
        self.template = template
        self.body = body
        self.blockLength = blockLength
        self.end = end
    }

    /// The offset of the message's header.
    public var start: Int { body - WireFormat.messageHeaderBytes }
}

/// Walks over the messages of a packet whose header `PacketReader` has checked. The operators, the
/// writer and the hot state use it per tick; other readers use `PacketWalk`.
///
/// It is inlinable because it is the hot loop. A trade, quote or bar as this version writes them is
/// recognised by its header, which is one word. Its length is then a constant, so the processor
/// need not wait for one record's length to find the next one. Everything else goes through
/// `message`.
@frozen
public struct RecordCursor {
    /// The offset of the next message; `Int.max` after damage.
    @usableFromInline var offset: Int
    /// The number of ticks read so far, including those of unknown templates: each has an ordinal.
    public var tickCount: UInt32 = 0

    @inlinable
    public init() { offset = WireFormat.HeaderOffset.end }

    /// The offset of the next message. After damage it has no meaning.
    @inlinable @inline(__always)
    public var place: Int { offset }

    /// Whether there is a message after the last one.
    @inlinable @inline(__always)
    public func hasMore(in packet: RawSpan) -> Bool { offset < packet.byteCount }

    /// Reads a trade again, of which `next` has returned that it is at this place.
    public static func trade(at place: Int, in packet: RawSpan) -> Trade {
        let body = place + WireFormat.messageHeaderBytes
        return Trade(packet.extracting(body..<body + WireFormat.Block.trade))
    }

    /// Steps over the next message, which is this definition.
    @inlinable @inline(__always)
    public mutating func skip(_ definition: DefinitionBounds) { offset = definition.end }

    /// Returns the next message if it is a trade as this version writes it; otherwise `nil`, and
    /// stays before the message.
    @inlinable @inline(__always)
    public mutating func nextTrade(in packet: RawSpan) -> Trade? {
        let start = offset
        guard packet.byteCount &- start >= WireFormat.TickBytes.trade,
            packet.uint64(at: start) == WireFormat.Head.trade
        else { return nil }
        offset = start &+ WireFormat.TickBytes.trade
        tickCount &+= 1
        return Trade(packet.extracting(start &+ 8..<offset))
    }

    /// Does the same of a quote.
    @inlinable @inline(__always)
    public mutating func nextQuote(in packet: RawSpan) -> Quote? {
        let start = offset
        guard packet.byteCount &- start >= WireFormat.TickBytes.quote,
            packet.uint64(at: start) == WireFormat.Head.quote
        else { return nil }
        offset = start &+ WireFormat.TickBytes.quote
        tickCount &+= 1
        return Quote(packet.extracting(start &+ 8..<offset))
    }

    /// Returns the next message, or `nil` after the last one. After `malformed` the packet ends.
    @inlinable @inline(__always)
    public mutating func next(in packet: RawSpan) -> Record? {
        let start = offset
        let remaining = packet.byteCount &- start
        if remaining >= WireFormat.TickBytes.trade {
            let head = packet.uint64(at: start)
            if head == WireFormat.Head.trade {
                offset = start &+ WireFormat.TickBytes.trade
                tickCount &+= 1
                return .trade(Trade(packet.extracting(start &+ 8..<offset)))
            }
            if head == WireFormat.Head.quote, remaining >= WireFormat.TickBytes.quote {
                offset = start &+ WireFormat.TickBytes.quote
                tickCount &+= 1
                return .quote(Quote(packet.extracting(start &+ 8..<offset)))
            }
            if head == WireFormat.Head.bar, remaining >= WireFormat.TickBytes.bar {
                offset = start &+ WireFormat.TickBytes.bar
                tickCount &+= 1
                return .bar(Bar(packet.extracting(start &+ 8..<offset)))
            }
        }
        guard remaining > 0 else { return nil }
        // `message` is static and returns a value: a mutating function would take the cursor's
        // address, which would keep the cursor in memory and not in registers.
        let message = Self.message(from: start, in: packet)
        guard message.end > start else {
            // After a message whose length is unknown, nothing has a meaning.
            offset = Int.max
            return .malformed(Self.error(from: start, in: packet))
        }
        offset = message.end
        tickCount &+= WireFormat.Template.isTick(message.template) ? 1 : 0
        switch message.template {
        case WireFormat.Template.trade:
            let end = message.body &+ WireFormat.Block.trade
            return .trade(Trade(packet.extracting(message.body..<end)))
        case WireFormat.Template.quote:
            let end = message.body &+ WireFormat.Block.quote
            return .quote(Quote(packet.extracting(message.body..<end)))
        case WireFormat.Template.bar:
            let end = message.body &+ WireFormat.Block.bar
            return .bar(Bar(packet.extracting(message.body..<end)))
        default: return .other(message)
        }
    }

    /// Reads any message: other versions, longer blocks, variable fields. The result is four words,
    /// which are returned in registers; its end is 0 when the message is damaged.
    @usableFromInline @inline(never)
    static func message(from start: Int, in packet: RawSpan) -> MessageBounds {
        do throws(PacketError) {
            return try measured(from: start, in: packet)
        } catch {
            // The error is large and rare, so it is not returned here: a caller that needs it calls
            // `error`.
            return MessageBounds(template: 0, body: 0, blockLength: 0, end: 0)
        }
    }

    /// Returns why `message` found damage.
    @usableFromInline @inline(never)
    static func error(from start: Int, in packet: RawSpan) -> PacketError {
        do throws(PacketError) {
            _ = try measured(from: start, in: packet)
        } catch {
            return error
        }
        return PacketError(.truncated, offset: start, expected: 0, found: 0)
    }

    /// Returns the message at this offset, whose lengths are checked against the packet.
    @inline(__always)
    private static func measured(
        from start: Int, in packet: RawSpan
    ) throws(PacketError) -> MessageBounds {
        let remaining = packet.byteCount - start
        guard remaining >= WireFormat.messageHeaderBytes else {
            throw truncated(at: start, WireFormat.messageHeaderBytes, remaining)
        }
        let block = Int(packet.uint16(at: start))
        let template = packet.uint16(at: start + 2)
        let body = start + WireFormat.messageHeaderBytes
        guard remaining - WireFormat.messageHeaderBytes >= block else {
            throw truncated(at: start, block, remaining)
        }
        let schema = packet.uint16(at: start + 4)
        guard schema == WireFormat.schemaID else {
            throw PacketError(
                .foreignSchema, offset: start, expected: UInt64(WireFormat.schemaID),
                found: UInt64(schema))
        }
        guard block >= WireFormat.Block.known(template) else {
            throw truncated(at: start, WireFormat.Block.known(template), block)
        }
        var end = body + block
        for _ in 0..<WireFormat.Template.variableFields(template) {
            let remaining = packet.byteCount - end
            guard remaining >= WireFormat.lengthBytes else {
                throw truncated(at: end, WireFormat.lengthBytes, remaining)
            }
            let length = Int(packet.uint32(at: end))
            guard remaining - WireFormat.lengthBytes >= length else {
                throw truncated(at: end, length, remaining)
            }
            end += WireFormat.lengthBytes + length
        }
        return MessageBounds(template: template, body: body, blockLength: block, end: end)
    }

    private static func truncated(at offset: Int, _ expected: Int, _ found: Int) -> PacketError {
        PacketError(.truncated, offset: offset, expected: UInt64(expected), found: UInt64(found))
    }
}

// The records from their blocks. `TickLayout.swift` writes the same offsets.

extension TickHeader {
    @inlinable @inline(__always)
    init(_ block: RawSpan) {
        let offset = WireFormat.TickField.self
        self.init(
            symbol: block.uint32(at: offset.symbol),
            flags: TickFlags(rawValue: block.uint16(at: offset.flags)),
            action: block.uint8(at: offset.action),
            resolution: block.uint8(at: offset.resolution),
            providerTime: Timestamp(nanoseconds: block.int64(at: offset.providerTime)),
            receiveTime: Timestamp(nanoseconds: block.int64(at: offset.receiveTime)),
            providerID: block.uint64(at: offset.providerID))
    }
}

extension Trade {
    @inlinable @inline(__always)
    init(_ block: RawSpan) {
        let offset = WireFormat.TradeField.self
        self.init(
            header: TickHeader(block),
            price: Price(raw: block.int64(at: offset.price)),
            size: Quantity(raw: block.int64(at: offset.size)),
            exchange: ShortText(raw: block.uint64(at: offset.exchange)),
            conditions: ShortText(raw: block.uint64(at: offset.conditions)))
    }
}

extension Quote {
    @inlinable @inline(__always)
    init(_ block: RawSpan) {
        let offset = WireFormat.QuoteField.self
        self.init(
            header: TickHeader(block),
            bidPrice: Price(raw: block.int64(at: offset.bidPrice)),
            bidSize: Quantity(raw: block.int64(at: offset.bidSize)),
            askPrice: Price(raw: block.int64(at: offset.askPrice)),
            askSize: Quantity(raw: block.int64(at: offset.askSize)),
            bidExchange: ShortText(raw: block.uint64(at: offset.bidExchange)),
            askExchange: ShortText(raw: block.uint64(at: offset.askExchange)))
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
