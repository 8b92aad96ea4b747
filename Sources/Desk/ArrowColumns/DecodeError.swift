package import MarketModel

/// Why rows cannot be given, and the place.
package struct DecodeError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Reason: Hashable, Sendable {
        /// An argument makes no sense.
        case invalid
        /// A file cannot be read.
        case unreadable
        /// Bytes are not what they must be.
        case damaged
        /// The ordinals `from` to `to` are missing.
        case hole
        /// The packet begins with `to`, below `from`, which must come next.
        case order
        /// The rows of the packet do not fit into the batch any more.
        case full
        /// A named limit was reached.
        case limit
    }

    package let reason: Reason
    /// One line for a person.
    package let description: String
    package var source: SourceName?
    package var partition: Partition?
    /// Ordinals, as the reason says; 0: none.
    package var from: UInt64 = 0
    package var to: UInt64 = 0
    /// The sequence of the packet's message, or the number of the packet in its recording; 0: none.
    package var sequence: UInt64 = 0
    /// The byte of the packet or of the file; `nil`: none.
    package var offset: Int?

    package init(_ reason: Reason, _ description: String) {
        self.reason = reason
        self.description = description
    }

    init(damage problem: String, at place: Int) {
        self.init(.damaged, problem)
        offset = place
    }
}
