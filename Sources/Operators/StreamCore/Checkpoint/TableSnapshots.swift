internal import MarketModel
internal import Primitives

// The tables of sources and symbols as bytes. They are in the envelope of `PartitionTables`.

extension SourceTable {
    /// The length in bytes of a source without the name.
    static let encodedBytesMin = 50

    /// Appends the table.
    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: refused)
        bytes.append(integer: UInt32(entries.count))
        for entry in entries {
            bytes.append(text: entry.name.text)
            bytes.append(integer: entry.lastSent.nanoseconds)
            bytes.append(integer: entry.lastHeard)
            bytes.append(integer: entry.watermark.nanoseconds)
            bytes.append(integer: entry.regressions)
            bytes.append(integer: entry.retiredEpoch)
            bytes.append(integer: entry.start.nanoseconds)
        }
    }

    init(_ reader: inout StateReader, _ bytes: RawSpan) throws(CheckpointError) {
        let refused = try reader.tally(in: bytes)
        let count = try reader.count(
            of: .source, max: StreamLimits.sourcesKnownMax, bytesEach: Self.encodedBytesMin,
            in: bytes)
        var entries: [Entry] = []
        for _ in 0..<count {
            let text = try reader.text(of: .source, max: SourceName.utf8CountMax, in: bytes)
            guard let name = SourceName(text) else { throw reader.malformed(.source) }
            var entry = Entry(
                name, lastSent: Timestamp(nanoseconds: try reader.int64(in: bytes)),
                lastHeard: try reader.int64(in: bytes))
            entry.watermark = Timestamp(nanoseconds: try reader.int64(in: bytes))
            entry.regressions = try reader.tally(in: bytes)
            entry.retiredEpoch = try reader.uint64(in: bytes)
            entry.start = Timestamp(nanoseconds: try reader.int64(in: bytes))
            guard entry.watermark.isDefined, entry.lastSent.isDefined,
                (0...Self.clockMax).contains(entry.lastHeard)
            else {
                throw reader.malformed(.source)
            }
            entries.append(entry)
        }
        self.init(entries: entries, refused: refused)
        guard Set(entries.map(\.name)).count == count,
            entries.allSatisfy({ $0.isHistory || !$0.start.isDefined })
        else {
            throw reader.malformed(.source)
        }
    }
}

extension SymbolTable {
    /// The length in bytes of a symbol's record without the name.
    static let encodedBytesMin = 30

    func encode(into bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(providers.count))
        for provider in providers { bytes.append(text: provider) }
        bytes.append(integer: refused)
        bytes.append(integer: UInt32(count))
        for (record, feed) in zip(records, feeds) {
            bytes.append(integer: feed.raw)
            bytes.append(integer: record.since.nanoseconds)
            bytes.append(integer: record.firstSince.nanoseconds)
            bytes.append(integer: record.closedThrough.nanoseconds)
            bytes.append(text: record.pair.symbol.text)
        }
    }

    /// Restores the table whose `encode` wrote these bytes. `owners` has, for each source in the
    /// same tables, its group or the source itself.
    init(
        _ reader: inout StateReader, _ bytes: RawSpan, owners: [SourceName]
    ) throws(CheckpointError) {
        self.init()
        let providerCount = try reader.count(
            of: .provider, max: StreamLimits.providersMax, bytesEach: 2, in: bytes)
        for index in 0..<providerCount {
            let provider = try reader.text(
                of: .provider, max: StreamLimits.providerBytesMax, in: bytes)
            guard providerIndex(provider) == index else { throw reader.malformed(.provider) }
        }
        let refused = try reader.tally(in: bytes)
        let count = try reader.count(
            of: .symbol, max: StreamLimits.symbolsMax, bytesEach: Self.encodedBytesMin, in: bytes)
        prepare(symbols: count, refused: refused)
        for _ in 0..<count {
            let feed = Feed(raw: try reader.uint32(in: bytes))
            let since = Timestamp(nanoseconds: try reader.int64(in: bytes))
            let firstSince = Timestamp(nanoseconds: try reader.int64(in: bytes))
            let closedThrough = Timestamp(nanoseconds: try reader.int64(in: bytes))
            let text = try reader.text(of: .symbol, max: Symbol.utf8CountMax, in: bytes)
            guard let symbol = Symbol(text), firstSince <= since, since.isDefined,
                closedThrough.isDefined, isKnown(feed, sourceCount: owners.count), feed != .foreign
            else { throw reader.malformed(.symbol) }
            let record = Record(
                pair: SourceSymbol(symbol, of: owners[feed.source]), since: since,
                firstSince: firstSince, closedThrough: closedThrough)
            guard append(record, feed: feed) else { throw reader.malformed(.symbol) }
        }
    }
}
