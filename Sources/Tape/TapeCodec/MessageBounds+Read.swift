public import MarketModel
public import Primitives

// Reads the messages without an ordinal: definitions, markers, output states. Each function returns
// `nil` when the message is of another template, its block is too short, or a field holds no value
// of its type.
extension MessageBounds {
    /// Returns the index that ticks use for the symbol, and its definition.
    public func symbolDefinition(
        in packet: RawSpan
    ) -> (index: UInt32, definition: SymbolDefinition)? {
        guard isA(WireFormat.Template.symbolDefinition, WireFormat.Block.symbolDefinition),
            let symbol = Symbol(packet.extracting(variable(0, in: packet)).text)
        else { return nil }
        let source = packet.extracting(variable(2, in: packet)).text
        let provider = packet.extracting(variable(1, in: packet)).text
        guard provider.utf8.count <= SymbolDefinition.providerBytesMax,
            provider.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f })
        else { return nil }
        guard source.isEmpty || SourceName(source) != nil else { return nil }
        let definition = SymbolDefinition(
            symbol: symbol, provider: provider,
            since: Timestamp(nanoseconds: packet.int64(at: body + 8)),
            source: SourceName(source), lot: lot(in: packet))
        return (packet.uint32(at: body), definition)
    }

    /// Returns the index that bars use for the series, and its definition.
    public func seriesDefinition(
        in packet: RawSpan
    ) -> (index: UInt32, definition: SeriesDefinition)? {
        guard isA(WireFormat.Template.seriesDefinition, WireFormat.Block.seriesDefinition),
            let name = SeriesName(packet.extracting(variable(0, in: packet)).text)
        else { return nil }
        let definition = SeriesDefinition(
            name: name, widthNanoseconds: packet.int64(at: body + 8),
            latenessNanoseconds: seriesLateness(in: packet))
        return (packet.uint32(at: body), definition)
    }

    /// Returns where the parts of a symbol's definition are in the packet. The writer copies them
    /// into rows and needs no `String`. The texts are not checked.
    public func symbolParts(in packet: RawSpan) -> SymbolParts? {
        guard isA(WireFormat.Template.symbolDefinition, WireFormat.Block.symbolDefinition) else {
            return nil
        }
        return SymbolParts(
            index: packet.uint32(at: body),
            since: Timestamp(nanoseconds: packet.int64(at: body + 8)),
            symbol: variable(0, in: packet), provider: variable(1, in: packet),
            source: variable(2, in: packet), lot: lot(in: packet))
    }

    /// Returns a symbol's lot; `nil` when the message is of version 1, or states none above 0.
    private func lot(in packet: RawSpan) -> RoundLot? {
        guard blockLength >= WireFormat.Block.symbolDefinitionWithLot else { return nil }
        return RoundLot(
            Quantity(raw: packet.int64(at: body + 16)),
            from: Timestamp(nanoseconds: packet.int64(at: body + 24)),
            before: Quantity(raw: packet.int64(at: body + 32)))
    }

    /// Returns where the parts of a series' definition are, in the same way.
    public func seriesParts(in packet: RawSpan) -> SeriesParts? {
        guard isA(WireFormat.Template.seriesDefinition, WireFormat.Block.seriesDefinition) else {
            return nil
        }
        return SeriesParts(
            index: packet.uint32(at: body), widthNanoseconds: packet.int64(at: body + 8),
            latenessNanoseconds: seriesLateness(in: packet), name: variable(0, in: packet))
    }

    /// Returns a series' lateness; `nil` when the message is of version 1, or states a negative
    /// one.
    private func seriesLateness(in packet: RawSpan) -> Int64? {
        guard blockLength >= WireFormat.Block.seriesDefinitionWithLateness else { return nil }
        let lateness = packet.int64(at: body + 16)
        return lateness >= 0 ? lateness : nil
    }

    /// Returns the epoch's marker.
    public func epochMarker(in packet: RawSpan) -> EpochMarker? {
        guard isA(WireFormat.Template.epochMarker, WireFormat.Block.epochMarker) else {
            return nil
        }
        return EpochMarker(
            startOrdinal: packet.uint64(at: body), previousEpoch: packet.uint64(at: body + 8),
            previousSequence: packet.uint64(at: body + 32),
            definition: packet.uint64(at: body + 16), generation: packet.uint32(at: body + 24))
    }

    /// Returns the output state without what it says of its sources, which are separate messages.
    /// `PacketReader.outputState` joins them.
    public func outputState(in packet: RawSpan) -> OutputState? {
        guard isA(WireFormat.Template.outputState, WireFormat.Block.outputState) else {
            return nil
        }
        let input = TapePosition(
            streamCreated: Timestamp(nanoseconds: packet.int64(at: body)),
            sequence: packet.uint64(at: body + 8),
            packet: PacketIdentity(
                epoch: packet.uint64(at: body + 16), firstOrdinal: packet.uint64(at: body + 24),
                checksum: packet.uint64(at: body + 32)),
            sources: [])
        return OutputState(
            input: input, checksum: packet.uint64(at: body + 40),
            generation: packet.uint32(at: body + 48))
    }

    /// Returns the ordinal of one source of an output state.
    public func sourceOrdinal(in packet: RawSpan) -> SourceOrdinal? {
        guard isA(WireFormat.Template.sourceOrdinal, WireFormat.Block.sourceOrdinal),
            let source = packet.sourceName(at: body)
        else { return nil }
        return SourceOrdinal(
            source: source, epoch: packet.uint64(at: body + 24),
            lastOrdinal: packet.uint64(at: body + 32))
    }

    /// Returns the state of one source. Its watermark is undefined when the message is of version
    /// 1.
    public func sourceState(in packet: RawSpan) -> SourceState? {
        guard isA(WireFormat.Template.sourceState, WireFormat.Block.sourceState),
            let source = packet.sourceName(at: body + 8),
            let presence = SourceState.Presence(rawValue: packet.uint8(at: body + 32)),
            let kind = SourceKind(number: packet.uint8(at: body + 33))
        else { return nil }
        return SourceState(
            source: source, presence: presence, kind: kind,
            since: Timestamp(nanoseconds: packet.int64(at: body)),
            watermark: blockLength >= WireFormat.Block.sourceStateWithWatermark
                ? Timestamp(nanoseconds: packet.int64(at: body + 40)) : .undefined)
    }

    /// Returns a member of a group of sources.
    public func groupMember(in packet: RawSpan) -> GroupMember? {
        guard isA(WireFormat.Template.groupMember, WireFormat.Block.groupMember),
            let source = packet.sourceName(at: body),
            let group = packet.sourceName(at: body + 24)
        else { return nil }
        return GroupMember(source: source, group: group)
    }

    private func isA(_ wanted: UInt16, _ block: Int) -> Bool {
        template == wanted && blockLength >= block
    }
}

