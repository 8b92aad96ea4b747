/// A proof of a store, for its tests: it runs a store through what happens to writers, and says
/// whether each row is there exactly once.
///
///     try StoreProof(seed: 7, connect: { try MyStore(path) }, rows: { try allRows(of: $0) }).run()
///
/// Owners write batches of rows with values of each type. They die within a transaction, lose its
/// answer, repeat it, try rows without effect, sleep while another one takes over, and change one
/// mark together. After each restart the marks and all rows are compared with what they have to be.
/// All of it follows from the seed.
///
/// It calls the store on one thread. It cannot stop a process, or cut the power, between `settle`
/// and the end of the commit: that is the store's own database to prove.
public struct StoreProof {
    /// The places that have marks, beside those that two owners claim first together.
    static let placesMax = 4
    /// How often two batches meet, and two first claims. One of them may wait for its own deadline
    /// each time.
    static let meetingsMax = 2

    let seed: UInt64
    let connect: () throws -> any RowStore
    let rows: (_ table: String) throws -> [[String?]]
    let refused: StoreTable?

    /// The store is empty at first. `connect` opens it; several connections are open together.
    /// `rows` returns all rows of a table of it in any order, each value as `StoreColumn.text` has
    /// it, in the order of the columns; none for a table that it does not have. `refused` is a
    /// table with a row that the store refuses (`StoreFault.rows`), if it refuses any.
    public init(
        seed: UInt64, connect: @escaping () throws -> any RowStore,
        rows: @escaping (_ table: String) throws -> [[String?]], refused: StoreTable? = nil
    ) {
        self.seed = seed
        self.connect = connect
        self.rows = rows
        self.refused = refused
    }

    /// Why a store is refused.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Runs this number of steps. Throws a `Failure` when the store breaks a promise.
    public func run(steps: Int = 200) throws {
        var world = ProofWorld(self)
        for step in 0..<steps {
            do {
                try world.act()
            } catch {
                throw Failure(description: "seed \(seed), step \(step): \(error)")
            }
        }
        do {
            try world.restart()
        } catch {
            throw Failure(description: "seed \(seed), at the end: \(error)")
        }
    }
}
