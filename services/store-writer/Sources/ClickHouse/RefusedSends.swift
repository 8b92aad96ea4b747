import ClickHouseWire
import TapeTransport

/// What the server has refused of the declared batch of a place, until that is stored. It is not
/// sent again, so each try gets further than the one before, however short the time of a try is.
final class RefusedSends {
    /// So many sends of one batch may be refused. Then its table is at fault.
    static let sendsMax = 65_536

    /// The batch, by its token.
    private var batch = ""
    /// By the token of a send.
    private var errors: [String: ClickHouseError] = [:]

    /// Begins with a batch, unless it is the one that was begun.
    func begin(_ batch: String) {
        guard batch != self.batch else { return }
        self.batch = batch
        errors = [:]
    }

    func error(of token: String) -> ClickHouseError? { errors[token] }

    /// Returns false when there are too many.
    func note(_ error: ClickHouseError, of token: String) -> Bool {
        errors[token] = error
        return errors.count <= Self.sendsMax
    }

    func forget() { errors = [:] }
}
