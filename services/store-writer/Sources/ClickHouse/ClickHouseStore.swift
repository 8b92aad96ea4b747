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
        name: "clickhouse", keys: ClickHouseSettings.keys, rules: ClickHouseSettings.rules,
        batchWaitMin: .seconds(1), migrate: { try ClickHouseMigration($0).run() },
        audit: { try ClickHouseAudit($0).run() }, make: { ClickHouseStore($0) })
}

/// The settings of ClickHouse as the store.
enum ClickHouseSettings {
    static let keys = [
        ConfigurationKey(
            "CLICKHOUSE_URL", .text, default: "http://127.0.0.1:8123", group: "ClickHouse",
            "Where its interface of HTTP is: http://host:port, or https://host:port."),
        ConfigurationKey(
            "CLICKHOUSE_DATABASE", .text, default: "market_data", group: "ClickHouse",
            "Name of the database, which is this store's alone."),
        ConfigurationKey(
            "CLICKHOUSE_USER", .text, default: "default", group: "ClickHouse",
            "User who inserts and reads; for 'store-writer migrate' one who makes tables."),
        ConfigurationKey(
            "CLICKHOUSE_PASSWORD", .text, secret: true, group: "ClickHouse",
            "Password of that user."),
    ]

    static let rules = [urlRule, databaseRule, overflowRule, purgeRule]

    private static let urlRule = ConfigurationRule(reads: ["CLICKHOUSE_URL"]) { configuration in
        let settings = ClickHouseClient.Settings(
            url: configuration.text("CLICKHOUSE_URL"), user: "", password: nil, database: "")
        return settings.problem.map { "CLICKHOUSE_URL: \($0)" }
    }

    private static let databaseRule = ConfigurationRule(reads: ["CLICKHOUSE_DATABASE"]) {
        configuration in
        let name = configuration.text("CLICKHOUSE_DATABASE")
        let isName =
            (1...64).contains(name.utf8.count) && name.utf8.first.map { !isDigit($0) } ?? false
            && name.utf8.allSatisfy { isDigit($0) || isLetter($0) || $0 == UInt8(ascii: "_") }
        return isName
            ? nil : "CLICKHOUSE_DATABASE: '\(name)' is no name of letters, digits and _"
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte | 0x20) }

    /// A declared batch has to be made again from the tape.
    private static let overflowRule = ConfigurationRule(reads: ["WRITER_OVERFLOW"]) {
        $0.text("WRITER_OVERFLOW") == OverflowPolicy.drop.rawValue
            ? "WRITER_OVERFLOW is drop: with STORE_KIND clickhouse it is block or error" : nil
    }

    private static let purgeRule = ConfigurationRule(reads: ["WRITER_PURGE_AFTER"]) {
        guard case .word("standby") = $0.durationOrWord("WRITER_PURGE_AFTER") else { return nil }
        return "WRITER_PURGE_AFTER is standby, which STORE_KIND clickhouse cannot promise"
    }

    static func client(_ configuration: Configuration) -> ClickHouseClient.Settings {
        ClickHouseClient.Settings(
            url: configuration.text("CLICKHOUSE_URL"), user: configuration.text("CLICKHOUSE_USER"),
            password: configuration.secret("CLICKHOUSE_PASSWORD")?.revealed,
            database: configuration.text("CLICKHOUSE_DATABASE"))
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
    private let tables: [ClickHouseTable]

    init(_ parts: StoreKind.Context) {
        writer = parts.settings
        settings = ClickHouseSettings.client(parts.service.configuration)
        client = parts.client
        letters = parts.letters
        tables = ClickHouseSettings.tables(writer.sinks)
    }

    func session(owner: String, beat: ThreadBeat) -> any StoreSession {
        let client = client.calling(beat)
        let (letters, sinks, settings) = (letters, writer.sinks, settings)
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
                }))
    }

    func startUpkeep(_ threads: inout [ServiceThread]) {}

    func startFilling(_ hot: HotOutput, life: Duration) -> ServiceThread? { nil }
}
