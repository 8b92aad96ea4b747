public import ServiceRuntime

/// A kind of store of one's own, which STORE_KIND names.
///
/// A program passes it to the writer that it runs: `StoreWriter.Main.run(stores: [kind])`. The
/// writer then checks the kind's settings with all others, and shows them in `--help`. No process
/// waits for such a store, unless STORE_NEEDED says so.
public struct RowStoreKind: Sendable {
    public var name: String
    /// The keys of the kind's own settings.
    public var keys: [ConfigurationKey]
    /// The rules for these keys. They are checked when STORE_KIND names the kind.
    public var rules: [ConfigurationRule]
    /// Makes the tables or brings them up to date, for `store-writer migrate`: all that are
    /// switched on, here without rows. It is not called for `--dry-run`, which is refused. `nil`:
    /// there is nothing to do before a start.
    public var migrate: (@Sendable (Configuration, [StoreTable]) throws -> Void)?
    /// Connects. The connection ends with the last reference to it.
    public var connect: @Sendable (Configuration) throws -> any RowStore

    public init(
        name: String, keys: [ConfigurationKey] = [], rules: [ConfigurationRule] = [],
        migrate: (@Sendable (Configuration, [StoreTable]) throws -> Void)? = nil,
        connect: @escaping @Sendable (Configuration) throws -> any RowStore
    ) {
        self.name = name
        self.keys = keys
        self.rules = rules
        self.migrate = migrate
        self.connect = connect
    }
}
