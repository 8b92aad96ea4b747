package import Primitives
package import TapeCodec

// Several lanes of one stream that have read all that is stored take their packets from one
// consumer, the *shared* one. A raw lane without an owner reads it (`openShared`), and each of its
// packets is handed to the lanes whose filters let it through (`sharedPacket`).
//
// Sharing proves no less than a consumer of the lane's own: the lane takes a packet of ticks only
// from a source whose last ordinal it knows, and only if the ordinals follow. For everything else
// it makes a consumer of its own again, at its position. Lanes of a stream with copies do not
// share.
extension ReaderLane {
    /// How far a lane has read.
    struct Reach: Sendable {
        /// The stream's last sequence before the consumer was made.
        var streamEnd: UInt64 = 0
        /// All messages of the lane up to this sequence were delivered. 0: not known, or the lane
        /// has far more to read.
        var through: UInt64 = 0
        /// Whether the stream has copies. The server of a consumer may be behind the leader that
        /// told `streamEnd`. Then "nothing pending" does not mean that all was delivered.
        var isReplicated = true

        /// Notes a delivery of the lane's own consumer, which delivers in the stream's order. With
        /// its last message, the lane has all that was stored before the consumer was made.
        mutating func delivered(_ delivery: Delivery) {
            if delivery.pending == 0 {
                through = max(delivery.sequence, streamEnd)
            } else {
                through = delivery.pending < ReaderLane.pullMessages ? delivery.sequence : 0
            }
        }
    }

    /// How near the tape's end a lane is.
    package enum Nearness: Hashable, Sendable {
        /// It takes what comes to the end.
        case atEnd
        /// Its stream or consumer is awaited, or the packet of its position.
        case opening
        /// It has more to read than that, or it does not read.
        case behind
    }

    /// How near the end the lane is. One whose consumer has delivered nothing yet is at the end: a
    /// consumer delivers what is stored immediately.
    package var nearness: Nearness {
        switch state {
        case .shared: .atEnd
        case .reading: reach.through > 0 || nextConsumerSequence == 1 ? .atEnd : .behind
        case .opening, .creating, .verifying: .opening
        case .closed, .stopped: .behind
        }
    }

    /// Up to which sequence the lane has taken all of its messages, if it can share a consumer from
    /// there on: it has read nearly all that is stored, and knows a source. Otherwise `nil`.
    package var sharableAfter: UInt64? {
        guard state == .reading, !isRaw, !reach.isReplicated, reach.through > 0, let position,
            !position.sources.isEmpty
        else { return nil }
        return max(reach.through, position.sequence)
    }

    /// Whether the lane takes its packets from a shared consumer.
    package var isShared: Bool { state == .shared }

    /// Gives up the lane's own consumer for a shared one, which delivers at least all of the lane's
    /// messages after `sharableAfter`.
    package mutating func share() {
        guard let after = sharableAfter else { return }
        reach.through = after
        consumerNumber += 1
        pulls = []
        state = .shared
    }

    /// Handles a packet of the shared consumer that passes the lane's filters.
    package mutating func sharedPacket(
        _ header: PacketHeader, at sequence: UInt64, now: MonotonicTime,
        into effects: inout [Effect]
    ) -> Verdict {
        // Before that the lane has read it itself, or is about to read it again.
        guard state == .shared, sequence > reach.through else { return .ignore }
        reach.through = sequence
        // Nothing proves that the first packet of a source follows.
        guard header.kind == .watermark || position?.source(header.source) != nil else {
            leave(now: now, into: &effects)
            return .ignore
        }
        let delivery = Delivery(
            consumerNumber: consumerNumber, sequence: sequence, consumerSequence: 0)
        return take(header, delivery, now: now, into: &effects) ? .deliver : .ignore
    }

    /// Makes a consumer of the lane's own again, at its position.
    package mutating func leave(now: MonotonicTime, into effects: inout [Effect]) {
        guard state == .shared else { return }
        consumerNumber += 1
        lastReceived = now
        state = .opening(retryAt: nil)
        effects.append(.readStream)
    }

    /// Opens the lane that reads a shared consumer, raw, after a sequence of the stream that was
    /// created at `created`. A stream that is another one, or ends before, is found as in every
    /// lane.
    package mutating func openShared(
        after sequence: UInt64, streamCreated created: Timestamp, into effects: inout [Effect]
    ) {
        guard state == .closed else { return }
        position = nil
        isRaw = true
        beginning = .first
        streamSequence = sequence
        streamCreated = created
        state = .opening(retryAt: nil)
        effects.append(.readStream)
    }
}
