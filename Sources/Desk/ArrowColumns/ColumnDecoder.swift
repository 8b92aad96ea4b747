internal import MarketModel
package import Primitives
package import TapeCodec

/// Where a packet was found.
package struct PacketOrigin: Sendable {
    /// The sequence of its message, or its number in the recording; 0: unknown.
    package var sequence: UInt64
    /// When the stream took it; undefined: unknown.
    package var knownAt: Timestamp
    /// The offset of its first byte in the file; 0 for a message.
    package var place: Int

    package init(sequence: UInt64 = 0, knownAt: Timestamp = .undefined, place: Int = 0) {
        self.sequence = sequence
        self.knownAt = knownAt
        self.place = place
    }
}

/// Makes columns of packets.
///
/// Packets of each source and partition come in their order. A packet is taken completely or, with
/// an error, not at all: then the next one may follow, and the same one again.
package struct ColumnDecoder: ~Copyable {
    /// The shortest record that becomes a row.
    private static let rowBytesMin = WireFormat.messageHeaderBytes + WireFormat.Block.depthReset
    /// The most rows of one packet.
    private static let packetRowsMax = PacketLimits.bytesMax / rowBytesMin

    package let kinds: Set<ColumnKind>
    let selection: RowSelection
    var trades: RowBuffer<TradeColumns>
    var quotes: RowBuffer<QuoteColumns>
    var depth: RowBuffer<DepthColumns>
    var bars: RowBuffer<BarColumns>
    var gaps: RowBuffer<GapColumns>
    var indicators: RowBuffer<IndicatorColumns>
    var providerBars: RowBuffer<ProviderBarColumns>
    /// The texts of the gaps that wait.
    var gapText: [UInt8] = []
    var texts = RowTexts()
    var definitions = DefinitionTable()
    let packetMemory = PacketMemory()
    var series = PacketTable<RowSeries>()
    private var ledger = LaneLedger()
    /// How many rows of each kind wait.
    private(set) var kept = RowEnds()

    /// Memory that is used again with each packet.
    struct PacketMemory {
        /// What the indexes of the packet mean.
        let names = PacketNames.Memory()
        /// Where its ticks are.
        let trades = TickPlaces.Memory()
        let quotes = TickPlaces.Memory()
    }

    struct RowSeries {
        let name: Int32
        let lateness: Int64
    }

    /// `shape`: the columns of one of the kinds; all others have all of theirs. `memory`: where
    /// that of batches comes from when the reader keeps those before.
    package init(
        _ kinds: Set<ColumnKind>, _ selection: RowSelection = RowSelection(),
        shape: ColumnShape? = nil, memory: BatchMemory? = nil
    ) {
        self.kinds = kinds
        self.selection = selection
        trades = RowBuffer(of: kinds, shape, memory)
        quotes = RowBuffer(of: kinds, shape, memory)
        depth = RowBuffer(of: kinds, shape, memory)
        bars = RowBuffer(of: kinds, shape, memory)
        gaps = RowBuffer(of: kinds, shape, memory)
        indicators = RowBuffer(of: kinds, shape, memory)
        providerBars = RowBuffer(of: kinds, shape, memory)
    }

    // MARK: packets

    /// Whether the rows of any packet fit.
    package var hasRoom: Bool { hasRoom(Self.packetRowsMax) }

    private func hasRoom(_ count: Int) -> Bool {
        kept.most + count <= BatchLimits.rowsMax
    }

    /// Sets the ordinal with which a source goes on in a partition. What the next packet has below
    /// it is left out.
    package mutating func expect(_ next: UInt64, of key: LaneKey) throws(DecodeError) {
        try ledger.expect(next, of: key)
    }

    /// Takes a packet whose bytes were not checked yet.
    package mutating func feed(
        _ packet: RawSpan, _ origin: PacketOrigin
    ) throws(DecodeError) {
        let header = try Self.header(of: packet, origin)
        try take(packet, header, origin)
    }

    /// The same of a message on a subject.
    package mutating func feed(
        _ packet: RawSpan, _ origin: PacketOrigin, subject: RawSpan
    ) throws(DecodeError) {
        let header = try Self.header(of: packet, origin)
        guard header.fits(subject) else {
            try Self.checkMessages(packet, header, origin)
            var error = DecodeError(
                .damaged,
                "the packet is of source \(header.source), partition \(header.partition), "
                    + "which is not that of its subject")
            error.locate(header, origin)
            throw error
        }
        try take(packet, header, origin)
    }

    private static func header(
        of packet: RawSpan, _ origin: PacketOrigin
    ) throws(DecodeError) -> PacketHeader {
        do throws(PacketError) {
            return try PacketReader.header(of: packet)
        } catch {
            throw DecodeError(error, origin)
        }
    }

    private static func checkMessages(
        _ packet: RawSpan, _ header: PacketHeader, _ origin: PacketOrigin
    ) throws(DecodeError) {
        do throws(PacketError) {
            try PacketReader.checkMessages(of: packet, header)
        } catch {
            throw DecodeError(error, origin)
        }
    }

    /// Takes a packet that `PacketReader.header` has passed. Its messages are checked while rows
    /// are made of them. What is wrong with a message is reported before all else.
    package mutating func take(
        _ packet: RawSpan, _ header: PacketHeader, _ origin: PacketOrigin
    ) throws(DecodeError) {
        guard hasRows(header) else { return try Self.checkMessages(packet, header, origin) }
        do throws(DecodeError) {
            try takeRows(packet, header, origin)
        } catch {
            try Self.checkMessages(packet, header, origin)
            throw error
        }
    }

    private mutating func takeRows(
        _ packet: RawSpan, _ header: PacketHeader, _ origin: PacketOrigin
    ) throws(DecodeError) {
        let textBytes = gapText.count
        do throws(DecodeError) {
            guard hasRoom(min(Int(header.tickCount), packet.byteCount / Self.rowBytesMin)) else {
                throw DecodeError(.full, "the batch has no room for the rows of this packet")
            }
            let admission = try ledger.admit(header, marksHoles: selection.marksHoles)
            prepare()
            let ends = try write(packet, header, from: admission.first)
            let source = texts.sources.index(of: header.source) { $0.text }
            guard !texts.isOverLimit else {
                throw DecodeError(
                    .limit,
                    "more than \(TextDictionary.textsMax) different texts in a column, or more "
                        + "than \(TextDictionary.bytesMax) bytes of them")
            }
            let values = PacketValues(
                source: source, sentAt: header.sendTime.nanoseconds,
                knownAt: origin.knownAt.nanoseconds,
                partition: UInt16(truncatingIfNeeded: header.partition.number),
                epoch: Int64(truncatingIfNeeded: header.epoch))
            keep(ends, values)
            ledger.take(header, admission, sequence: origin.sequence)
        } catch {
            gapText.removeSubrange(textBytes...)
            var error = error
            error.locate(header, origin)
            throw error
        }
    }

    /// Whether rows of the packet may be wanted.
    private func hasRows(_ header: PacketHeader) -> Bool {
        guard header.kind != .watermark, header.tickCount > 0 else { return false }
        if let partitions = selection.partitions, !partitions.contains(header.partition) {
            return false
        }
        return header.kind == .bars || selection.sources.isEmpty
            || selection.sources.contains(header.source)
    }

    /// Makes the memory of all rows ready to be written.
    private mutating func prepare() {
        trades.prepare()
        quotes.prepare()
        depth.prepare()
        bars.prepare()
        gaps.prepare()
        indicators.prepare()
        providerBars.prepare()
    }

    /// Keeps the rows that a packet's ticks became.
    private mutating func keep(_ ends: RowEnds, _ values: PacketValues) {
        trades.complete(kept.trades..<ends.trades, values)
        quotes.complete(kept.quotes..<ends.quotes, values)
        depth.complete(kept.depth..<ends.depth, values)
        bars.complete(kept.bars..<ends.bars, values)
        gaps.complete(kept.gaps..<ends.gaps, values)
        indicators.complete(kept.indicators..<ends.indicators, values)
        providerBars.complete(kept.providerBars..<ends.providerBars, values)
        kept = ends
    }

    // MARK: batches

    /// Returns how many rows of a kind wait.
    package func rows(of kind: ColumnKind) -> Int {
        kept[kind]
    }

    /// Returns the rows of a kind that wait, and begins a new batch; `nil` when there are none.
    package mutating func batch(of kind: ColumnKind) -> ColumnBatch? {
        let rows = kept[kind]
        ledger.given[kind, default: 0] += UInt64(rows)
        kept[kind] = 0
        switch kind {
        case .trades: return trades.take(rows, &texts)
        case .quotes: return quotes.take(rows, &texts)
        case .depth: return depth.take(rows, &texts)
        case .bars: return bars.take(rows, &texts)
        case .gaps:
            defer { gapText.removeAll() }
            return gaps.take(rows, &texts, text: gapText)
        case .indicators: return indicators.take(rows, &texts)
        case .providerBars: return providerBars.take(rows, &texts)
        }
    }

    /// Returns the texts that the numbers of a column's rows mean: those of all rows so far.
    package mutating func page(_ kind: ColumnTexts) -> TextPage { texts.page(kind) }

    /// What was taken so far.
    package var lanes: [Lane] { ledger.lanes.filter { $0.packets > 0 } }

    /// Returns how many rows of a kind there were, including those that wait.
    package func rowsTaken(of kind: ColumnKind) -> UInt64 {
        ledger.given[kind, default: 0] + UInt64(rows(of: kind))
    }
}

extension DecodeError {
    fileprivate init(_ error: PacketError, _ origin: PacketOrigin) {
        self.init(.damaged, "this is no packet of the tape: \(error)")
        offset = origin.place + error.offset
        sequence = origin.sequence
    }

    /// Adds what the packet's header and its place say.
    fileprivate mutating func locate(_ header: PacketHeader, _ origin: PacketOrigin) {
        source = header.source
        partition = header.partition
        sequence = origin.sequence
        if let inPacket = offset { offset = origin.place + inPacket }
    }
}
