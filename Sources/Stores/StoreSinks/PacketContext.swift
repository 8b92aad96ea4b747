package import MarketModel
internal import PostgresClient
package import Primitives
public import TapeCodec

/// The data that the rows of one packet's records share: its header and its definitions, in the
/// form in which a COPY sends them. They are encoded once per packet and copied into each of its
/// rows.
///
/// It is used for one packet after another (`begin`), and allocates only while a packet needs more
/// memory than all packets before it.
public struct PacketContext {
    /// The header of the present packet.
    public private(set) var header: PacketHeader
    /// The store that gets the rows.
    package var store = Sink.owner
    /// When the tape took the packet, never before a packet that was read before it; undefined
    /// when it is not known. Set it after `begin`.
    package var tapeTime = Timestamp.undefined
    /// When the tape took the packet or its sender sent it, whichever is later, so that no one
    /// clock makes it known too early. A part of a microsecond counts as a whole one. Undefined
    /// when it is not known when the tape took it.
    var takenAt: Timestamp {
        guard tapeTime.isDefined else { return .undefined }
        let sent = header.sendTime
        return (sent.isDefined ? max(tapeTime, sent) : tapeTime).advanced(byNanoseconds: 999)
    }
    /// The group of each source that is a member of one, as a packet of bars states it: complete
    /// after `walk`. `nil` where the packet says nothing.
    package private(set) var groups: [SourceName: SourceName]?

    /// The encoded values to which all places below refer.
    var fields = CopyFields()
    /// The columns `source, partition, epoch`, which most tables have before the ordinal.
    private(set) var origin: CopyFields.Place
    /// The same columns of a narrow row.
    private(set) var narrowOrigin: CopyFields.Place
    /// The definition for a record without a symbol.
    private(set) var nobody: Definition
    /// The packet's symbols and series so far, by the index that the packet gives them.
    private var symbols = PacketTable<Definition>()
    private var names = PacketTable<Series>()

    /// A symbol's definition as encoded values.
    struct Definition: Sendable, BitwiseCopyable {
        /// `nil` for a record about no symbol, or about all symbols.
        var symbol: CopyFields.Place?
        var provider: CopyFields.Place
        /// For bars: the source of the ticks from which they were made. For a person's ticks: the
        /// source to which they belong. Otherwise an empty text.
        var source: CopyFields.Place
        /// As in `SymbolDefinition`.
        var since: Timestamp = .undefined
        /// The hashes of the symbol's and of the source's bytes, for `MergeKeys`.
        var hash: UInt64 = 0
        var sourceHash: UInt64 = 0
        /// Whether it is of a person's ticks (`manual`), and names their source.
        var isByHand = false
    }

    /// A series' definition, with its name as an encoded value.
    private struct Series: Sendable, BitwiseCopyable {
        var name: CopyFields.Place
        var widthNanoseconds: Int64
        /// `nil`: the definition does not say it.
        var latenessNanoseconds: Int64?
        var hash: UInt64
    }

    /// Begins with this packet.
    public init(_ header: PacketHeader) {
        self.header = header
        origin = fields.text("")
        narrowOrigin = origin
        nobody = Definition(symbol: nil, provider: origin, source: origin)
        begin(header)
    }

    /// Begins the next packet, of any source, and forgets the definitions of the last one.
    public mutating func begin(_ header: PacketHeader) {
        self.header = header
        tapeTime = .undefined
        groups = nil
        fields.removeAll()
        symbols.removeAll()
        names.removeAll()
        let empty = fields.text("")
        nobody = Definition(symbol: nil, provider: empty, source: empty)
        origin = fields.text(header.source)
        origin = origin + fields.int32(Int32(header.partition.number))
        origin = origin + fields.int64(Int64(bitPattern: header.epoch))
        narrowOrigin = fields.text(header.source)
        // `PacketReader` refuses higher ones. A row of another partition would be worse than none.
        precondition(header.partition.number < Partition.countRange.upperBound, "no partition")
        narrowOrigin = narrowOrigin + fields.int16(Int16(header.partition.number))
        narrowOrigin = narrowOrigin + fields.int64(Int64(bitPattern: header.epoch))
    }

    // MARK: what ticks refer to

    /// Returns a symbol's definition; `nil` when the packet has not defined it so far.
    @inline(__always)
    func definition(_ index: UInt32) -> Definition? { symbols[index] }

    /// Returns the definition for a record that may have no symbol; `nil` when it has one that the
    /// packet has not defined so far.
    func reference(_ index: UInt32) -> Definition? {
        index == TickHeader.noSymbol ? nobody : definition(index)
    }

    /// Returns a series' name; `nil` when the packet has not defined it so far.
    @inline(__always)
    func seriesName(_ index: UInt16) -> CopyFields.Place? {
        names[UInt32(index)]?.name
    }

    /// Returns the hash of a series' name; 0 when the packet has not defined it so far.
    func seriesHash(_ index: UInt16) -> UInt64 {
        names[UInt32(index)]?.hash ?? 0
    }

    /// Returns how long after its end a window of the series takes ticks; `nil` when it is not
    /// known.
    func latenessNanoseconds(_ index: UInt16) -> Int64? {
        names[UInt32(index)]?.latenessNanoseconds
    }

    /// Returns a symbol's definition as a value, which each call makes again; `nil` when the packet
    /// has not defined it so far.
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

    /// Notes a definition of the packet, or what it says of groups. An invalid one, and any other
    /// message, has no effect.
    @usableFromInline
    mutating func define(_ message: MessageBounds, in packet: RawSpan) {
        if let parts = message.symbolParts(in: packet) {
            guard let definition = encode(parts, packet) else { return }
            symbols[parts.index] = definition
        } else if let parts = message.seriesParts(in: packet) {
            guard let name = SeriesName(packet.extracting(parts.name).text) else { return }
            names[parts.index] = Series(
                name: fields.text(name.text), widthNanoseconds: parts.widthNanoseconds,
                latenessNanoseconds: parts.latenessNanoseconds,
                hash: Checksum.of(packet.extracting(parts.name)))
        } else if message.template == WireFormat.Template.outputState {
            groups = groups ?? [:]
        } else if let member = message.groupMember(in: packet) {
            groups?[member.source] = member.group
        }
    }

    /// Encodes a symbol's definition. Returns `nil` where `TapeCodec` finds no valid one either.
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
            hash: fields.withText(symbol) { Checksum.of($0) },
            sourceHash: fields.withText(source) { Checksum.of($0) },
            isByHand: header.source == .manual && !parts.source.isEmpty)
    }

    /// Encodes a text; `nil` when it is too long or `isWell` is false. Nearly all texts are
    /// printable ASCII and are copied unchanged, without the check. Others go through a `String`,
    /// which repairs malformed UTF-8.
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
    /// Encodes a name from its three words of eight bytes: its text would need a `String` per
    /// packet.
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
    /// Calls `visit` with each record of the packet that `begin` has begun, and with its ordinal.
    /// Records that are neither trade, quote nor bar come as `.other`. Definitions are noted on the
    /// way. It ends at the first damage.
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
