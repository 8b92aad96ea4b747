import Membership
import MembershipTransport
import ServiceRuntime
public import StoreKit
import TapeKeeping
import TapeProtocol
import TapeTraces
import TapeTransport

/// The entry point of the service, for the product's own program or one with more kinds of stores.
public enum Main {
    /// Runs the service until its end. `stores` are kinds that are added to those of the product.
    public static func run(stores: [RowStoreKind] = []) -> Never {
        let kinds = StoreKind.ofThisProgram + stores.map { StoreKind($0) }
        ServiceApplication.run(description(of: kinds)) { try run($0, kinds) }
    }

    /// Says that the tape is kept for what this process does not read; `nil` when it is not.
    private static func surplus(
        _ inputs: Set<ReaderPosition.Input>, _ store: GroupName
    ) -> String? {
        guard let more = inputs.map(\.rawValue).min() else { return nil }
        return "the tape is kept for \(more), which this process does not read: if no other one of "
            + "\(store) does, register it anew ('tapeline groups register \(store) --reads ...')"
    }

    static let description = description(of: StoreKind.ofThisProgram)

    static func description(of kinds: [StoreKind]) -> ServiceDescription {
        ServiceDescription(
            name: "store-writer", version: ProductVersion.text,
            summary: "Writes ticks and bars to the database, and the hot state to Valkey.",
            keys: WriterSettings.keys(kinds),
            rules: kinds.flatMap(\.ownRules) + [
                .tape, .member, .storeName, WriterSettings.sinksRule, WriterSettings.marksRule,
                WriterSettings.valkeyRule, TraceSettings.rule,
            ],
            subcommands: [
                ServiceDescription.Subcommand(
                    MigrateCommand.name, "Make or update the database schema, and stop.",
                    flags: [
                        ServiceDescription.Subcommand.Flag(
                            MigrateCommand.dryRun,
                            "Say which files would be applied, and change nothing; exit code 3 if "
                                + "any.")
                    ]),
                ServiceDescription.Subcommand(
                    StoreAudit.name,
                    "Count the rows of a store by its positions, its writers stopped; exit code 1 "
                        + "if not."),
                ServiceDescription.Subcommand(
                    OwnReplay.name,
                    "Store the dead letters of a kind that this program adds; exit code 1 if some "
                        + "are left.",
                    flags: [
                        ServiceDescription.Subcommand.Flag(
                            MigrateCommand.dryRun, "Say what would be stored, and store nothing.")
                    ]),
            ],
            examples: [
                ServiceDescription.Example(
                    "store-writer migrate", "Brings the schema of MDS_NAMESPACE up to date."),
                ServiceDescription.Example(
                    "store-writer --writer-threads 4",
                    "Writes its share of the partitions with four threads."),
            ], exitCodes: (ExitCode.ofServices + [.pending]).sorted { $0.rawValue < $1.rawValue })
    }

    /// Runs the writer, or `migrate` if that was given. Blocks until its end.
    static func run(
        _ context: ServiceContext, _ kinds: [StoreKind] = StoreKind.ofThisProgram
    ) throws -> ExitCode {
        let settings = WriterSettings(context.configuration, kinds)
        if context.configuration.subcommand == MigrateCommand.name {
            return try settings.kind.migrate?(context) ?? .success
        }
        if context.configuration.subcommand == StoreAudit.name {
            guard let audit = settings.kind.audit else {
                throw SettingsError(
                    "STORE_KIND is \(settings.kind.name), which has no audit of its own: for "
                        + "postgres 'tapeline audit' is one")
            }
            return try audit(context)
        }
        if context.configuration.subcommand == OwnReplay.name {
            guard let replay = settings.kind.replay else {
                throw SettingsError(
                    "STORE_KIND is \(settings.kind.name), whose dead letters 'tapeline dlq replay' "
                        + "stores")
            }
            return try replay(context)
        }
        let tape = try TapeSettings(context.configuration)
        let report = WriterReport()
        context.operations.addStatusSection("writer") { report.write(into: &$0) }
        context.telemetry.metrics.gauge(
            "mds_store_info", "1, with the store that this process writes, and its kind",
            by: "store, kind",
            labels: [("store", settings.store.text), ("kind", settings.kind.name)]
        ).set(1)
        context.readiness.set(ReadinessPart.tape, "the tape is not open yet")
        let client = try TapeClient.open(tape, context: context) { client throws(TapeError) in
            try client.requireStream(tape.names.barStream)
            for stream in 0..<TapeNames.tickStreams {
                try client.requireStream(tape.names.tickStream(stream))
            }
            // Other processes of the store may still read more.
            let own = Set(settings.inputs.map(\.reported))
            try GroupRegistry.open(client).register(
                settings.store, reads: own, kind: settings.kind.name,
                isNeeded: settings.isNeeded, widens: true)
            let all = try GroupRegistry.registrations(client)
            let kept = all.first { $0.group == settings.store }?.reads ?? own
            context.readiness.degrade("inputs", Self.surplus(kept.subtracting(own), settings.store))
        }
        guard let client else { return .success }
        defer { client.close() }
        let member = try GroupMember.Settings(
            context.configuration, group: settings.store, partitions: settings.partitions,
            operationsPort: context.operations.port)
        let writer = try Writer(settings, client: client, context: context, report: report) {
            ports in
            let member = try GroupMember(member, tape: tape, context: context, ports: ports)
            context.operations.addStatusSection("membership") { member.write(into: &$0) }
            return member
        }
        return try writer.run()
    }
}

extension GroupMember: WriterMembership {}
