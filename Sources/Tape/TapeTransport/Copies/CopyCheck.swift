internal import MarketModel
internal import Primitives
internal import TapeCodec
internal import TapeProtocol

/// Compares one server's copy of a stream of the tape with the others, message by message, and
/// checks its packets: checksums, and the ordinals of each subject.
///
/// Pure: the caller reads the copies.
package struct CopyCheck {
    /// What is wrong at one sequence.
    package enum Finding: Equatable, Sendable {
        /// The copy lacks a message that another copy has.
        case missing
        /// The copy holds another message than most.
        case differs
        /// The packet does not fit its checksum, and the copy alone has it so.
        case damaged
        /// No other copy has it.
        case extra
        /// No copy has a packet that fits its checksum.
        case damagedEverywhere
        /// The ordinals of the subject do not follow those of the packet before.
        case hole(expected: UInt64, found: UInt64)
    }

    package struct Place: Equatable, Sendable {
        package let sequence: UInt64
        package let finding: Finding
        /// Of a hole: the sequence of the subject's packet before.
        package let before: UInt64?

        package init(sequence: UInt64, finding: Finding, before: UInt64? = nil) {
            self.sequence = sequence
            self.finding = finding
            self.before = before
        }

        /// The first sequence that has to be read again to find it once more.
        package var start: UInt64 { before ?? sequence }
    }

    /// The most findings that are kept. More than that many are a copy that is wrong as a whole.
    package static let placesMax = 1_000
    /// The most subjects whose ordinals are followed; a tape of 32 partitions and 1,000 sources has
    /// as many.
    private static let subjectsMax = 65_536

    /// The server whose copy is checked; `nil` where there is no cluster.
    package let server: String?
    package private(set) var places: [Place] = []
    package private(set) var isFull = false
    package private(set) var messages: UInt64 = 0
    package private(set) var bytes: UInt64 = 0
    /// The sequence up to which the copy was read.
    package private(set) var last: UInt64 = 0
    /// The last packet of each subject.
    private var lasts: [String: Last] = [:]

    private struct Last {
        var sequence: UInt64
        var nextOrdinal: UInt64
    }

    package init(server: String?) { self.server = server }

    /// Takes what the copies hold at a sequence; `nil`: the copy has no message there. Of two other
    /// copies one may be broken, too: what one of them confirms is right.
    package mutating func take(
        _ sequence: UInt64, own: CopyReader.Message?, others: [CopyReader.Message?]
    ) {
        last = max(last, sequence)
        guard let own else { return note(sequence, .missing) }
        messages += 1
        bytes += UInt64(own.payload.count)
        let standing = others.compactMap { $0 }
        if !others.isEmpty, standing.isEmpty { note(sequence, .extra) }
        let header = Self.header(own.payload)
        let isOdd = !standing.isEmpty && standing.allSatisfy { !$0.isSame(as: own) }
        if header == nil {
            let isGoodElsewhere = standing.contains { Self.header($0.payload) != nil }
            note(sequence, isGoodElsewhere ? .damaged : .damagedEverywhere)
        } else if isOdd {
            note(sequence, .differs)
        }
        if let header { follow(own.subject, header, sequence) }
    }

    /// Checks that the ordinals are dense. The packet of a marker may begin later: it names the
    /// ordinals that the tape lost before.
    private mutating func follow(_ subject: String, _ header: PacketHeader, _ sequence: UInt64) {
        if let last = lasts[subject], header.firstOrdinal != last.nextOrdinal,
            header.tickCount > 0, !header.flags.contains(.epochMarker)
        {
            note(
                sequence, .hole(expected: last.nextOrdinal, found: header.firstOrdinal),
                after: last.sequence)
        }
        guard lasts[subject] != nil || lasts.count < Self.subjectsMax else { return }
        lasts[subject] = Last(sequence: sequence, nextOrdinal: header.nextOrdinal)
    }

    private mutating func note(
        _ sequence: UInt64, _ finding: Finding, after before: UInt64? = nil
    ) {
        guard places.count < Self.placesMax else {
            isFull = true
            return
        }
        places.append(Place(sequence: sequence, finding: finding, before: before))
    }

    /// Removes the findings about what a purge has taken: the stream begins at `first` by now. Of a
    /// hole whose packet before is gone nobody can tell what was between.
    package mutating func clear(below first: UInt64) {
        places.removeAll { $0.start < first }
        isFull = isFull && places.count >= Self.placesMax
    }

    /// Removes the findings at a sequence: a later look has shown that there is nothing wrong.
    package mutating func clear(_ sequence: UInt64) { places.removeAll { $0.sequence == sequence } }

    private static func header(_ payload: [UInt8]) -> PacketHeader? {
        do throws(PacketError) {
            return try payload.withRawSpan { span throws(PacketError) in
                try PacketReader.validate(span)
            }
        } catch {
            return nil
        }
    }
}
