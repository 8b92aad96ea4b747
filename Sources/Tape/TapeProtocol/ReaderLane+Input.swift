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
        /// The number of messages that the consumer had still to deliver when it sent this one.
        package var pending: UInt64

        package init(
            consumerNumber: UInt64, sequence: UInt64, consumerSequence: UInt64,
            pending: UInt64 = .max
        ) {
            self.consumerNumber = consumerNumber
            self.sequence = sequence
            self.consumerSequence = consumerSequence
            self.pending = pending
        }
    }
}

// What a lane remembers of its pulls and of failures.
extension ReaderLane {
    struct Pull: Sendable {
        var number: UInt64
        /// How many messages it may still bring.
        var remaining: Int
        /// Whether the server sends heartbeats for it while there is no message.
        var hasHeartbeats: Bool
    }

    /// Returns whether an open pull asks for heartbeats. One at a time does, because the server
    /// sends them for each pull that does.
    package func asksForHeartbeats(pull number: UInt64) -> Bool {
        pulls.contains { $0.number == number && $0.hasHeartbeats }
    }

    /// What a 409 says that ends one pull but not the consumer.
    enum PullEnd: String {
        /// The pull has brought its messages.
        case batchCompleted = "Batch Completed"
        /// The next message has more bytes than the pull may still bring.
        case bytesExceeded = "Message Size Exceeds MaxBytes"

        /// Today's servers use these words exactly. They are compared first, without changing the
        /// case of the text, because one of them comes after at most `pullMessages` packets.
        func isSaid(by description: String) -> Bool {
            description == rawValue || description.lowercased().contains(rawValue.lowercased())
        }
    }

    struct Failures: Sendable {
        /// The number of failed attempts to open in a row.
        var opens: Int64 = 0
        /// The number of doubts since the last correct message. A server that refuses every pull
        /// must not be asked without a pause.
        var doubts: Int64 = 0

        /// Returns the wait after this many failures or doubts.
        static func wait(_ count: Int64) -> Int64 {
            min(retryNanosecondsMax, retryNanosecondsFirst << (count - 1))
        }
    }
}
