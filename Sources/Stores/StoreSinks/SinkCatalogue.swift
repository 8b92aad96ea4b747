package import TapeCodec

/// The tables of the database that are switched on (STORE_TABLES), and the table of each record.
package struct SinkCatalogue: Sendable {
    /// All tables, switched on or off.
    package static let all: [Sink] = [
        .trades, .quotes, .depth, .options, .news, .fundamentals, .indicators, .providerBars,
        .gaps, .events, .bars, .lateTicks, .tradeChanges,
    ]

    /// The sinks that are switched on, in the order in which a transaction writes them.
    package let sinks: [Sink]
    /// Their tables. A sink's first table has the sink's index; further tables follow after those
    /// of all sinks.
    package let tables: [String]
    /// By a template's low byte: the template, or 0 when no sink has one there. The next array has
    /// the index of its sink in `all`.
    private var templates = InlineArray<256, UInt16>(repeating: 0)
    private var owners = InlineArray<256, UInt8>(repeating: 0)
    /// By a sink's index in `all`: its index in `sinks`; `nil` when it is switched off.
    private var places: [Int?] = []
    /// The index of `events` in `all`; it takes every template that no sink has.
    private let rest: Int

    /// `names` are the tables that are switched on.
    package init(_ names: Set<SinkName> = Set(SinkName.allCases)) {
        let sinks = Self.all.filter { names.contains($0.name) }
        precondition(Self.all.count <= RecordCount.sinksMax, "more sinks than are counted")
        self.sinks = sinks
        tables = sinks.compactMap(\.tables.first) + sinks.flatMap { $0.tables.dropFirst() }
        rest = Self.all.firstIndex { $0.name == .events } ?? 0
        for (owner, sink) in Self.all.enumerated() {
            places.append(sinks.firstIndex { $0.name == sink.name })
            for template in sink.templates {
                let slot = Int(template & 0xff)
                precondition(templates[slot] == 0, "two sinks for what looks alike")
                templates[slot] = template
                owners[slot] = UInt8(owner)
            }
        }
    }

    /// The kinds of packets that have records of its tables. Values come among ticks and with bars,
    /// and events in every packet.
    package var inputs: Set<PacketKind> {
        sinks.reduce(into: []) { kinds, sink in
            let isInBoth = [.indicators, .events].contains(sink.name)
            kinds.formUnion(isInBoth ? [.ticks, .bars] : [sink.input])
        }
    }

    /// Returns the index in `sinks` of a record's table; `nil` when the record is damaged, or when
    /// its table is switched off. Call it for records only: a definition would count as an event.
    package func index(of record: Record) -> Int? {
        guard let template = record.template else { return nil }
        return places[owner(template)]
    }

    /// Returns the index in `tables` of the table for a record of this sink.
    package func table(
        _ sink: Int, of record: Record, _ context: borrowing PacketContext, _ series: SeriesTables
    ) -> Int {
        // Bars are the one sink with further tables, and the first of these is that of long ones.
        sinks[sink].tables.count > 1 && series.isLong(record, context) ? sinks.count : sink
    }

    /// The index in `tables` of the table of replaced versions of bars; `nil` when bars are
    /// switched off.
    package var versions: Int? { tables.firstIndex(of: BarTables.versions) }

    /// Returns whether a table of `tables` has the bars that stand.
    package func isOfBars(_ table: Int) -> Bool { BarTables.tables.contains(tables[table]) }

    /// Returns the record's table if that is switched off; else `nil`.
    package func switchedOff(_ record: Record) -> SinkName? {
        guard let template = record.template else { return nil }
        let owner = owner(template)
        return places[owner] == nil ? Self.all[owner].name : nil
    }

    /// Returns whether a sink of `all` is switched on.
    func isOn(_ owner: Int) -> Bool { places[owner] != nil }

    /// Returns the index in `all` of a template's sink.
    func owner(_ template: UInt16) -> Int {
        let slot = Int(template & 0xff)
        return templates[slot] == template ? Int(owners[slot]) : rest
    }
}

extension Record {
    /// The template's number; `nil` when the record is damaged.
    var template: UInt16? {
        switch self {
        case .trade: WireFormat.Template.trade
        case .quote: WireFormat.Template.quote
        case .bar: WireFormat.Template.bar
        case .other(let message): message.template
        case .malformed: nil
        }
    }
}
