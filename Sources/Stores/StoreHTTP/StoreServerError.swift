internal import HTTPClient

/// Why the server of a store was not asked, did not answer, or refused. One line, without a
/// password.
package struct StoreServerError: Error, Sendable, CustomStringConvertible {
    /// Whose fault it is.
    package enum Fault: Sendable {
        /// The server, or the way to it: later it may go well.
        case away
        /// Tables, rights or settings: a person mends them.
        case schema
        /// A row of the block.
        case rows
        /// The block is too large for the server, or for its time.
        case tooLarge
    }

    package let fault: Fault
    /// The server's code; `nil`: it did not say why.
    package let code: Int?
    package let description: String

    package init(_ description: String, _ fault: Fault, code: Int? = nil) {
        self.description = description
        self.fault = fault
        self.code = code
    }

    /// No answer.
    init(_ error: HTTPError, _ operation: String) {
        self.init("\(operation): \(error)", .away)
    }
}
