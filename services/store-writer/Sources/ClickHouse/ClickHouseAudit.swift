import ClickHouseWire
import MarketModel
import Membership
import Primitives
import ServiceRuntime
import StoreIntents
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

/// `store-writer audit` of ClickHouse, whose positions NATS has.
struct ClickHouseAudit {
    private let context: ServiceContext
    private let settings: WriterSettings

    init(_ context: ServiceContext) {
        self.context = context
        settings = WriterSettings(context.configuration)
    }

    func run() throws -> ExitCode {
        let tape = try TapeSettings(context.configuration)
        let client = try TapeClient(
            tape.nats, names: tape.names, telemetry: context.telemetry,
            readiness: context.readiness)
        defer { client.close() }
        let keeper = IntentBucket(client, of: settings.store)
        let server = try ClickHouseServer(ClickHouseSettings.client(context.configuration)) { _ in }
        let owner = MarkOwner(namespace: client.names.namespace, name: settings.store.text)
        var audit = StoreAudit()
        for number in 0..<settings.partitions {
            for input in SinkInput.allCases {
                let place = SinkPlace(input: input, partition: Partition(number))
                let value = try keeper.read(place).value
                let found = try server.rows(
                    of: place, in: ClickHouseSettings.tables(settings.sinks))
                guard let value else {
                    audit.compareWithoutPosition(place, found)
                    continue
                }
                let kept = try KeptIntent(json: value, of: place, store: owner)
                let declared = Set(kept.record.intent?.ranges.map(\.source) ?? [])
                audit.compare(place, kept.position.sources, found, declared: declared)
            }
        }
        return audit.end(context.telemetry)
    }
}

extension ClickHouseServer {
    /// Returns the rows of a place, by the source whose ordinals they have.
    func rows(
        of place: SinkPlace, in tables: [ClickHouseTable]
    ) throws(ClickHouseError) -> [SourceName: StoreAudit.Rows] {
        let parts = tables.compactMap { all(of: place, in: $0) }
        var found: [SourceName: StoreAudit.Rows] = [:]
        guard !parts.isEmpty else { return found }
        var answer = try ask(
            "SELECT toString(source), toInt64(count()), toInt64(uniqExact(ordinal)), "
                + "toInt64(min(ordinal)), toInt64(max(ordinal)) FROM ("
                + parts.joined(separator: " UNION ALL ") + ") GROUP BY source")
        while !answer.isOver {
            let text = try answer.text()
            guard let source = SourceName(text) else {
                throw ClickHouseError("it has rows of a source '\(text)'", .schema)
            }
            found[source] = StoreAudit.Rows(
                rows: UInt64(clamping: try answer.integer()),
                ordinals: UInt64(clamping: try answer.integer()),
                first: UInt64(clamping: try answer.integer()),
                last: UInt64(clamping: try answer.integer()))
        }
        return found
    }
}
