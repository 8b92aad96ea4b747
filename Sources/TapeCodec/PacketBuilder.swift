public import MarketModel
public import Primitives

/// Collects ticks of one subject until the packet may leave.
///
/// A value that one thread owns. Its buffer is reserved once and reused: appending a tick copies
/// it and allocates nothing.
public struct PacketBuilder: Sendable {
    public let kind: PacketKind
    public let partition: Partition
    public let source: SourceName

    /// Ticks in the packet so far.
    public private(set) var tickCount = 0
    /// The earliest event time of the ticks in the packet; undefined when there are none.
    public private(set) var oldestEventTime = Timestamp.undefined

    var bytes: [UInt8] = []
    var used = WireFormat.HeaderOffset.end
    private var symbols: [SymbolDefinition] = []
    private var series: [SeriesDefinition] = []
    /// Beside each symbol and series: where the packet at hand defines it. Kept apart from the
    /// texts, so that the hot path touches plain words only.
    private var defined: [Defined] = []
    private var definedSeries: [Defined] = []
    /// Raised with every packet: a definition is in the packet if it carries the present number.
    private var packetNumber: UInt64 = 1
    private var definitions = 0

    /// In which packet something was last defined, and as what.
    private struct Defined: BitwiseCopyable {
        var packetNumber: UInt64 = 0
        var indexInPacket: UInt32 = 0
    }

    public init(kind: PacketKind, partition: Partition, source: SourceName) {
        self.kind = kind
        self.partition = partition
        self.source = source
        bytes = Self.emptyBuffer()
    }

    static func emptyBuffer() -> [UInt8] {
        [UInt8](repeating: 0, count: PacketLimits.growthBytesMax + PacketLimits.tickBytesMax)
    }

    public var byteCount: Int { used }

    /// True when the next tick has to wait for the next packet.
    public var isFull: Bool {
        tickCount >= PacketLimits.ticksMax || used >= PacketLimits.growthBytesMax
            || definitions >= PacketLimits.definitionsMax
    }

    // MARK: what ticks refer to

    /// Makes a symbol known; ticks are appended with the number that comes back.
    public mutating func register(_ definition: SymbolDefinition) -> UInt32 {
        precondition(definition.provider.utf8.count <= SymbolDefinition.providerBytesMax)
        symbols.append(definition)
        defined.append(Defined())
        return UInt32(symbols.count - 1)
    }

    public mutating func register(_ definition: SeriesDefinition) -> UInt16 {
        precondition(series.count < Int(UInt16.max), "too many series")
        series.append(definition)
        definedSeries.append(Defined())
        return UInt16(series.count - 1)
    }

    // MARK: ticks

