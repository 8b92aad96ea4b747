public import MarketModel
public import Primitives

/// Collects the ticks of one subject until they are sealed as a packet. `TapePublisher` has one for
/// each lane. As everywhere in this module, a *tick* is what the glossary calls a record: gaps and
/// bars are ticks, too.
///
/// A symbol or a series has two numbers. `register` returns its number in the builder, with which
/// ticks are appended. Each packet gives it an index, which the ticks on the wire carry.
///
/// A value that one thread owns. Its buffer is reserved once and reused: appending a trade, a quote
/// or a bar copies it and allocates nothing.
public struct PacketBuilder: Sendable {
    /// The fields of the header that are the same in every packet of the subject.
    public let kind: PacketKind
    public let partition: Partition
    public let source: SourceName
    /// How far a packet grows.
    public let growth: PacketGrowth
    /// How far the present packet grows.
    @usableFromInline var present: PacketGrowth

    /// The number of ticks in the packet so far.
    @inlinable public var tickCount: Int { ticks }
    /// The earliest event time of the ticks in the packet; undefined when there are none. A bar
    /// counts with its open time, a tick with variable fields with its receive time. No watermark
    /// on another subject may pass this time before the packet is on the tape.
    @inlinable public var oldestEventTime: Timestamp { oldest }

    @usableFromInline var ticks = 0
    @usableFromInline var oldest = Timestamp.undefined
    /// The buffer. Its first bytes are left for the header, which `seal` writes.
    @usableFromInline var bytes: [UInt8] = []
    /// The number of bytes of the packet so far, including those for the header.
    @usableFromInline var used = WireFormat.HeaderOffset.end
    /// The definitions of all registered symbols and series, by their numbers: encoded messages
    /// that lack only their index.
    private var symbols: [[UInt8]] = []
    private var series: [[UInt8]] = []
    /// The packet and the index that define each symbol and series. They are kept apart from the
    /// messages, so that the hot path touches plain words only.
    @usableFromInline var defined: [Defined] = []
    private var definedSeries: [Defined] = []
    /// The number of the present packet, which is not on the wire. A symbol or series is defined in
    /// the packet when its `Defined` has this number.
    @usableFromInline var packetNumber: UInt64 = 1
    /// The number of definitions in the packet so far, and the index of the next one.
    @usableFromInline var definitions = 0

    /// The packet that last defined a symbol or series, and the index there; 0: no packet has.
    @usableFromInline
    struct Defined: Sendable, BitwiseCopyable {
        @usableFromInline var packetNumber: UInt64 = 0
        @usableFromInline var indexInPacket: UInt32 = 0
    }

    public init(
        kind: PacketKind, partition: Partition, source: SourceName, growth: PacketGrowth = .usual
    ) {
        self.kind = kind
        self.partition = partition
        self.source = source
        self.growth = growth
        present = growth
        bytes = Self.emptyBuffer()
    }

    /// The size of a new buffer. A packet below `growthBytesMax` takes one more tick, so that tick
    /// has room, too.
    private static let bufferBytes = PacketLimits.growthBytesMax + PacketLimits.tickBytesMax

    static func emptyBuffer() -> [UInt8] { [UInt8](repeating: 0, count: bufferBytes) }

    /// The size of the packet so far, including its header.
    public var byteCount: Int { used }

    /// True when the next tick has to wait for the next packet, because a limit is reached.
    @inlinable
    public var isFull: Bool {
        ticks >= present.ticksMax || used >= present.bytesMax
            || definitions > PacketLimits.definitionsMax - PacketLimits.definitionsOfTickMax
    }

    /// Lets the present packet, which may not leave yet, grow further. Returns false when it does
    /// already, or is full all the same. A long record may find no room though it returns true.
    public mutating func hold() -> Bool {
        guard present == growth, growth.held != growth else { return false }
        present = growth.held
        return !isFull
    }

    // MARK: what ticks refer to

