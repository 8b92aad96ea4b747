internal import SQLiteStore
internal import StoreWriter

/// The store writer with a custom kind of store beside its own.
@main
enum Program {
    static func main() { StoreWriter.Main.run(stores: [SQLiteStore.kind]) }
}
