import StoreHTTP

/// What the server has answered to sends of the declared batch of a place, until that is stored.
/// They are not sent again, so each try gets further than the one before, however short the time of
/// a try is.
final class AnsweredSends {
    /// So many sends of one batch may be refused. Then its table is at fault.
    static let refusedMax = 65_536

    /// The batch, by its token.
    private var batch = ""
    /// The tables for which answers were given.
    private var tables = ""
    /// By the token of a send, why it was refused.
    private var errors: [String: StoreServerError] = [:]
    /// The tokens of sends whose rows are stored, and will be after a crash of the server, if it
    /// was as it has to be (`BlockServer.confirm`). They are fewer than the refused ones, and one
    /// for each block.
    private var stored: Set<String> = []

    /// Begins with a batch, unless it is the one that was begun. What other tables took counts no
    /// more.
    func begin(_ batch: String, _ tables: String) {
        if batch != self.batch { forget() }
        if tables != self.tables { stored = [] }
        (self.batch, self.tables) = (batch, tables)
    }

    func error(of token: String) -> StoreServerError? { errors[token] }
    func isStored(_ token: String) -> Bool { stored.contains(token) }

    /// Returns false when too many are refused.
    func refuse(_ token: String, _ error: StoreServerError) -> Bool {
        errors[token] = error
        return errors.count <= Self.refusedMax
    }

    func store(_ token: String) { stored.insert(token) }

    /// What it has stored may be gone. What it has refused it refuses again.
    func doubt() { stored = [] }

    func forget() { (errors, stored) = ([:], []) }
}
