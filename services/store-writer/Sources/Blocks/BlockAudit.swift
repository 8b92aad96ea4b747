import MarketModel
import Membership
import Primitives
import ServiceRuntime
import StoreHTTP
import StoreIntents
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

/// A server that counts its rows.
protocol CountedServer: AnyObject {
    /// Returns the rows of a place, by the source whose ordinals they have.
    func rows(of place: SinkPlace) throws(StoreServerError) -> [SourceName: StoreAudit.Rows]
    /// Returns what was copied of a place from another store, by source.
    func filled(_ place: SinkPlace) throws(StoreServerError) -> [SourceName: StoreAudit.Filled]
}

/// `store-writer audit` of a store without transactions, whose positions NATS has.
struct BlockAudit {
    private let context: ServiceContext
    private let settings: WriterSettings
    private let server: any CountedServer

    init(_ context: ServiceContext, _ server: any CountedServer) {
        self.context = context
        self.server = server
        settings = WriterSettings(context.configuration)
    }

    func run() throws -> ExitCode {
        let tape = try TapeSettings(context.configuration)
        let client = try TapeClient(
            tape.nats, names: tape.names, telemetry: context.telemetry,
            readiness: context.readiness)
        defer { client.close() }
        let keeper = IntentBucket(client, of: settings.store)
        let owner = MarkOwner(namespace: client.names.namespace, name: settings.store.text)
        var audit = StoreAudit()
        for number in 0..<settings.partitions {
            for input in SinkInput.allCases {
                let place = SinkPlace(input: input, partition: Partition(number))
                guard let value = try keeper.read(place).value else { continue }
                let kept = try KeptIntent(json: value, of: place, store: owner)
                let found = try server.rows(of: place)
                let declared = Set(kept.record.intent?.ranges.map(\.source) ?? [])
                audit.compare(
                    place, kept.position.sources, found, declared: declared,
                    filled: try server.filled(place))
            }
        }
        return audit.end(context.telemetry)
    }
}
