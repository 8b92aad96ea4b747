package import NatsTransport
internal import Primitives

/// Reads the copy of a stream on one server beside the other copies, at a given pace.
package struct CopyVerification {
    /// How fast it reads, and where it begins.
    package struct Pace: Equatable, Sendable {
        /// Payload bytes of all copies together.
        package var bytesPerSecond: UInt64
        /// The first sequence that is read.
        package var from: UInt64 = 1

        package init(bytesPerSecond: UInt64) { self.bytesPerSecond = bytesPerSecond }
    }

    /// The most sequences with findings that are looked at again.
    static let againMax = 32
    private static let againWait = Duration.seconds(1)
    /// The shortest time for which it is worth to wait.
    private static let pauseMin = Duration.milliseconds(5)

    private let jetStream: JetStream
    private let pace: Pace
    /// Waits for this long. Returns true when the run is to end.
    private let wait: (Duration) -> Bool
    private let begun = ContinuousClock.now

    package init(_ jetStream: JetStream, _ pace: Pace, wait: @escaping (Duration) -> Bool) {
        self.jetStream = jetStream
        self.pace = pace
        self.wait = wait
    }

    /// Checks the copy of the stream on `server`; `nil` where there is no cluster. Messages that
    /// are stored from now on are not read. Returns `nil` when the run was ended.
    package func check(
        _ stream: StreamInfo, on server: String?
    ) throws(JetStreamError) -> CopyCheck? {
        var check = CopyCheck(server: server)
        let name = stream.configuration.name
        let others = (stream.copies?.servers ?? []).filter { $0 != server }
        var readers: [CopyReader] = []
        defer { for reader in readers { reader.close() } }
        let from = max(pace.from, stream.firstSequence)
        guard stream.messages > 0, from <= stream.lastSequence else { return check }
        let own = try CopyReader(jetStream, stream: name, server: server, from: from)
        readers.append(own)
        for other in others {
            readers.append(try CopyReader(jetStream, stream: name, server: other, from: from))
        }
        var turns = 0
        while let sequence = try Self.next(readers), sequence <= stream.lastSequence {
            var found: [CopyReader.Message?] = []
            for reader in readers { found.append(try Self.take(reader, sequence)) }
            check.take(
                sequence, own: found[0],
                others: Array(found.dropFirst()))
            if check.isFull { check.clear(below: try firstSequence(name)) }
            guard !check.isFull else { return check }
            turns += 1
            guard turns % CopyReader.batch == 0 else { continue }
            guard !pauseIsEnd(readers) else { return nil }
        }
        guard !check.places.isEmpty else { return check }
        return try lookAgain(&check, stream, others) ? check : nil
    }

    /// Returns the lowest sequence that any copy has next.
    private static func next(_ readers: [CopyReader]) throws(JetStreamError) -> UInt64? {
        var lowest: UInt64?
        for reader in readers {
            guard let sequence = try reader.peek()?.sequence else { continue }
            lowest = min(lowest ?? sequence, sequence)
        }
        return lowest
    }

    private static func take(
        _ reader: CopyReader, _ sequence: UInt64
    ) throws(JetStreamError) -> CopyReader.Message? {
        guard let message = try reader.peek(), message.sequence == sequence else { return nil }
        reader.take()
        return message
    }

    /// Waits until the bytes that were read fit the pace.
    private func pauseIsEnd(_ readers: [CopyReader]) -> Bool {
        let bytes = readers.reduce(0) { $0 + $1.bytes }
        let due = Duration.seconds(Double(bytes) / Double(max(1, pace.bytesPerSecond)))
        let left = begun + due - .now
        return left > Self.pauseMin ? wait(left) : wait(.zero)
    }

    // MARK: again

    /// Purges reach the copies one after the other, and a copy may have been behind. So what was
    /// missing is looked up again a moment later: a message that no copy has any more was purged.
    /// Returns false when the run was ended.
    private func lookAgain(
        _ found: inout CopyCheck, _ stream: StreamInfo, _ others: [String]
    ) throws(JetStreamError) -> Bool {
        guard !wait(Self.againWait) else { return false }
        let name = stream.configuration.name
        found.clear(below: try firstSequence(name))
        for sequence in Set(found.places.map(\.sequence)).sorted().prefix(Self.againMax) {
            guard let place = found.places.first(where: { $0.sequence == sequence }) else {
                continue
            }
            switch place.finding {
            case .missing, .extra:
                var again: [Bool] = []
                for server in [found.server] + others.map(Optional.some) {
                    again.append(try isThere(sequence, name, server))
                }
                if Set(again).count == 1 { found.clear(sequence) }
            // A purge of the subject alone has taken the packet before.
            case .hole:
                if let before = place.before, try !isThere(before, name, found.server) {
                    found.clear(sequence)
                }
            case .differs, .damaged, .damagedEverywhere: continue
            }
        }
        return true
    }

    private func firstSequence(_ name: String) throws(JetStreamError) -> UInt64 {
        try jetStream.streamInfo(name)?.firstSequence ?? 0
    }

    private func isThere(
        _ sequence: UInt64, _ name: String, _ server: String?
    ) throws(JetStreamError) -> Bool {
        let reader = try CopyReader(jetStream, stream: name, server: server, from: sequence)
        defer { reader.close() }
        return try Self.take(reader, sequence) != nil
    }
}