    /// Registers a symbol and returns the number with which its ticks are appended, in this packet
    /// and all later ones.
    public mutating func register(_ definition: SymbolDefinition) -> UInt32 {
        precondition(definition.provider.utf8.count <= SymbolDefinition.providerBytesMax)
        symbols.append(Self.message(of: definition))
        defined.append(Defined())
        return UInt32(symbols.count - 1)
    }

    /// Changes what the symbol's number means, from its next tick on. Ticks that are in the packet
    /// already keep their meaning: the packet then has two definitions of the symbol.
    public mutating func redefine(_ registered: UInt32, as definition: SymbolDefinition) {
        precondition(definition.provider.utf8.count <= SymbolDefinition.providerBytesMax)
        symbols[Int(registered)] = Self.message(of: definition)
        defined[Int(registered)] = Defined()
    }

    /// Registers a series and returns the number with which its bars are appended.
    public mutating func register(_ definition: SeriesDefinition) -> UInt16 {
        precondition(series.count < Int(UInt16.max), "too many series")
        series.append(Self.message(of: definition))
        definedSeries.append(Defined())
        return UInt16(series.count - 1)
    }

    // MARK: ticks

    /// Appends a trade. Returns false when the packet is full; then the trade is not in it, and has
    /// to be appended again after `seal`.
    @inlinable @inline(__always)
    public mutating func append(_ trade: Trade) -> Bool {
        guard !isFull else { return false }
        makeRoom()
        let index = defineSymbol(trade.header.symbol)
        let start = used
        unsafe bytes.withUnsafeMutableBytes { buffer in
            let end = start + WireFormat.TickBytes.trade
            precondition(end <= buffer.count, "a trade does not fit into the packet's buffer")
            let body = start + WireFormat.messageHeaderBytes
            unsafe buffer.put(WireFormat.Head.trade, at: start)
            unsafe buffer.put(trade.header, index: index, at: body)
            unsafe buffer.put(trade.price.raw, at: body + 32)
            unsafe buffer.put(trade.size.raw, at: body + 40)
            unsafe buffer.put(trade.exchange.raw, at: body + 48)
            unsafe buffer.put(trade.conditions.raw, at: body + 56)
        }
        used = start + WireFormat.TickBytes.trade
        counted(trade.header.eventTime)
        return true
    }

    /// Appends a quote. Returns false as for a trade.
    @inlinable @inline(__always)
    public mutating func append(_ quote: Quote) -> Bool {
        guard !isFull else { return false }
        makeRoom()
        let index = defineSymbol(quote.header.symbol)
        let start = used
        unsafe bytes.withUnsafeMutableBytes { buffer in
            let end = start + WireFormat.TickBytes.quote
            precondition(end <= buffer.count, "a quote does not fit into the packet's buffer")
            let body = start + WireFormat.messageHeaderBytes
            unsafe buffer.put(WireFormat.Head.quote, at: start)
            unsafe buffer.put(quote.header, index: index, at: body)
            unsafe buffer.put(quote.bidPrice.raw, at: body + 32)
            unsafe buffer.put(quote.bidSize.raw, at: body + 40)
            unsafe buffer.put(quote.askPrice.raw, at: body + 48)
            unsafe buffer.put(quote.askSize.raw, at: body + 56)
            unsafe buffer.put(quote.bidExchange.raw, at: body + 64)
            unsafe buffer.put(quote.askExchange.raw, at: body + 72)
        }
        used = start + WireFormat.TickBytes.quote
        counted(quote.header.eventTime)
        return true
    }

    /// Appends a bar. Returns false as for a trade.
    public mutating func append(_ bar: Bar) -> Bool {
        guard !isFull else { return false }
        makeRoom()
        var indexed = bar
        indexed.symbol = defineSymbol(bar.symbol)
        indexed.series = defineSeries(bar.series)
        let body = begin(WireFormat.Template.bar, block: WireFormat.Block.bar)
        unsafe bytes.withUnsafeMutableBytes { unsafe $0.put(indexed, at: body) }
        counted(bar.openTime)
        return true
    }

