import ServiceRuntime
import TapeTransport

/// A kind of store that a writer can be told to use, by its name in STORE_KIND.
///
/// A program that has another kind passes it to the writer that it runs. The writer then checks the
/// kind's settings with all others, and shows them in `--help`.
struct StoreKind: Sendable {
    /// What a store gets from the writer when it is made.
    struct Context: Sendable {
        let settings: WriterSettings
        let service: ServiceContext
        let client: TapeClient
        /// The output for the records that the store refuses.
        let letters: DeadLetterOutput
    }

    let name: String
    /// Whether a store of this kind is needed, unless STORE_NEEDED says otherwise.
    var isNeeded = false
    /// The keys of the kind's own settings.
    var keys: [ConfigurationKey] = []
    /// The rules for these keys. They are checked when STORE_KIND names the kind.
    var rules: [ConfigurationRule] = []
    /// How long rows wait for others at least, in a store that wants large batches.
    var batchWaitMin = Duration.zero
    /// Makes the tables or brings them up to date; `nil`: there is nothing to do before a start.
    var migrate: (@Sendable (ServiceContext) throws -> ExitCode)?
    /// Says whether the rows are those that the positions count; `nil`: `tapeline audit` does it.
    var audit: (@Sendable (ServiceContext) throws -> ExitCode)?
    /// Makes rows of its dead letters; `nil`: `tapeline dlq replay` does it.
    var replay: (@Sendable (ServiceContext) throws -> ExitCode)?
    /// Makes the store of a process. It connects to nothing before a session is opened.
    let make: @Sendable (Context) throws -> any Store

    /// The kinds of the product. Another program passes more of them to `Main.run`.
    static let ofThisProgram: [StoreKind] = [.postgres, .clickhouse, .questdb]

    /// Returns its rules, which say nothing when another kind is used.
    var ownRules: [ConfigurationRule] {
        rules.map { [name] rule in
            ConfigurationRule(reads: rule.reads?.union(["STORE_KIND"])) { configuration in
                configuration.text("STORE_KIND") == name ? rule.problem(configuration) : nil
            }
        }
    }
}
