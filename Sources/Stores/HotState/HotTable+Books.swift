internal import MarketModel
internal import Primitives
internal import TapeCodec

// The records of books in a packet: changes of rows, resets, and what makes a book void.
extension HotTable {
    /// Takes a change or a reset of a book. `number` is that of the record within the packet.
    mutating func addDepth(
        _ message: MessageBounds, _ packet: RawSpan, _ origin: HotOrigin, _ number: UInt32
    ) {
        guard !isFill else { return fillBook(message, packet, origin) }
        guard books.isToTake(origin) else { return }
        guard let header = message.tickHeader(in: packet),
            let (place, source) = book(header.symbol, packet)
        else {
            // It may be of any book of the lane.
            return books.loseLane(origin)
        }
        var origin = origin
        origin.source = source
        if let update = message.depthUpdate(in: packet) {
            books.take(update, number, origin, at: place)
        } else if let reset = message.depthReset(in: packet) {
            books.take(reset, number, origin, at: place)
        }
    }

    /// Takes the last change of a book that the database has, whose rows are not known.
    private mutating func fillBook(
        _ message: MessageBounds, _ packet: RawSpan, _ origin: HotOrigin
    ) {
        guard let header = message.tickHeader(in: packet),
            let (place, source) = book(header.symbol, packet)
        else { return }
        let ordinal = origin.ordinal
        var origin = origin.of(header.receiveTime)
        origin.source = source
        books.fill(header, ordinal: ordinal, origin, at: place)
    }

    /// Takes a gap that begins, or the end of a subscription, if books are concerned. The records
    /// that end a gap change nothing: a book begins with a reset after each gap.
    mutating func endBook(_ message: MessageBounds, _ packet: RawSpan, _ origin: HotOrigin) {
        guard books.names.count > 0, !isFill, let header = message.tickHeader(in: packet) else {
            return
        }
        let reason: HotBook.Reason
        if let gap = message.gapRecord(in: packet) {
            guard GapState(rawValue: gap.state) == .open, Self.concernsBooks(gap.kind) else {
                return
            }
            reason = .gap
        } else if let record = message.subscriptionRecord(in: packet) {
            guard SubscriptionAction(rawValue: record.action) == .stop,
                Self.concernsBooks(record.kind)
            else { return }
            reason = .stopped
        } else {
            return
        }
        guard let (place, source) = knownBook(header.symbol, packet), books.isToTake(origin) else {
            return
        }
        var origin = origin
        origin.source = source
        books.lose(reason, origin, at: place)
    }

    private static func concernsBooks(_ kind: UInt8) -> Bool {
        kind == DataKind.depth.rawValue || kind == DataKind.any.rawValue
    }

    // MARK: names

    /// Returns the place of a symbol's book, and its source; `nil` when the packet does not define
    /// the symbol, or when its name is no valid name, or has no room.
    private mutating func book(
        _ index: UInt32, _ packet: RawSpan
    ) -> (place: HotNames.Place, source: SourceName)? {
        if let known = knownBook(index, packet) { return known }
        guard let known = defined[index], spellAsText(known, nil, packet),
            let place = isFill ? books.names.addIfRoom(name) : books.names.add(name)
        else { return nil }
        defined[index]?.book = place
        return (place, known.source)
    }

    /// Returns the place of a symbol's book that is kept already, and its source.
    private mutating func knownBook(
        _ index: UInt32, _ packet: RawSpan
    ) -> (place: HotNames.Place, source: SourceName)? {
        guard let known = defined[index] else { return nil }
        // Another book of this packet may have taken its number.
        if books.names.isCurrent(known.book) {
            books.names.use(known.book)
            return (known.book, known.source)
        }
        spell(known, nil, packet)
        guard let place = books.names.used(name) else { return nil }
        defined[index]?.book = place
        return (place, known.source)
    }
}
