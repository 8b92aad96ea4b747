/// The addresses at which the exchange is asked for its past. They have the same data, and not each
/// has every endpoint or answers everybody: the exchange documents `historicalTrades` for its own
/// address alone, and that one does not answer some countries. So a request that an address does
/// not answer goes to the next one. What one address answers is asked there first from then on.
package struct BinanceAddresses: Sendable {
    /// A longer list is refused.
    package static let countMax = 8

    private let all: [String]
    /// By endpoint: the place of the address that is asked first.
    private var first: [String: Int] = [:]

    /// `all`: `https://name[:port]` each, of which there is at least one.
    package init(_ all: [String]) {
        precondition(!all.isEmpty, "an exchange without an address")
        self.all = all
    }

    /// Returns the address of an attempt, from 0 on; `nil`: all were asked.
    package func address(of endpoint: String, attempt: Int) -> String? {
        attempt < all.count ? all[place(endpoint, attempt)] : nil
    }

    /// Takes note that the address of this attempt has the endpoint.
    package mutating func answered(_ endpoint: String, attempt: Int) {
        first[endpoint] = place(endpoint, attempt)
    }

    /// Whether a status says that an address does not have the endpoint, or does not answer this
    /// client. It says nothing of what was asked for.
    package static func isElsewhere(status: Int) -> Bool { [403, 404, 451].contains(status) }

    private func place(_ endpoint: String, _ attempt: Int) -> Int {
        ((first[endpoint] ?? 0) + attempt) % all.count
    }
}
