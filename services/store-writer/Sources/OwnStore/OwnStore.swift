import HotState
import ServiceRuntime
import StoreKit
import StoreSinks
import TapeTransport

extension StoreKind {
    /// A kind that another program brings.
    init(_ own: RowStoreKind) {
        self.init(
            name: own.name, keys: own.keys, rules: own.rules, make: { OwnStore(own, $0) })
        audit = { [kind = self] context in try OwnAudit(own, context, [kind]).run() }
        replay = { [kind = self] context in try OwnReplay.run(own, context, [kind]) }
        guard let makeTables = own.migrate else { return }
        migrate = { context in
            if context.configuration.subcommandFlags.contains(MigrateCommand.dryRun) {
                throw SettingsError(
                    "STORE_KIND is \(own.name), which cannot say what 'migrate' would change: run "
                        + "it without \(MigrateCommand.dryRun); nothing was changed")
            }
            let sinks = WriterSettings.catalogue(context.configuration).sinks
            try makeTables(
                context.configuration,
                sinks.map { ColumnWriter($0).table } + [SinkGap.table(of: [])])
            return .success
        }
    }
}

/// A store of a kind that another program brings.
struct OwnStore: Store {
    let kind: RowStoreKind
    let writer: WriterSettings
    let configuration: Configuration
    let letters: DeadLetterOutput
    /// Empty columns, for each sink that is switched on.
    let writers: [ColumnWriter]

    init(_ kind: RowStoreKind, _ parts: StoreKind.Context) {
        self.kind = kind
        writer = parts.settings
        configuration = parts.service.configuration
        letters = parts.letters
        writers = writer.sinks.sinks.map { ColumnWriter($0) }
    }

    func session(owner: String, beat: ThreadBeat) -> any StoreSession {
        OwnSession(self, owner: owner, beat: beat)
    }

    func startUpkeep(_ threads: inout [ServiceThread]) {}

    func startFilling(_ hot: HotOutput, life: Duration) -> ServiceThread? { nil }
}

/// An error of such a store, or a promise of it that is not kept.
struct OwnStoreError: Error, CustomStringConvertible {
    let description: String
    let fault: StoreFault
    /// Whether the same work may succeed in smaller batches.
    var isTooMuchAtOnce = false

    /// As a worker handles it. Rows that are refused are dead letters before it comes to that.
    var asStoreError: StoreError {
        let category: StoreError.Category =
            switch fault {
            case .away, .rows, .tooLarge: .retryable
            case .schema: .schema
            case .fatal: .fatal
            }
        return .failed(
            StoreError.Failure(
                category: category, isTooMuchAtOnce: isTooMuchAtOnce || fault == .tooLarge,
                cause: self))
    }
}

extension StoreError {
    /// The error of a user's store; `nil` when it is another one.
    var ofOwnStore: OwnStoreError? { failure?.cause as? OwnStoreError }
}
