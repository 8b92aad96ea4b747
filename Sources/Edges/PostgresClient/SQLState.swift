/// A five-character code of the server: two characters of class, three of kind. A code without a
/// name here is kept, too.
public struct SQLState: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    /// Functions of our own schema raise it when the position has a higher owner's epoch.
    public static let fenced = SQLState(rawValue: "TL001")
    /// The database is that of another store.
    public static let takenByOther = SQLState(rawValue: "TL006")
    /// A table was switched on while groups of tables wait apart.
    public static let switchedOn = SQLState(rawValue: "TL007")
    /// Functions of our own schema raise these two when the position was not claimed with this
    /// epoch, and when it would go backwards.
    public static let unclaimed = SQLState(rawValue: "TL002")
    public static let backwards = SQLState(rawValue: "TL003")
    /// Functions of our own schema raise it for a time for which no time partition may be made.
    public static let timeOutOfRange = SQLState(rawValue: "TL010")
    public static let uniqueViolation = SQLState(rawValue: "23505")
    public static let checkViolation = SQLState(rawValue: "23514")
    public static let insufficientPrivilege = SQLState(rawValue: "42501")
    public static let queryCanceled = SQLState(rawValue: "57014")
    public static let adminShutdown = SQLState(rawValue: "57P01")
    public static let databaseDropped = SQLState(rawValue: "57P04")
    public static let lockNotAvailable = SQLState(rawValue: "55P03")
    public static let deadlockDetected = SQLState(rawValue: "40P01")
    /// Includes a full lock table.
    public static let outOfMemory = SQLState(rawValue: "53200")
    public static let configurationLimitExceeded = SQLState(rawValue: "53400")
    public static let readOnlyTransaction = SQLState(rawValue: "25006")
    public static let idleInTransaction = SQLState(rawValue: "25P03")
    public static let duplicateTable = SQLState(rawValue: "42P07")
    public static let invalidBinary = SQLState(rawValue: "22P03")
    public static let badCopyFormat = SQLState(rawValue: "22P04")

    /// The first two characters.
    public var errorClass: Substring { rawValue.prefix(2) }
    public var description: String { rawValue }
}

/// The way to handle an error.
public enum PostgresErrorCategory: String, Sendable, CaseIterable {
    /// The server or the network failed: the same work can succeed later.
    case retryable
    /// The rows are wrong: split the batch and set the bad ones aside.
    case data
    /// No time partition exists for the row: make it, then retry.
    case missingPartition
    /// Tables, columns, functions or permissions are not as expected: a person has to run the
    /// migration.
    case schema
    /// The position has a higher owner's epoch, by a new owner or by `accept_position`: drop the
    /// work.
    case fenced
    /// The server refused our credentials.
    case authentication
    /// Anything else: neither retrying nor setting rows aside helps.
    case fatal
}

extension SQLState {
    /// Returns the way to handle an error with this code. `constraint` and `table` are those of the
    /// server's report: a row without a time partition has the code of a violated check constraint,
    /// with a table and no constraint.
    func category(constraint: String?, table: String?) -> PostgresErrorCategory {
        switch self {
        case .fenced: .fenced
        // The row is another than the one that was claimed: a new claim begins with what is stored.
        case .unclaimed, .backwards, .takenByOther: .retryable
        case .checkViolation: constraint == nil && table != nil ? .missingPartition : .data
        case .readOnlyTransaction, .idleInTransaction: .retryable
        case .databaseDropped, .switchedOn: .schema
        // An error in the binary format, which we write: a column has another type, or there is one
        // more. It affects all rows in the same way.
        case .invalidBinary, .badCopyFormat: .schema
        case .timeOutOfRange: .data
        // A trigger, not ours, raised an error after it had checked the row.
        case SQLState(rawValue: "P0001"): .data
        default: Self.categories[String(errorClass)] ?? .fatal
        }
    }

    /// By the code's class. Codes of other classes are fatal.
    private static let categories: [String: PostgresErrorCategory] = [
        // Connection exception, transaction rollback (serialization, deadlock), insufficient
        // resources (disk full, too many clients), object not in prerequisite state (locks),
        // operator intervention (shutdown, timeout), system error (input/output).
        "08": .retryable, "40": .retryable, "53": .retryable, "55": .retryable,
        "57": .retryable, "58": .retryable,
        // A connection pooler between us and the server lost a statement.
        "26": .retryable,
        // Cardinality, data exception, integrity constraint, view check option, program limit
        // (an index row that is too large).
        "21": .data, "22": .data, "23": .data, "44": .data, "54": .data,
        // Feature not supported (an extension's edition), catalogue or schema name, and syntax,
        // undefined objects or missing permissions.
        "0A": .schema, "3D": .schema, "3F": .schema, "42": .schema,
        "28": .authentication,
    ]
}
