import MarketModel
import Membership
import ServiceRuntime
import StoreKit
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

/// `store-writer audit` of a store that another program brings, whose positions are its marks.
struct OwnAudit {
    /// How often a place is counted again because a writer has moved its position meanwhile.
    private static let triesMax = 5

    let kind: RowStoreKind
    let context: ServiceContext
    let settings: WriterSettings

    init(_ kind: RowStoreKind, _ context: ServiceContext, _ kinds: [StoreKind]) {
        self.kind = kind
        self.context = context
        settings = WriterSettings(context.configuration, kinds)
    }

    func run() throws -> ExitCode {
        let store = try kind.connect(context.configuration)
        let owner = MarkOwner(
            namespace: try TapeSettings(context.configuration).names.namespace,
            name: settings.store.text)
        var audit = StoreAudit()
        for number in 0..<settings.partitions {
            for input in SinkInput.allCases {
                let place = SinkPlace(input: input, partition: Partition(number))
                let (mark, found) = try counted(place, store)
                guard let mark else {
                    audit.compareWithoutPosition(place, found)
                    continue
                }
                let position = try SinkPosition(mark: mark, of: place, store: owner)
                audit.compare(place, position.sources, found)
            }
        }
        return audit.end(context.telemetry)
    }

    /// Returns the mark of a place, if there is one, and the rows that are there with it.
    private func counted(
        _ place: SinkPlace, _ store: any RowStore
    ) throws -> (mark: String?, rows: [SourceName: StoreAudit.Rows]) {
        for _ in 0..<Self.triesMax {
            let before = try mark(of: place, in: store)
            let rows = try rows(of: place, in: store)
            if try mark(of: place, in: store) == before { return (before, rows) }
        }
        throw OwnStoreError(
            description: "the rows of \(InputNumber.name(InputNumber.of(place))) change while they "
                + "are counted: stop the writers of \(settings.store) first",
            fault: .away)
    }

    private func mark(of place: SinkPlace, in store: any RowStore) throws -> String? {
        var found: String?
        try store.transact([], marks: [place.mark]) { present in
            found = present[place.mark]
            return [:]
        }
        return found
    }

    private func rows(
        of place: SinkPlace, in store: any RowStore
    ) throws -> [SourceName: StoreAudit.Rows] {
        var found: [SourceName: StoreAudit.Rows] = [:]
        for sink in settings.sinks.sinks {
            let table = ColumnWriter(sink).table.name
            let counts = try store.ordinals(of: table, partition: Int(place.partition.number))
            guard let counts else {
                throw SettingsError(
                    "STORE_KIND is \(kind.name), which cannot count its rows: its RowStore has no "
                        + "'ordinals'")
            }
            for count in counts where count.rows > 0 {
                guard let source = SourceName(count.source) else {
                    throw OwnStoreError(
                        description: "\(table) has rows of a source '\(count.source.prefix(80))'",
                        fault: .schema)
                }
                // The column `source` of bars is that of their ticks. The ordinals are the
                // operator's, as all that operators publish.
                let counted = sink.name == .bars ? .operator : source
                let isDerived = SourceName.derived.contains(counted)
                guard isDerived == (place.input == .bars) else { continue }
                found[counted, default: StoreAudit.Rows(count)].add(count)
            }
        }
        return found
    }
}

extension SourceName {
    /// The sources of what operators publish.
    static let derived = [SourceName.operator, .universe]
}

extension StoreAudit.Rows {
    /// None yet, of ordinals like these.
    fileprivate init(_ count: StoredOrdinals) {
        self.init(
            rows: 0, ordinals: 0, first: UInt64(clamping: count.first),
            last: UInt64(clamping: count.last))
    }

    fileprivate mutating func add(_ count: StoredOrdinals) {
        rows += UInt64(clamping: count.rows)
        ordinals += UInt64(clamping: count.ordinals)
        first = min(first, UInt64(clamping: count.first))
        last = max(last, UInt64(clamping: count.last))
    }
}
