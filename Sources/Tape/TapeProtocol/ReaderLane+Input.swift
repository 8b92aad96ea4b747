public import Primitives

// What a reader's lane gets from the server.
extension ReaderLane {
    /// What the server reports about the stream.
    public struct StreamBounds: Hashable, Sendable {
        public var created: Timestamp
        public var firstSequence: UInt64
        public var lastSequence: UInt64
        /// The stream has more than one copy.
        public var isReplicated: Bool

        public init(
            created: Timestamp, firstSequence: UInt64, lastSequence: UInt64, isReplicated: Bool
        ) {
            self.created = created
            self.firstSequence = firstSequence
            self.lastSequence = lastSequence
            self.isReplicated = isReplicated
        }
    }

    /// The position of a message on the tape, and how it was delivered.
    public struct Delivery: Hashable, Sendable {
        public var consumerNumber: UInt64
        public var sequence: UInt64
        /// The consumer's number of this delivery, from 1 without a break.
        public var consumerSequence: UInt64

        public init(consumerNumber: UInt64, sequence: UInt64, consumerSequence: UInt64) {
            self.consumerNumber = consumerNumber
            self.sequence = sequence
            self.consumerSequence = consumerSequence
        }
    }
}
