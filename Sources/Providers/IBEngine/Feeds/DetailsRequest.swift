internal import IBProtocol
internal import Primitives

/// The request for the details of a contract, which comes before all others of its instrument.
struct DetailsRequest: Sendable {
    enum Phase: Hashable, Sendable {
        /// They are not requested yet.
        case unknown
        /// They were requested, with this number.
        case asked(Int32)
        /// The details came, or nothing came in time. The instrument's data can be requested.
        case settled
        /// The provider refused them, or several contracts answered. No data are requested, and the
        /// details are requested again after an hour.
        case refused
    }

    var phase = Phase.unknown
    /// When an open request is given up, or the next one is made, monotonic.
    var due = MonotonicTime.distantPast
    /// The provider has sent details of the contract. So the first reports that there is no such
    /// contract are not believed.
    var isContractKnown = false
    /// The number of contracts in the answer.
    private var found = 0
    /// The details of the only contract so far; `nil`: none came, or those of several.
    private var candidate: ContractDetails?

    var isSettled: Bool { phase == .settled }

    /// Notes a request. One for new hours does not delay the data of a known contract.
    mutating func ask(_ request: Int32) {
        (found, candidate) = (0, nil)
        if !isSettled { phase = .asked(request) }
    }

    /// Takes the details of one of the contracts to which the request fits.
    mutating func add(_ details: ContractDetails) {
        found = min(found + 1, 1_000)
        candidate = found == 1 ? details : nil
    }

    /// Returns the number of contracts in the complete answer, and the details of the only one:
    /// when several contracts answer, it is not known which one is meant.
    mutating func takeAnswer() -> (found: Int, only: ContractDetails?) {
        defer { candidate = nil }
        return (found, candidate)
    }

    /// The data can be requested. The details are requested again at `due`.
    mutating func settle(until due: MonotonicTime) { (phase, self.due) = (.settled, due) }

    /// Forgets what another connection said: an open request, and a refusal.
    mutating func disconnected() {
        if !isSettled { (phase, due) = (.unknown, .distantPast) }
    }
}
