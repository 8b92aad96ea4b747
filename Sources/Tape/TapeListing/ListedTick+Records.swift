internal import MarketModel
internal import Primitives
internal import TapeCodec

// The values of each message.
extension ListedTick {
    mutating func set(
        _ record: TapeRecord, _ symbol: SymbolDefinition?, _ series: (UInt16) -> SeriesDefinition?
    ) {
        self.symbol = symbol?.symbol.text ?? ""
        time = record.eventTime
        if case .providerBar(let bar) = record { time = bar.closeTime }
        let context = RecordContext(
            series: record.series.flatMap(series)?.name, source: symbol?.source, ordinal: ordinal)
        record.list(into: &fields, context)
        if let header = record.header { addTail(header, symbol) }
    }

    /// Sets a tick of a template that this version does not know. All templates share the header.
    mutating func set(
        _ template: UInt16, _ header: TickHeader?, _ symbol: SymbolDefinition?
    ) {
        fields.add("template", "0x\(String(template, radix: 16))")
        guard let header else { return }
        self.symbol = symbol?.symbol.text ?? ""
        time = header.eventTime
        addTail(header, symbol)
    }

    /// Adds the values that every tick has after its own.
    private mutating func addTail(_ header: TickHeader, _ symbol: SymbolDefinition?) {
        fields.add(header)
        guard let symbol else { return }
        fields.add("provider", symbol.provider)
        // A late tick has the source of the tick itself, which may be one of a group.
        if let source = symbol.source, !fields.contains(where: { $0.name == "of_source" }) {
            fields.add("of_source", source.text)
        }
    }

    mutating func set(_ marker: EpochMarker, _ header: PacketHeader) {
        kind = .marker
        time = header.sendTime
        fields.add("start_ordinal", .unsigned(marker.startOrdinal))
        fields.add("previous_epoch", .unsigned(marker.previousEpoch))
        fields.add("previous_sequence", .unsigned(marker.previousSequence))
        if marker.definition != 0 {
            fields.add("definition", "0x\(String(marker.definition, radix: 16))")
            fields.add("generation", .unsigned(UInt64(marker.generation)))
        }
    }

    /// Sets a packet without ticks, which reports only the source's progress.
    mutating func setWatermark(_ header: PacketHeader) {
        time = header.sendTime
        fields.add("watermark", header.watermark)
        if header.kind == .watermark { fields.add("counter", .unsigned(header.firstOrdinal)) }
    }
}
