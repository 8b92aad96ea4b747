internal import MarketModel
internal import Membership
internal import NatsTransport
internal import Primitives
internal import TapeCodec
internal import TapeProtocol
internal import TapeTransport

/// Collects the facts about a stream before a purge. It blocks for some tens of requests.
struct StreamSurvey {
    /// The most consecutive markers that are all kept. Beyond this number only the newest is kept,
    /// so that a source that only restarts does not prevent purges.
    static let pinsMax = 64

    let client: TapeClient
    let jetStream: JetStream
    let stream: String
    let info: StreamInfo

    /// The partitions whose readers read this stream, and by which input.
    struct Readers {
        let input: ReaderPosition.Input
        let partitions: [Partition]

        init(_ names: TapeNames, stream: String) {
            let all = (0..<names.partitions).map { Partition($0) }
            guard stream != names.barStream else {
                input = .bars
                partitions = all
                return
            }
            input = .ticks
            partitions = all.filter { names.tickStream(of: $0) == stream }
        }
    }

    /// Collects the facts. Nothing younger than `keep` counts as old enough; zero: everything does.
    func facts(
        _ groups: [RegisteredGroup], keep: Duration, now: Timestamp
    ) throws -> PurgeFacts {
        let readers = Readers(client.names, stream: stream)
        // The floors are read first: whatever is appended meanwhile has higher sequences.
        let floors = try groups.filter { $0.reads.contains(readers.input) }.flatMap { group in
            try readers.partitions.map { try floor(group, $0, readers.input) }
        }
        return PurgeFacts(
            firstSequence: info.firstSequence, lastSequence: info.lastSequence,
            agedBelow: keep > .zero
                ? try agedBelow(now.nanoseconds &- keep.clampedNanoseconds) : info.lastSequence + 1,
            subjects: try subjects(readers), floors: floors,
            hasStore: groups.contains(where: \.group.isStore))
    }

    // MARK: groups

    /// Returns how far the group has read the partition, with proof.
    private func floor(
        _ group: RegisteredGroup, _ partition: Partition, _ input: ReaderPosition.Input
    ) throws -> PurgeFacts.Floor {
        let position = group.positions.first { $0.input == input && $0.partition == partition }
        var standing: PacketIdentity?
        if let position, position.durable > 0, position.proof?.streamCreated == info.created {
            standing = try identity(position.sequence)
        }
        var floor = PurgeFacts.Floor(
            group: group.group, partition: partition, position: position,
            streamCreated: info.created, standing: standing)
        if position == nil, let problem = group.problem { floor.reason = "\(problem)" }
        floor.isNeeded = group.isNeeded
        return floor
    }

    /// Returns which packet is stored at the sequence; `nil` when none is.
    private func identity(_ sequence: UInt64) throws -> PacketIdentity? {
        guard let message = try jetStream.message(stream: stream, sequence: sequence) else {
            return nil
        }
        return header(message)?.identity
    }

    private func header(_ message: StoredMessage) -> PacketHeader? {
        do throws(PacketError) {
            return try message.payload.withRawSpan { span throws(PacketError) in
                try PacketReader.header(of: span)
            }
        } catch {
            return nil
        }
    }

    // MARK: subjects

    /// Returns the stream's subjects with their pins.
    private func subjects(_ readers: Readers) throws -> [PurgeFacts.Subject] {
        var partitions = [String: Partition](
            uniqueKeysWithValues: readers.partitions.map { ("\($0)", $0) })
        // `all.universe` is read by the readers of its partition's bars.
        partitions[SourceName.universe.text] = TapeNames.universeHome
        return try jetStream.subjects(stream: stream, matching: ">").keys.sorted().map { name in
            let tokens = name.split(separator: ".")
            let isWatermark = tokens.count > 1 && tokens[1] == "wm"
            return PurgeFacts.Subject(
                name: name,
                partition: isWatermark || tokens.count < 3 ? nil : partitions[String(tokens[2])],
                pins: try pins(name))
        }
    }

    /// Returns the newest message and, when that is a marker, the messages before it down to the
    /// last one with content. The subject's next owner continues after that one.
    private func pins(_ subject: String) throws -> [UInt64] {
        guard let newest = try jetStream.lastMessage(stream: stream, subject: subject) else {
            return []
        }
        var pins = [newest.sequence]
        var message: StoredMessage? = newest
        while let present = message, let previous = previous(present), pins.count < Self.pinsMax {
            message = try jetStream.message(stream: stream, sequence: previous)
            guard let message, message.subject == subject else { break }
            pins.append(previous)
        }
        return pins.reversed()
    }

    /// Returns the sequence of the message before a marker; `nil` when the message is no marker, or
    /// was the first one.
    private func previous(_ message: StoredMessage) -> UInt64? {
        do throws(PacketError) {
            guard let sequence = try StoredPacket(message).marker?.previousSequence, sequence > 0,
                sequence < message.sequence
            else { return nil }
            return sequence
        } catch {
            return nil
        }
    }

    // MARK: age

    /// Returns the first sequence whose message is younger than that. A stream's times rise.
    private func agedBelow(_ limit: Int64) throws -> UInt64 {
        var low = info.firstSequence
        var high = info.lastSequence + 1
        while low < high {
            let middle = low + (high - low) / 2
            let message = try jetStream.firstMessage(stream: stream, from: middle, subject: ">")
            if let message, message.time.nanoseconds < limit {
                low = message.sequence + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