    /// Counts a tick that was appended.
    @inlinable @inline(__always)
    mutating func counted(_ eventTime: Timestamp) {
        ticks += 1
        oldest = min(oldest, eventTime)
    }

    // MARK: parts

    /// Makes sure that the buffer has room for a trade, a quote or a bar. A buffer that a packet
    /// has filled is made larger, so that only the lanes that need it have large ones.
    @inlinable @inline(__always)
    mutating func makeRoom() {
        if bytes.count - used < PacketLimits.tickBytesMax {
            enlarge(toHold: used + PacketLimits.tickBytesMax)
        }
    }

    /// Makes the buffer at least this large, and at least twice as large as it was, but never
    /// larger than a packet can grow.
    @usableFromInline @inline(never)
    mutating func enlarge(toHold needed: Int) {
        let largest = max(bytes.count, present.bytesMax + PacketLimits.tickBytesMax)
        let wanted = min(largest, max(needed, 2 * bytes.count))
        bytes.append(contentsOf: repeatElement(0, count: wanted - bytes.count))
    }

    /// Writes a message's header and reserves its block, which the caller fills. Returns the offset
    /// of the block.
    mutating func begin(
        _ template: UInt16, block: Int, version: UInt16 = WireFormat.version
    ) -> Int {
        let start = used
        precondition(
            start + WireFormat.messageHeaderBytes + block <= bytes.count,
            "a message does not fit into the packet's buffer")
        unsafe bytes.withUnsafeMutableBytes {
            unsafe $0.put(
                WireFormat.messageHeader(template, block: block, version: version), at: start)
        }
        used = start + WireFormat.messageHeaderBytes + block
        return start + WireFormat.messageHeaderBytes
    }

    /// Returns the index of a registered symbol in this packet. The packet defines the symbol at
    /// its first tick.
    @inlinable @inline(__always)
    mutating func defineSymbol(_ registered: UInt32) -> UInt32 {
        let known = defined[Int(registered)]
        if known.packetNumber == packetNumber { return known.indexInPacket }
        return define(Int(registered))
    }

    /// Puts the symbol's definition into the packet. It is not inlined, because it runs once per
    /// symbol and packet.
    @usableFromInline @inline(never)
    mutating func define(_ registered: Int) -> UInt32 {
        let index = putDefinition(symbols[registered])
        defined[registered] = Defined(packetNumber: packetNumber, indexInPacket: index)
        return index
    }

    /// Returns the index of a registered series in this packet, as `defineSymbol` does.
    mutating func defineSeries(_ registered: UInt16) -> UInt16 {
        let number = Int(registered)
        if definedSeries[number].packetNumber == packetNumber {
            return UInt16(definedSeries[number].indexInPacket)
        }
        let index = putDefinition(series[number])
        definedSeries[number] = Defined(packetNumber: packetNumber, indexInPacket: index)
        return UInt16(index)
    }

    /// Copies an encoded definition into the packet and writes its index, which it returns.
    private mutating func putDefinition(_ message: [UInt8]) -> UInt32 {
        let index = UInt32(definitions)
        let start = used
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(message, at: start)
            unsafe buffer.put(UInt64(index), at: start + WireFormat.messageHeaderBytes)
        }
        definitions += 1
        used = start + message.count
        return index
    }

    /// Empties the builder for the next packet. `buffer` is that of an earlier packet, to be
    /// reused; `nil` when there is none. The buffer of a packet that came from the spool has only
    /// the packet's size, so it is not used.
    mutating func reset(with buffer: consuming [UInt8]?) {
        let recycled = buffer.take()
        bytes = recycled.flatMap { $0.count >= Self.bufferBytes ? $0 : nil } ?? Self.emptyBuffer()
        used = WireFormat.HeaderOffset.end
        present = growth
        ticks = 0
        definitions = 0
        oldest = .undefined
        packetNumber += 1
    }
}
