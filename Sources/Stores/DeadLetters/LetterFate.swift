/// What becomes of a letter that is replayed.
package enum LetterFate: Equatable, Sendable {
    case stored
    /// The outcome of `--dry-run` for a letter that would be stored.
    case storable
    /// The row is already stored.
    case present
    /// Retention has dropped the rows of that time.
    case retired
    /// The writer has not reached the tick, or has not committed it.
    case ahead
    case unknown
    /// The writer never read it: the tape lacked it, and a gap of the books names it.
    case missing
    /// Its batch is stored, and did not set it aside.
    case passed
    case undecodable
    /// Refused before the tape, so the books have no position for it.
    case untaped
    /// Its store is of another kind than the one that is asked.
    case elsewhere
    case refused(String)

    /// Whether the row is, or would be, in the database.
    package var isFine: Bool {
        switch self {
        case .stored, .storable, .present: true
        case .retired, .ahead, .unknown, .missing, .passed, .undecodable, .untaped, .elsewhere,
            .refused:
            false
        }
    }

    /// The name for programs and for counting.
    package var word: String {
        switch self {
        case .stored: "stored"
        case .storable: "storable"
        case .present: "present"
        case .retired: "retired"
        case .ahead: "ahead"
        case .unknown: "unknown"
        case .missing: "missing"
        case .passed: "passed"
        case .undecodable: "undecodable"
        case .untaped: "untaped"
        case .elsewhere: "elsewhere"
        case .refused: "refused"
        }
    }

    /// What a person reads after the id of the letter.
    package var sentence: String {
        switch self {
        case .stored: "stored"
        case .storable: "would be stored"
        case .present: "is there already"
        case .retired: "is of a time that retention has dropped, and is not stored again"
        case .ahead: "not yet settled by the writer: try again when it has no lag"
        case .unknown: "nothing of its source is in the books of this database"
        case .missing: "is in a gap of the books, which 'tapeline store fill' closes"
        case .passed:
            "was not set aside by the batch that is stored: its row is there, or a gap names it"
        case .undecodable: "no row can be made of it"
        case .untaped:
            "never was on the tape, so it has no place in the books: set the clock right and "
                + "let the provider's history fill its time"
        case .elsewhere:
            "is of a store of another kind: set its STORE_KIND, or let the program that has the "
                + "kind run 'store-writer replay'"
        case .refused(let reason): "refused again: \(reason)"
        }
    }
}
