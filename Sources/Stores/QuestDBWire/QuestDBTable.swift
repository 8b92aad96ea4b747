/// A column of a table of QuestDB.
package struct QuestDBColumn: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// A text that few rows have alone.
        case symbol
        case varchar
        case long
        case boolean
        case decimal(precision: Int, scale: Int)
        /// Nanoseconds since 1970.
        case time
    }

    package let name: String
    package let kind: Kind

    package init(_ name: String, _ kind: Kind) {
        self.name = name
        self.kind = kind
    }

    /// The type as the server writes it.
    package var type: String {
        switch kind {
        case .symbol: "SYMBOL"
        case .varchar: "VARCHAR"
        case .long: "LONG"
        case .boolean: "BOOLEAN"
        case .decimal(let precision, let scale): "DECIMAL(\(precision),\(scale))"
        case .time: "TIMESTAMP_NS"
        }
    }
}

/// A table of QuestDB.
package struct QuestDBTable: Hashable, Sendable {
    /// By what it is divided into partitions.
    package enum Division: String, Sendable {
        case days = "DAY"
        case months = "MONTH"
        case years = "YEAR"
    }

    package let name: String
    package let columns: [QuestDBColumn]
    /// The column with the designated timestamp.
    package let time: String
    package let division: Division
    /// The columns that identify a row: a row with the same ones replaces it.
    package let keys: [String]

    package init(
        name: String, columns: [QuestDBColumn], time: String, division: Division, keys: [String]
    ) {
        self.name = name
        self.columns = columns
        self.time = time
        self.division = division
        self.keys = keys
    }

    /// Makes it, unless it is there.
    package var creation: String {
        """
        CREATE TABLE IF NOT EXISTS \(Self.quoted(name)) (
        \(columns.map { "    \(Self.quoted($0.name)) \($0.type)" }.joined(separator: ",\n"))
        ) TIMESTAMP(\(Self.quoted(time))) PARTITION BY \(division.rawValue) WAL
        DEDUP UPSERT KEYS(\(keys.map(Self.quoted).joined(separator: ", ")))
        """
    }

    /// Names what its rows are for: they are equal where it is equal.
    package var layout: String { "\(name)(\(columns.map { "\($0.name) \($0.type)" }))" }

    /// A name as it stands in a statement: some names of columns are words of the language.
    package static func quoted(_ name: String) -> String { "\"\(name)\"" }
}

/// Which database it is, also after a restart, or with older rows from a backup.
package enum QuestDBIdentity {
    package static let table = "store_identity"

    /// Gives the database a name of its own, once.
    package static let creation =
        "CREATE TABLE IF NOT EXISTS \(table) AS (SELECT rnd_uuid4() AS identity "
        + "FROM long_sequence(1))"
    package static let question = "SELECT identity FROM \(table)"
}
