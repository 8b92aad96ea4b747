/// A five-character code of the server: two of class, three of kind. Unknown codes survive.
public struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    /// Raised by the functions of our own schema when a higher epoch owns the position.
    public static let fenced = SQLState(rawValue: "TL001")
    /// Raised by them for a time that may get no partition.
    public static let timeOutOfRange = SQLState(rawValue: "TL010")
    public static let uniqueViolation = SQLState(rawValue: "23505")
    public static let checkViolation = SQLState(rawValue: "23514")
    public static let insufficientPrivilege = SQLState(rawValue: "42501")
    public static let queryCanceled = SQLState(rawValue: "57014")
    public static let adminShutdown = SQLState(rawValue: "57P01")
    public static let databaseDropped = SQLState(rawValue: "57P04")
    public static let lockNotAvailable = SQLState(rawValue: "55P03")
    /// The lock table is full, too.
    public static let outOfMemory = SQLState(rawValue: "53200")
    public static let configurationLimitExceeded = SQLState(rawValue: "53400")
    public static let readOnlyTransaction = SQLState(rawValue: "25006")
    public static let idleInTransaction = SQLState(rawValue: "25P03")
    public static let duplicateTable = SQLState(rawValue: "42P07")
    public static let invalidBinary = SQLState(rawValue: "22P03")
    public static let badCopyFormat = SQLState(rawValue: "22P04")

    public var errorClass: Substring { rawValue.prefix(2) }
    public var description: String { rawValue }
}

/// What to do about an error.
public enum PostgresErrorCategory: String, Sendable, CaseIterable {
    /// The server or the way to it is the trouble: the same work can succeed later.
    case retryable
    /// The rows are the trouble: split the batch and set the bad ones aside.
    case data
    /// No time partition takes the row: make it, then retry.
    case missingPartition
    /// Tables, columns, functions or rights are not as expected: a person runs the migration.
    case schema
    /// A successor with a higher epoch has taken over: drop the work.
    case fenced
    /// The server refuses who we are.
    case authentication
    /// Neither of these: retrying helps as little as setting rows aside.
    case fatal
}

extension SQLState {
    /// `constraint` and `table` are what the server named: a row without a time partition has the
    /// code of a violated check constraint, but names the table alone.
    func category(constraint: String?, table: String?) -> PostgresErrorCategory {
        switch self {
        case .fenced: .fenced
        case .checkViolation: constraint == nil && table != nil ? .missingPartition : .data
        case .readOnlyTransaction, .idleInTransaction: .retryable
        case .databaseDropped: .schema
        // Of the binary format, which is our own: a column has another type, or there is one more.
        // No row is better than the others then.
        case .invalidBinary, .badCopyFormat: .schema
        case .timeOutOfRange: .data
        // RAISE in somebody's trigger that looked at the row.
        case SQLState(rawValue: "P0001"): .data
        default: Self.categories[String(errorClass)] ?? .fatal
        }
    }

    private static let categories: [String: PostgresErrorCategory] = [
        // Connection exception, transaction rollback (serialization, deadlock), insufficient
        // resources (disk full, too many clients), object not in prerequisite state (locks),
        // operator intervention (shutdown, time-out), system error (input/output).
        "08": .retryable, "40": .retryable, "53": .retryable, "55": .retryable,
        "57": .retryable, "58": .retryable,
        // A pooler between us and the server forgot a statement.
        "26": .retryable,
        // Cardinality, data exception, integrity constraint, view check option, program limit
        // (an index row that is too large).
        "21": .data, "22": .data, "23": .data, "44": .data, "54": .data,
        // Feature not supported (an extension's edition), catalogue or schema name, and syntax,
        // undefined objects or missing rights.
        "0A": .schema, "3D": .schema, "3F": .schema, "42": .schema,
        "28": .authentication,
    ]
}
