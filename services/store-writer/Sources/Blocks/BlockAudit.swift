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
    /// Returns the rows of a place, by the source whose ordinals they have: all for which it has
    /// answered.
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
        let bucket = IntentBucket(client, of: settings.store)
        var counts = PlaceCounts(
            bucket, server,
            of: MarkOwner(namespace: client.names.namespace, name: settings.store.text),
            isFilling: { try bucket.isFilling(at: SystemClock().now()) })
        for number in 0..<settings.partitions {
            for input in SinkInput.allCases {
                try counts.add(SinkPlace(input: input, partition: Partition(number)))
            }
        }
        return counts.audit.end(context.telemetry)
    }
}

/// Compares the rows of places with their records.
struct PlaceCounts {
    /// So often a place is counted while its record changes.
    static let countsMax = 5

    private let keeper: any IntentKeeper
    private let server: any CountedServer
    private let owner: MarkOwner
    /// Whether a command copies rows into the store.
    private let isFilling: () throws -> Bool
    private(set) var audit = StoreAudit()

    init(
        _ keeper: any IntentKeeper, _ server: any CountedServer, of owner: MarkOwner,
        isFilling: @escaping () throws -> Bool
    ) {
        self.keeper = keeper
        self.server = server
        self.owner = owner
        self.isFilling = isFilling
    }

    /// Counts the rows of a place, and again where its record, or what was copied, has changed
    /// meanwhile: then they may be of a later batch, or not be noted as copied yet.
    mutating func add(_ place: SinkPlace) throws {
        var (value, revision) = try keeper.read(place)
        for _ in 0..<Self.countsMax {
            let (copied, found) = (try server.filled(place), try server.rows(of: place))
            // A command that has ended since has noted what it copied.
            let isFilling = try isFilling()
            let filled = try server.filled(place)
            let (counted, present) = (revision, value)
            (value, revision) = try keeper.read(place)
            guard revision == counted, filled == copied else { continue }
            guard let present else { return audit.compareWithoutPosition(place, found) }
            let kept = try KeptIntent(json: present, of: place, store: owner)
            let declared = Set(kept.record.intent?.ranges.map(\.source) ?? [])
            let problems = StoreAudit.problems(
                kept.position.sources, found, declared: declared, filled: filled)
            guard problems.isEmpty || !isFilling else {
                return audit.leave(
                    place,
                    "cannot be compared while 'tapeline store fill' or 'dlq replay' works, or was "
                        + "ended in the middle: run 'tapeline dlq replay --all', and repeat it")
            }
            return audit.note(place, problems, found)
        }
        audit.leave(
            place, "cannot be counted while it is written: stop the store's writers, and repeat it")
    }
}
