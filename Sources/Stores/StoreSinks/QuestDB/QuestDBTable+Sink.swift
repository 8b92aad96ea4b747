package import QuestDBWire

// The tables of QuestDB, for the rows of sinks, for gaps of ordinals, and for what was copied.
extension QuestDBTable {
    /// The columns that identify a record, with its time. The ordinals of a source are dense within
    /// a partition, and the tape gives each record one time for ever.
    private static let identity = ["source", "partition", "ordinal"]

    /// The table of ordinals that have no row anywhere. Its keys are all that a gap is. The
    /// sequence is none: it is where the batch ends, which may be elsewhere when the gap is found
    /// again.
    package static let gaps = QuestDBTable(
        name: "ordinal_gaps",
        columns: [
            QuestDBColumn("input", .symbol), QuestDBColumn("partition", .long),
            QuestDBColumn("source", .symbol), QuestDBColumn("first_ordinal", .long),
            QuestDBColumn("last_ordinal", .long), QuestDBColumn("reason", .symbol),
            QuestDBColumn("epoch", .long), QuestDBColumn("stream_created", .time),
            QuestDBColumn("sequence", .long),
        ], time: "stream_created", division: .years,
        keys: [
            "stream_created", "input", "source", "partition", "first_ordinal", "last_ordinal",
            "reason", "epoch",
        ])

    /// The table of ordinals that were copied from another store. Where `rows` is 0 that one lacks
    /// them, too. Its time is that of the stream, so that a repeat is the same row.
    package static let fills = QuestDBTable(
        name: "fills",
        columns: [
            QuestDBColumn("input", .symbol), QuestDBColumn("partition", .long),
            QuestDBColumn("source", .symbol), QuestDBColumn("first_ordinal", .long),
            QuestDBColumn("last_ordinal", .long), QuestDBColumn("rows", .long),
            QuestDBColumn("from_store", .symbol), QuestDBColumn("stream_created", .time),
        ], time: "stream_created", division: .years,
        keys: [
            "stream_created", "input", "source", "partition", "first_ordinal", "last_ordinal",
        ])

    /// The tables of a store beside those of sinks.
    package static let books = [gaps, fills]

    /// The table with each version of each bar. The revision is in its keys, or the version that
    /// arrives last would stand in the place of all others.
    package static let barVersions = "bar_versions"

    package init(_ sink: Sink) {
        let isOfBars = sink.name == .bars
        // Gaps have no time of their own.
        let time = sink.name == .gaps ? "receive_time" : "ts"
        let division: Division =
            switch sink.name {
            case .trades, .quotes, .depth, .options: .days
            case .gaps: .years
            case .bars, .news, .fundamentals, .indicators, .providerBars, .events, .lateTicks,
                .tradeChanges:
                .months
            }
        self.init(
            name: isOfBars ? Self.barVersions : sink.name.rawValue,
            columns: sink.storeColumns.map { QuestDBColumn($0, of: sink.name) }, time: time,
            division: division, keys: [time] + Self.identity + (isOfBars ? ["revision"] : []))
    }
}

extension QuestDBColumn {
    fileprivate init(_ name: String, of sink: SinkName) {
        let kind = ColumnKind.of(name, in: sink)
        let own: Kind =
            switch kind {
            case .int64: .long
            case .decimal(scale: 0): .decimal(precision: 20, scale: 0)
            case .decimal(let scale): .decimal(precision: 38, scale: scale)
            // The protocol has no type for bytes: they stand as hexadecimal digits.
            case .text, .json, .bytes: kind.isRepetitive(name) ? .symbol : .varchar
            case .bool: .boolean
            case .time: .time
            }
        self.init(name, own)
    }
}
