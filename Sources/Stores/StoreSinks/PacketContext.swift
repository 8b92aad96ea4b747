internal import MarketModel
internal import PostgresClient
internal import Primitives
public import TapeCodec

/// The data that the rows of a packet's ticks share: its header and its definitions, in the form in
/// which a COPY sends them. They are encoded once per packet and copied into each of its rows.
///
/// When it is used for one packet after another (`begin`) it allocates nothing.
public struct PacketContext {
    public private(set) var header: PacketHeader

    /// The texts of the packet's definitions.
    var fields = CopyFields()
    /// `source, partition, epoch`, with which all tick tables end, except for the ordinal.
    private(set) var origin: CopyFields.Place
    /// The definition for a tick without a symbol.
    private(set) var nobody: Definition
    /// The packet's symbols and series, by index.
    private var symbols = PacketTable<Definition>()
    private var names = PacketTable<Series>()

    /// A symbol as columns.
    struct Definition: Sendable, BitwiseCopyable {
        /// `nil`: no symbol, or all symbols.
        var symbol: CopyFields.Place?
        var provider: CopyFields.Place
        /// For bars: the source of the ticks.
        var source: CopyFields.Place
        var since: Timestamp = .undefined
        /// The hash of the symbol's bytes.
        var hash: UInt64 = 0
    }

    private struct Series: Sendable, BitwiseCopyable {
        var name: CopyFields.Place
        var widthNanoseconds: Int64
        var hash: UInt64
    }

    public init(_ header: PacketHeader) {
        self.header = header
        origin = fields.text("")
        nobody = Definition(symbol: nil, provider: origin, source: origin)
        begin(header)
    }

    /// Begins the next packet, of any source.
    public mutating func begin(_ header: PacketHeader) {
        self.header = header
        fields.removeAll()
        symbols.removeAll()
        names.removeAll()
        let empty = fields.text("")
        nobody = Definition(symbol: nil, provider: empty, source: empty)
        origin = fields.text(header.source)
        origin = origin + fields.int32(Int32(header.partition.number))
        origin = origin + fields.int64(Int64(bitPattern: header.epoch))
    }

    // MARK: what ticks refer to

    /// Returns a symbol's definition; `nil` when the packet does not define it.
    @inline(__always)
    func definition(_ index: UInt32) -> Definition? { symbols[index] }

    /// Returns the definition for a tick that may have no symbol; `nil` when it has one that the
    /// packet does not define.
    func reference(_ index: UInt32) -> Definition? {
        index == TickHeader.noSymbol ? nobody : definition(index)
    }

    @inline(__always)
    func seriesName(_ index: UInt16) -> CopyFields.Place? {
        names[UInt32(index)]?.name
    }

    func seriesHash(_ index: UInt16) -> UInt64 {
        names[UInt32(index)]?.hash ?? 0
    }

    /// Returns the definition as a value, which is made again at each call; `nil` when it is not
    /// defined.
    public func symbol(_ index: UInt32) -> SymbolDefinition? {
        guard let known = definition(index), let place = known.symbol,
            let symbol = Symbol(fields.string(place))
        else { return nil }
        return SymbolDefinition(
            symbol: symbol, provider: fields.string(known.provider), since: known.since,
            source: SourceName(fields.string(known.source)))
    }

    /// Returns a series' definition as a value; `nil` when it is not defined.
    public func series(_ index: UInt16) -> SeriesDefinition? {
        guard let known = names[UInt32(index)],
            let name = SeriesName(fields.string(known.name))
        else { return nil }
        return SeriesDefinition(name: name, widthNanoseconds: known.widthNanoseconds)
    }

    // MARK: definitions

    /// Notes a definition of the packet; other messages have no effect.
    @usableFromInline
    mutating func define(_ message: MessageBounds, in packet: RawSpan) {
        if let parts = message.symbolParts(in: packet) {
            guard let definition = encode(parts, packet) else { return }
            symbols[parts.index] = definition
        } else if let parts = message.seriesParts(in: packet) {
            guard let name = SeriesName(packet.extracting(parts.name).text) else { return }
            names[parts.index] = Series(
                name: fields.text(name.text), widthNanoseconds: parts.widthNanoseconds,
                hash: Checksum.of(packet.extracting(parts.name)))
        }
    }

    /// Returns `nil` where the codec also finds no symbol.
    private mutating func encode(_ parts: SymbolParts, _ packet: RawSpan) -> Definition? {
        guard !parts.symbol.isEmpty,
            let symbol = encode(
                parts.symbol, packet, bytesMax: Symbol.utf8CountMax, { Symbol($0) != nil }),
            let provider = encode(
                parts.provider, packet, bytesMax: SymbolDefinition.providerBytesMax,
                { $0.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f } })
        else { return nil }
        var source = nobody.source
        if !parts.source.isEmpty {
            guard let name = SourceName(packet.extracting(parts.source).text) else { return nil }
            source = fields.text(name)
        }
        return Definition(
            symbol: symbol, provider: provider, source: source, since: parts.since,
            hash: fields.withText(symbol) { Checksum.of($0) })
    }

    /// Encodes a text. Nearly all texts are printable ASCII and are copied unchanged. Others go
    /// through a `String`, which repairs malformed UTF-8.
    private mutating func encode(
        _ part: Range<Int>, _ packet: RawSpan, bytesMax: Int, _ isWell: (String) -> Bool
    ) -> CopyFields.Place? {
        let bytes = packet.extracting(part)
        if bytes.byteCount <= bytesMax, bytes.isPrintableASCII { return fields.text(bytes) }
        let text = bytes.text
        guard text.utf8.count <= bytesMax, isWell(text) else { return nil }
        return fields.text(text)
    }
}

extension CopyFields {
    /// Encodes a name from its words: its text would need a `String` per packet.
    mutating func text(_ name: SourceName) -> Place {
        var bytes = InlineArray<3, UInt64>(repeating: 0)
        bytes[0] = name.words.first.littleEndian
        bytes[1] = name.words.second.littleEndian
        bytes[2] = name.words.third.littleEndian
        // Safety: words are bytes, without gaps between them.
        let all = unsafe bytes.span.bytes
        var count = all.byteCount
        while count > 0, all.uint8(at: count - 1) == 0 { count -= 1 }
        return text(all.extracting(0..<count))
    }

    fileprivate func string(_ place: Place) -> String { withText(place) { $0.text } }
}

extension RawSpan {
    fileprivate var isPrintableASCII: Bool {
        for offset in 0..<byteCount where !(0x20...0x7e).contains(uint8(at: offset)) {
            return false
        }
        return true
    }
}

extension PacketContext {
    /// Calls `visit` with each tick of a packet and its ordinal. Ticks that are neither trade,
    /// quote nor bar come as `.other`.
    ///
    /// It is inlined into its callers, because every row of the writer goes through it.
    @inlinable
    public mutating func walk<Failure: Error>(
        _ packet: RawSpan,
        _ visit: (borrowing PacketContext, Record, _ ordinal: UInt64) throws(Failure) -> Void
    ) throws(Failure) {
        var ordinal = header.firstOrdinal
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade, .quote, .bar:
                try visit(self, record, ordinal)
                ordinal &+= 1
            case .other(let message):
                if WireFormat.Template.isTick(message.template) {
                    try visit(self, record, ordinal)
                    ordinal &+= 1
                } else {
                    define(message, in: packet)
                }
            case .malformed: return
            }
        }
    }
}