    /// False: the packet is full and the tick is not in it.
    public mutating func append(_ trade: Trade) -> Bool {
        guard !isFull else { return false }
        let index = defineSymbol(Int(trade.header.symbol))
        let body = used + WireFormat.messageHeaderBytes
        let head = WireFormat.messageHeader(
            WireFormat.Template.trade, block: WireFormat.Block.trade)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            let end = body + WireFormat.Block.trade
            precondition(end <= buffer.count, "a trade does not fit into the packet's buffer")
            unsafe buffer.put(head, at: body - WireFormat.messageHeaderBytes)
            unsafe buffer.put(trade.header, index: index, at: body)
            unsafe buffer.put(trade.price.raw, at: body + 32)
            unsafe buffer.put(trade.size.raw, at: body + 40)
            unsafe buffer.put(trade.exchange.raw, at: body + 48)
            unsafe buffer.put(trade.conditions.raw, at: body + 56)
        }
        used = body + WireFormat.Block.trade
        counted(trade.header.eventTime)
        return true
    }

    public mutating func append(_ quote: Quote) -> Bool {
        guard !isFull else { return false }
        let index = defineSymbol(Int(quote.header.symbol))
        let body = used + WireFormat.messageHeaderBytes
        let head = WireFormat.messageHeader(
            WireFormat.Template.quote, block: WireFormat.Block.quote)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            let end = body + WireFormat.Block.quote
            precondition(end <= buffer.count, "a quote does not fit into the packet's buffer")
            unsafe buffer.put(head, at: body - WireFormat.messageHeaderBytes)
            unsafe buffer.put(quote.header, index: index, at: body)
            unsafe buffer.put(quote.bidPrice.raw, at: body + 32)
            unsafe buffer.put(quote.bidSize.raw, at: body + 40)
            unsafe buffer.put(quote.askPrice.raw, at: body + 48)
            unsafe buffer.put(quote.askSize.raw, at: body + 56)
            unsafe buffer.put(quote.bidExchange.raw, at: body + 64)
            unsafe buffer.put(quote.askExchange.raw, at: body + 72)
        }
        used = body + WireFormat.Block.quote
        counted(quote.header.eventTime)
        return true
    }

    public mutating func append(_ bar: Bar) -> Bool {
        guard !isFull else { return false }
        var indexed = bar
        indexed.symbol = defineSymbol(Int(bar.symbol))
        indexed.series = defineSeries(Int(bar.series))
        let body = begin(WireFormat.Template.bar, block: WireFormat.Block.bar)
        unsafe bytes.withUnsafeMutableBytes { unsafe $0.put(indexed, at: body) }
        counted(bar.openTime)
        return true
    }

    private mutating func counted(_ eventTime: Timestamp) {
        tickCount += 1
        oldestEventTime = min(oldestEventTime, eventTime)
    }

    // MARK: parts

    /// Writes a message's header and makes room for its block; answers where the block begins.
    mutating func begin(_ template: UInt16, block: Int) -> Int {
        let start = used
        precondition(
            start + WireFormat.messageHeaderBytes + block <= bytes.count,
            "a message does not fit into the packet's buffer")
        unsafe bytes.withUnsafeMutableBytes {
            unsafe $0.put(WireFormat.messageHeader(template, block: block), at: start)
        }
        used = start + WireFormat.messageHeaderBytes + block
        return start + WireFormat.messageHeaderBytes
    }

    @inline(__always)
    private mutating func defineSymbol(_ registered: Int) -> UInt32 {
        if defined[registered].packetNumber == packetNumber {
            return defined[registered].indexInPacket
        }
        return define(registered)
    }

    private mutating func define(_ registered: Int) -> UInt32 {
        let index = UInt32(definitions)
        definitions += 1
        defined[registered] = Defined(packetNumber: packetNumber, indexInPacket: index)
        let definition = symbols[registered]
        let body = begin(
            WireFormat.Template.symbolDefinition, block: WireFormat.Block.symbolDefinition)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(UInt64(index), at: body)
            unsafe buffer.put(definition.since.nanoseconds, at: body + 8)
        }
        putVariable(definition.symbol.text)
        putVariable(definition.provider)
        putVariable(definition.source?.text ?? "")
        return index
    }

    private mutating func defineSeries(_ registered: Int) -> UInt16 {
        if definedSeries[registered].packetNumber == packetNumber {
            return UInt16(definedSeries[registered].indexInPacket)
        }
        let index = UInt32(definitions)
        definitions += 1
        definedSeries[registered] = Defined(packetNumber: packetNumber, indexInPacket: index)
        let definition = series[registered]
        let body = begin(
            WireFormat.Template.seriesDefinition, block: WireFormat.Block.seriesDefinition)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe buffer.put(UInt64(index), at: body)
            unsafe buffer.put(definition.widthNanoseconds, at: body + 8)
        }
        putVariable(definition.name.text)
        return UInt16(index)
    }

    private mutating func putVariable(_ text: String) {
        let count = text.utf8.count
        precondition(used + WireFormat.lengthBytes + count <= bytes.count)
        let start = used
        unsafe bytes.withUnsafeMutableBytes { unsafe $0.put(UInt32(count), at: start) }
        var offset = start + WireFormat.lengthBytes
        for byte in text.utf8 {
            bytes[offset] = byte
            offset += 1
        }
        used = offset
    }

    /// Empties the builder for the next packet; `buffer` is one that a finished packet gave back.
    mutating func reset(with buffer: [UInt8]?) {
        if let buffer { bytes = buffer }
        used = WireFormat.HeaderOffset.end
        tickCount = 0
        definitions = 0
        oldestEventTime = .undefined
        packetNumber += 1
    }
}