/// The places of the parts of a symbol's definition in its packet.
public struct SymbolParts: Sendable {
    public let index: UInt32
    public let since: Timestamp
    public let symbol: Range<Int>
    public let provider: Range<Int>
    public let source: Range<Int>
    /// The round lot; `nil` when it is not stated.
    public let lot: RoundLot?
}

/// The places of the parts of a series' definition in its packet.
public struct SeriesParts: Sendable {
    public let index: UInt32
    public let widthNanoseconds: Int64
    /// How long after its end a window still takes ticks; `nil` when it is not stated.
    public let latenessNanoseconds: Int64?
    public let name: Range<Int>
}

extension PacketReader {
    /// Returns the marker; `nil` when the packet opens no epoch.
    public static func epochMarker(of packet: RawSpan) -> EpochMarker? {
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            if case .other(let message) = record, let marker = message.epochMarker(in: packet) {
                return marker
            }
        }
        return nil
    }

    /// Returns the output state of a packet of bars, with what it says of sources and groups;
    /// `nil` when the packet has none.
    public static func outputState(of packet: RawSpan) -> OutputState? {
        var found: OutputState?
        var sources: [SourceOrdinal] = []
        var states: [SourceState] = []
        var members: [GroupMember] = []
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            guard case .other(let message) = record else { continue }
            if let state = message.outputState(in: packet) { found = state }
            if let source = message.sourceOrdinal(in: packet) { sources.append(source) }
            if let state = message.sourceState(in: packet) { states.append(state) }
            if let member = message.groupMember(in: packet) { members.append(member) }
        }
        found?.input.sources = sources
        found?.states = states
        found?.members = members
        return found
    }
}
