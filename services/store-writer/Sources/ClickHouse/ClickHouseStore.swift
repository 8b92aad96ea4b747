import ClickHouseWire
import HotState
import Membership
import Primitives
import ServiceRuntime
import StoreSinks
import TapeProtocol
import TapeTransport

extension StoreKind {
    static let clickhouse = StoreKind(
        name: "clickhouse", keys: ClickHouseClient.keys, rules: ClickHouseSettings.rules,
        batchWaitMin: .seconds(1), migrate: { try ClickHouseMigration($0).run() },
        audit: { try ClickHouseAudit($0).run() }, make: { ClickHouseStore($0) })
}

/// The settings of ClickHouse as the store.
enum ClickHouseSettings {
    static let rules = ClickHouseClient.rules + [overflowRule, purgeRule]

    /// A declared batch has to be made again from the tape.
    private static let overflowRule = ConfigurationRule(reads: ["WRITER_OVERFLOW"]) {
        $0.text("WRITER_OVERFLOW") == OverflowPolicy.drop.rawValue
            ? "WRITER_OVERFLOW is drop: with STORE_KIND clickhouse it is block or error" : nil
    }

    private static let purgeRule = ConfigurationRule(reads: ["WRITER_PURGE_AFTER"]) {
        guard case .word("standby") = $0.durationOrWord("WRITER_PURGE_AFTER") else { return nil }
        return "WRITER_PURGE_AFTER is standby, which STORE_KIND clickhouse cannot promise"
    }

    /// The tables of the sinks that are switched on.
    static func tables(_ catalogue: SinkCatalogue) -> [ClickHouseTable] {
        catalogue.sinks.map { ClickHouseTable($0) }
    }
}

/// A database of ClickHouse as the store.
struct ClickHouseStore: Store {
    let writer: WriterSettings
    let settings: ClickHouseClient.Settings
    let client: TapeClient
    let letters: DeadLetterOutput
    private let context: ServiceContext
    private let tables: [ClickHouseTable]

    init(_ parts: StoreKind.Context) {
        context = parts.service
        writer = parts.settings
        settings = ClickHouseClient.Settings(parts.service.configuration)
        client = parts.client
        letters = parts.letters
        tables = ClickHouseSettings.tables(writer.sinks)
    }

    func session(owner: String, beat: ThreadBeat) -> any StoreSession {
        let client = client.calling(beat)
        let (letters, sinks, settings) = (letters, writer.sinks, settings)
        let telemetry = context.telemetry
        return ClickHouseSession(
            ClickHouseSession.Parts(
                settings: writer, owner: owner,
                store: MarkOwner(namespace: client.names.namespace, name: writer.store.text),
                tables: tables, keeper: IntentBucket(client, of: writer.store),
                packets: DeclaredRange(client, beat, mayBeLetGo: !writer.isNeeded),
                letters: LetterOutput(
                    keep: { refused, batch throws(StoreError) in
                        let made = refused.map { letters.letter($0, of: batch, sinks) }
                        beat.beat(before: ThreadWatch.systemTime)
                        try letters.keep(made, "ClickHouse")
                        return made
                    }, committed: { letters.committed($0) }),
                connect: { () throws(ClickHouseError) in
                    try ClickHouseServer(settings) { beat.beat(before: $0) }
                },
                lost: { place, gap in
                    telemetry.emit(
                        .gapStored(input: InputNumber.name(InputNumber.of(place)), gap: gap))
                }))
    }

    func startUpkeep(_ threads: inout [ServiceThread]) throws {
        threads.append(try ClickHouseUpkeep.start(settings, context))
    }

    func startFilling(_ hot: HotOutput, life: Duration) -> ServiceThread? { nil }
}
