/// What a store's table has of one source in one partition, as `store-writer audit` asks for it.
public struct StoredOrdinals: Sendable, Equatable {
    public var source: String
    public var rows: Int64
    /// How many different ordinals the rows have, the least of them, and the greatest.
    public var ordinals: Int64
    public var first: Int64
    public var last: Int64

    public init(source: String, rows: Int64, ordinals: Int64, first: Int64, last: Int64) {
        self.source = source
        self.rows = rows
        self.ordinals = ordinals
        self.first = first
        self.last = last
    }
}
