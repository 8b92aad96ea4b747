package import Primitives

// What a reader's lane gets from the server, as `TapeReaders` hands it over.
extension ReaderLane {
    /// What the server reports about the stream.
    package struct StreamBounds: Hashable, Sendable {
        /// When the stream was created, by the server's wall clock.
        package var created: Timestamp
        package var firstSequence: UInt64
        package var lastSequence: UInt64
        /// The stream has more than one copy.
        package var isReplicated: Bool

        package init(
            created: Timestamp, firstSequence: UInt64, lastSequence: UInt64, isReplicated: Bool
        ) {
            self.created = created
            self.firstSequence = firstSequence
            self.lastSequence = lastSequence
            self.isReplicated = isReplicated
        }
    }

    /// The place of a message on the tape, and how it was delivered.
    package struct Delivery: Hashable, Sendable {
        /// The lane's number of the consumer that delivered the message.
        package var consumerNumber: UInt64
        /// The message's sequence in the stream.
        package var sequence: UInt64
        /// The consumer's number of this delivery. It counts from 1 without a break.
        package var consumerSequence: UInt64

        package init(consumerNumber: UInt64, sequence: UInt64, consumerSequence: UInt64) {
            self.consumerNumber = consumerNumber
            self.sequence = sequence
            self.consumerSequence = consumerSequence
        }
    }
}
