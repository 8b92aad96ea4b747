internal import MarketModel
internal import Primitives
internal import TapeCodec

// Values of polled services. There are few of them, so texts are made. The values that operators
// compute are not kept: there is one for each window.
extension HotTable {
    /// For how many of its periods longer than other values one stays: the next one is published
    /// late, and not on weekends.
    static let periodsKept: Int64 = 3
    /// The most by which it stays longer.
    static let longerNanosecondsMax: Int64 = 366 * 86_400_000_000_000

    /// Takes a value of a polled service. Its order has the period and the revision first, so that
    /// a late revision of an older period does not replace a newer value.
    mutating func addIndicator(_ message: MessageBounds, _ packet: RawSpan, _ origin: HotOrigin) {
        guard packet.uint8(at: WireFormat.HeaderOffset.kind) == PacketKind.ticks.rawValue,
            let value = message.indicatorValue(in: packet),
            let known = defined[value.header.symbol],
            let place = indicatorPlace(of: known, value.name, packet)
        else { return }
        var origin = origin.of(value.header.receiveTime)
        origin.source = known.source
        if value.periodStart.isDefined { origin.order.window = value.periodStart.nanoseconds }
        origin.order.number = Int64(clamping: value.revision)
        origin.receivedAt = origin.receivedAt + value.staysLongerNanoseconds
        indicators.put(value, received: value.header.receiveTime, origin, at: place)
    }

    /// Returns the place of a symbol's values of this name; `nil` for a name that no key can have.
    private mutating func indicatorPlace(
        of known: Defined, _ text: String, _ packet: RawSpan
    ) -> HotNames.Place? {
        // The parts of a key are found by their colons.
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f && $0 != Self.colon })
        else { return nil }
        spellIndicator(known, text, packet)
        if let place = barNames.used(name) { return place }
        guard let symbol = known.message.symbolDefinition(in: packet)?.definition.symbol else {
            return nil
        }
        name.removeAll(keepingCapacity: true)
        name.append(contentsOf: symbol.text.utf8)
        endIndicator(known, text)
        return isFill ? barNames.addIfRoom(name) : barNames.add(name)
    }

    private mutating func spellIndicator(_ known: Defined, _ text: String, _ packet: RawSpan) {
        name.removeAll(keepingCapacity: true)
        for offset in known.name { name.append(packet.uint8(at: offset)) }
        endIndicator(known, text)
    }

    private mutating func endIndicator(_ known: Defined, _ text: String) {
        name.append(Self.colon)
        name.append(contentsOf: text.utf8)
        name.append(Self.colon)
        name.append(known.source)
    }
}

extension IndicatorValue {
    /// By how much longer than others its key stays: some of its periods.
    package var staysLongerNanoseconds: Int64 {
        guard periodStart.isDefined, periodEnd.isDefined else { return 0 }
        let period = max(0, periodEnd.nanoseconds(since: periodStart))
        return min(period, HotTable.longerNanosecondsMax / HotTable.periodsKept)
            * HotTable.periodsKept
    }
}
