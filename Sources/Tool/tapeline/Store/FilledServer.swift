import MarketModel
import Primitives
import StoreHTTP
import StoreSinks
import TapeTransport

/// A table of a store into which rows are copied, with the columns of a sink.
struct FilledTable: Hashable {
    let name: String
    let sink: SinkName
    let columns: [Column]

    struct Column: Hashable {
        let name: String
        let kind: ColumnKind
    }

    init(_ sink: Sink) {
        name = sink.name == .bars ? ClickHouseTable.barVersions : sink.name.rawValue
        self.sink = sink.name
        columns = sink.storeColumns.map {
            Column(name: $0, kind: ColumnKind.of($0, in: sink.name))
        }
    }

    /// The tables, by the names that those of PostgreSQL have.
    static let all: [String: FilledTable] = {
        let sinks = Dictionary(
            uniqueKeysWithValues: SinkCatalogue().sinks.map { ($0.name, FilledTable($0)) })
        return FillTable.all.reduce(into: [:]) { tables, table in
            tables[table.name] = table.sink.flatMap { sinks[$0] }
        }
    }()
}

/// Rows of one table for a server.
struct FilledBlocks {
    var blocks: [any StoreBlock] = []
    /// The ordinals of rows for which a column has no room.
    var unfit: [Int64] = []
}

/// The row of a dead letter for a server: one of the two is there.
struct LetterBlock {
    let block: (any StoreBlock)?
    /// A column has no room for a value.
    let unfit: UnfitValue?
}

/// What the table `fills` says of ordinals.
struct FillNote {
    let lane: FillLane
    let ordinals: ClosedRange<Int64>
    /// How many rows were copied; 0: the other store lacks them, too.
    let rows: Int64
    let other: String
    /// When the stream was created.
    let streamCreated: Int64
}

/// The server of a store that is filled. It has no transactions, and a table `fills`.
protocol FilledServer: AnyObject {
    /// The name of its kind.
    var kind: String { get }
    /// The settings that say which database it has.
    var settingNames: String { get }
    var peer: String { get }
    /// The names of the tables that are there. A store has those that it takes, at least.
    var present: Set<String> { get }

    /// Which database it is, as the writer asks for it; empty: the server does not say so.
    func identity() throws(StoreServerError) -> String
    /// Returns what the tables name of lanes.
    func named() throws(StoreServerError) -> [FillLane: FilledStore.Named]
    /// Returns the ordinals of a step that have rows, ascending. These rows are to be there, or
    /// are.
    func ordinals(
        of step: FillPlan.Stretch, _ rows: [FillRows]
    ) throws(StoreServerError) -> [Int64]
    func blocks(_ rows: [FillRows.Row], of table: FilledTable) throws -> FilledBlocks
    func blocks(_ notes: [FillNote]) -> [any StoreBlock]
    /// Returns the row of a letter, by the index of its sink, that is stored at this time; `nil`:
    /// none can be made of it.
    func row(
        of letter: DeadLetter, _ catalogue: SinkCatalogue, sink: Int, at time: Timestamp
    ) -> LetterBlock?
    func insert(_ block: any StoreBlock, token: String) throws(StoreServerError)
    /// Throws unless what was inserted went into the tables that were there at the beginning.
    func confirm() throws(StoreServerError)
}
