package import Primitives
package import TapeCodec

/// Decides what may be published next on one subject. One packet is in flight; each is a
/// compare-and-set: it is stored only if the subject's last message is the packet before it.
///
/// A packet is *settled* when it is known whether the tape has it. A *marker* is the packet that
/// opens an epoch. A lane is *raised* when others remember higher numbers of the subject than the
/// tape shows, as after a restore from a backup.
///
/// Pure: events in, effects out. `TapePublisher` has one for each of its subjects: it carries out
/// the effects in order and reports the results as events. Times are monotonic.
package struct PublisherLane: Sendable {
    /// The longest wait for an acknowledgement. After it the packet's fate is read from the tape.
    package static let acknowledgementNanosecondsMax: Int64 = 2_000_000_000
    /// Waits between attempts: the first one, and the longest.
    static let retryNanosecondsFirst: Int64 = 10_000_000
    static let retryNanosecondsMax: Int64 = 1_000_000_000
    /// The first wait after "a write is in process". A write to replicas may take this long.
    static let inProcessNanosecondsFirst: Int64 = 50_000_000
    /// The highest number that is accepted from readers and records. A higher one is damage.
    package static let floorMax: UInt64 = 1 << 62

    package private(set) var state = State.closed {
        didSet {
            switch state {
            case .closed: (isReady, isFenced, isIdle) = (false, false, true)
            case .ready: (isReady, isFenced, isIdle) = (true, false, true)
            case .fenced: (isReady, isFenced, isIdle) = (false, true, true)
            case .opening, .marking, .inFlight, .waiting, .resolving:
                (isReady, isFenced, isIdle) = (false, false, false)
            }
        }
    }
    // The owner reads these three of all lanes in each turn. They are stored, because a look at
    // `state` would copy it with its packets.
    /// Whether a packet may be published now.
    package private(set) var isReady = false
    /// Whether a higher epoch owns the subject.
    package private(set) var isFenced = false
    /// True when no packet is in flight or has to be sent again, and no epoch is being opened.
    package private(set) var isIdle = true
    /// The epoch in which this lane publishes; 0 until the subject was read.
    package private(set) var epoch: UInt64 = 0
    /// The first ordinal of the next packet. While a packet is in flight, it is that packet's own:
    /// everything below it is settled.
    package private(set) var nextOrdinal: UInt64 = 1
    /// The sequence of the subject's last message as far as this lane knows: what the next packet
    /// must follow. 0: there is none, or the subject was not read yet.
    package private(set) var lastSequence: UInt64 = 0
    /// The packet at `lastSequence`; `nil` when there is none. Another packet at the same sequence
    /// proves that the tape was restored from a backup.
    private var lastIdentity: PacketIdentity?
    /// Bounds that `raise` has set. The next epoch is above `epochFloor`, and its first ordinal is
    /// at least `ordinalFloor`. They only rise.
    private var epochFloor: UInt64
    private var ordinalFloor: UInt64 = 1
    /// What a database has of the subject, which the tape has not lost then; `nil` when nobody
    /// restored the source from one.
    package private(set) var stored: StoredRows?
    /// What its markers have.
    package let marking: Marking
    /// Increases with every publish, so that an answer to an older attempt can be recognised.
    package private(set) var attempt: UInt64 = 0
    /// The number of failures in a row, which determines the next wait.
    private var failures: Int64 = 0
    private var endDoubt = EndDoubt()

    /// The values `waiting` and `carrying` are the owner's packet that has to come after a marker,
    /// which is not on the tape yet; `nil` when there is none.
    package enum State: Sendable {
        /// `open` was not requested yet. Next: `opening`.
        case closed
        /// The subject's last packet is being read, immediately or at the given time, to open an
        /// epoch after it: the first epoch, or a raised one. Next: `marking`, `fenced`.
        case opening(retryAt: MonotonicTime?, carrying: SealedPacket?)
        /// The owner has to make the epoch's marker and call `publishMarker`. Next: `inFlight`.
        case marking(waiting: SealedPacket?)
        /// A packet may be published. Next: `inFlight`, or `opening` when the lane is raised.
        case ready
        /// Waiting for the acknowledgement of this packet, which may be a marker. Next: `ready`,
        /// `waiting`, `resolving`, or `opening` when the lane was raised.
        case inFlight(SealedPacket, deadline: MonotonicTime, waiting: SealedPacket?)
        /// The packet was certainly not stored; the same bytes are sent again at the given time.
        /// Next: `inFlight`.
        case waiting(SealedPacket, retryAt: MonotonicTime, waiting: SealedPacket?)
        /// It is unknown whether the packet is stored: the subject's last packet is being read,
        /// immediately or at the given time. Next: `ready` or `opening` if it is stored, `inFlight`
        /// if not; `marking` or `fenced` if another packet is the last one.
        case resolving(SealedPacket, retryAt: MonotonicTime?, waiting: SealedPacket?)
        /// A higher epoch owns the subject. Final, except for `reset`.
        case fenced(epoch: UInt64)
    }

    /// The fields of an operator's markers: the hash of its graph, and the generation. Both are 0
    /// for a source. `flags` are those of the markers' packets, beside `epochMarker`.
    package struct Marking: Sendable {
        package var definition: UInt64
        package var generation: UInt32
        package var flags: PacketFlags

        package init(
            definition: UInt64 = 0, generation: UInt32 = 0, flags: PacketFlags = []
        ) {
            self.definition = definition
            self.generation = generation
            self.flags = flags
        }
    }

    package enum Event: Sendable {
        /// Open the first epoch.
        case open
        /// The subject's last packet, as the leader has it; `nil` when there is none.
        /// `isReplicated`: the stream has more than one copy, or their number is unknown.
        case lastRead(LastPacket?, isReplicated: Bool = true)
        /// The subject's last packet could not be read; it is tried again.
        case readFailed
        /// The tape has stored the packet at this sequence.
        case acknowledged(attempt: UInt64, sequence: UInt64)
        /// No answer came, and perhaps none will: the server reported that a subject has no
        /// responder.
        case unanswered(attempt: UInt64)
        /// The subject's last message is not the one that was expected.
        case outOfSequence(attempt: UInt64)
        /// The server reports that it did not store the packet (503, 429, …).
        case notStored(attempt: UInt64)
        /// The server did not store the packet because a write to the subject is in process: an
        /// earlier copy of the packet, or the previous packet, whose mark the leader has not
        /// cleared yet.
        case inProcess(attempt: UInt64)
        /// Time has passed.
        case timePassed
    }

    package enum Effect: Sendable {
        /// Publish the packet, if the subject's last message has this sequence.
        case publish(SealedPacket, expectedLastSequence: UInt64, attempt: UInt64)
        /// Read the subject's last packet. The answer is `lastRead` or `readFailed`.
        case readLast
        /// Seal the epoch's marker with `epoch`, and hand it to `publishMarker`. `lost` are the
        /// ordinals before it that the tape no longer holds: the marker's packet names them in a
        /// gap record.
        case makeMarker(EpochMarker, lost: ClosedRange<UInt64>?)
        /// The packet is on the tape permanently.
        case acknowledged(SealedPacket, sequence: UInt64)
        /// The lane is fenced: these are its epoch and the higher one on the tape.
        case fenced(ours: UInt64, theirs: UInt64)
        /// The tape has lost these ordinals, although it had acknowledged them; `nil`: only packets
        /// without ordinals. `sequence` is that of the subject's last packet; 0: it has none.
        case rolledBack(lost: ClosedRange<UInt64>?, sequence: UInt64)
    }

    /// A lane whose first epoch is above `epochFloor`.
    package init(epochFloor: UInt64 = 0, marking: Marking = Marking()) {
        self.epochFloor = epochFloor
        self.marking = marking
    }

    /// Forgets the subject, what is in flight, and that it was fenced. `open` may follow, as with a
    /// new lane. Answers to earlier attempts can still be recognised, because attempts keep
    /// counting. A packet that was in flight and still arrives is treated as another owner's
    /// packet.
    package mutating func reset() {
        let attempt = attempt
        self = PublisherLane(marking: marking)
        self.attempt = attempt
    }

    /// Whether the subject was read and seems to end earlier than the lane knows: see `EndDoubt`.
    package var isInDoubt: Bool { endDoubt.isThere }

    /// The earliest event time among the unacknowledged ticks; undefined when there are none.
    package var oldestUnacknowledged: Timestamp {
        switch state {
        case .inFlight(let packet, _, let waiting), .waiting(let packet, _, let waiting),
            .resolving(let packet, _, let waiting):
            return min(packet.oldestEventTime, waiting?.oldestEventTime ?? .undefined)
        case .marking(let waiting), .opening(_, let waiting):
            return waiting?.oldestEventTime ?? .undefined
        case .closed, .ready, .fenced: return .undefined
        }
    }

    /// The number of ticks that were handed over and are not known to be on the tape.
    package var unacknowledgedTicks: Int {
        switch state {
        case .inFlight(let packet, _, let waiting), .waiting(let packet, _, let waiting),
            .resolving(let packet, _, let waiting):
            return Int(packet.header.tickCount) + Int(waiting?.header.tickCount ?? 0)
        case .marking(let waiting), .opening(_, let waiting):
            return Int(waiting?.header.tickCount ?? 0)
        case .closed, .ready, .fenced: return 0
        }
    }

    /// The packets of those ticks, in order, without markers, for the spool.
    package var unacknowledged: [SealedPacket] {
        switch state {
        case .inFlight(let packet, _, let waiting), .waiting(let packet, _, let waiting),
            .resolving(let packet, _, let waiting):
            let isMarker = packet.header.flags.contains(.epochMarker)
            return [isMarker ? nil : packet, waiting].compactMap { $0 }
        case .marking(let waiting), .opening(_, let waiting): return [waiting].compactMap { $0 }
        case .closed, .ready, .fenced: return []
        }
    }

    /// When `timePassed` is needed next; `nil` while nothing depends on the time.
    package var deadline: MonotonicTime? {
        switch state {
        case .inFlight(_, let deadline, _): return deadline
        case .waiting(_, let retryAt, _): return retryAt
        case .opening(let retryAt, _), .resolving(_, let retryAt, _): return retryAt
        case .closed, .marking, .ready, .fenced: return nil
        }
    }

    // MARK: publishing

    /// Sends a packet that was sealed with `epoch` and `nextOrdinal`. Call it only when `isReady`.
    package mutating func publish(
        _ packet: SealedPacket, now: MonotonicTime, into effects: inout [Effect]
    ) {
        precondition(isReady, "a packet is published while another one is in flight")
        send(packet, waiting: nil, now: now, into: &effects)
    }

    /// Sends the marker that the effect `makeMarker` requested. It must be sealed with `epoch`.
    package mutating func publishMarker(
        _ packet: SealedPacket, now: MonotonicTime, into effects: inout [Effect]
    ) {
        guard case .marking(let waiting) = state else {
            preconditionFailure("a marker is published that nobody asked for")
        }
        precondition(packet.header.flags.contains(.epochMarker), "an epoch begins with its marker")
        send(packet, waiting: waiting, now: now, into: &effects)
    }

    /// Publishes the packet as a new attempt. `waiting` comes after it.
    private mutating func send(
        _ packet: SealedPacket, waiting: SealedPacket?, now: MonotonicTime,
        into effects: inout [Effect]
    ) {
        precondition(
            packet.header.epoch == epoch && packet.header.firstOrdinal == nextOrdinal,
            "a packet does not follow the one before it")
        attempt += 1
        state = .inFlight(
            packet, deadline: now + Self.acknowledgementNanosecondsMax, waiting: waiting)
        effects.append(
            .publish(packet, expectedLastSequence: lastSequence, attempt: attempt))
    }

    // MARK: what others remember

    /// Raises the next ordinal to at least `nextOrdinal`, and the epoch above `aboveEpoch`: a
    /// reader or a record holds numbers that this lane has not given out. When either number is
    /// higher than the lane's, the subject is read again. If it holds a successor's packet, the
    /// lane is fenced. Otherwise the tape has lost packets: the ordinals between are reported as
    /// lost, and a new epoch opens after the subject's last packet. This happens immediately when
    /// the lane is ready, else as soon as the current packet is settled, or with the first epoch.
    /// Nothing happens when the lane is fenced or a number is above `floorMax`. Ordinals that
    /// are `stored` are not reported as lost.
    package mutating func raise(
        nextOrdinal: UInt64, aboveEpoch: UInt64 = 0, stored: StoredRows? = nil,
        into effects: inout [Effect]
    ) {
        guard !isFenced, nextOrdinal <= Self.floorMax, aboveEpoch <= Self.floorMax,
            (stored?.lastOrdinal ?? 0) <= Self.floorMax
        else { return }
        if let stored { self.stored = stored }
        ordinalFloor = max(ordinalFloor, nextOrdinal)
        epochFloor = max(epochFloor, aboveEpoch)
        if isReady, isRaised { readAgain(carrying: nil, into: &effects) }
    }

    /// Whether a higher ordinal or epoch is known than this lane has given out.
    private var isRaised: Bool { ordinalFloor > nextOrdinal || epochFloor > epoch }

    /// Reads the subject again, to open an epoch after its last packet. `packet` comes after the
    /// marker.
    private mutating func readAgain(
        carrying packet: SealedPacket?, into effects: inout [Effect]
    ) {
        state = .opening(retryAt: nil, carrying: packet)
        effects.append(.readLast)
    }

    /// Opens an epoch as the event `open` does, for a caller that has just read the subject's last
    /// packet (`last`) from the stream's leader. If another packet was stored since, the marker is
    /// refused and the subject is read again.
    package mutating func open(
        behind last: LastPacket?, now: MonotonicTime, into effects: inout [Effect]
    ) {
        guard case .closed = state else { return }
        state = .opening(retryAt: nil, carrying: nil)
        read(last, isReplicated: true, now: now, into: &effects)
    }

    // MARK: events

    /// Handles an event; times are monotonic.
    package mutating func handle(_ event: Event, now: MonotonicTime, into effects: inout [Effect]) {
        switch event {
        case .open:
            guard case .closed = state else { return }
            readAgain(carrying: nil, into: &effects)
        case .lastRead(let last, let isReplicated):
            read(last, isReplicated: isReplicated, now: now, into: &effects)
        case .readFailed:
            endDoubt.end()
            readLater(now: now)
        case .acknowledged(let attempt, let sequence):
            guard attempt == self.attempt else { return }
            switch state {
            // While the packet's fate is being read, the answer itself may still come.
            case .inFlight(let packet, _, let waiting), .resolving(let packet, _, let waiting):
                landed(packet, sequence: sequence, waiting: waiting, now: now, into: &effects)
            case .closed, .opening, .marking, .ready, .waiting, .fenced: return
            }
        case .unanswered(let attempt), .outOfSequence(let attempt):
            guard attempt == self.attempt, case .inFlight(let packet, _, let waiting) = state
            else { return }
            resolve(packet, waiting: waiting, into: &effects)
        case .notStored(let attempt):
            guard attempt == self.attempt, case .inFlight(let packet, _, let waiting) = state
            else { return }
            state = .waiting(packet, retryAt: now + retryWait(), waiting: waiting)
        case .inProcess(let attempt):
            guard attempt == self.attempt, case .inFlight(let packet, _, let waiting) = state
            else { return }
            // Nothing can be read: the write in process is stored nowhere yet.
            let wait = retryWait(first: Self.inProcessNanosecondsFirst)
            state = .waiting(packet, retryAt: now + wait, waiting: waiting)
        case .timePassed: timePassed(now: now, into: &effects)
        }
    }

    private mutating func timePassed(now: MonotonicTime, into effects: inout [Effect]) {
        switch state {
        case .inFlight(let packet, let deadline, let waiting) where now >= deadline:
            resolve(packet, waiting: waiting, into: &effects)
        case .waiting(let packet, let retryAt, let waiting) where now >= retryAt:
            send(packet, waiting: waiting, now: now, into: &effects)
        case .opening(let retryAt?, let packet) where now >= retryAt:
            readAgain(carrying: packet, into: &effects)
        case .resolving(let packet, let retryAt?, let waiting) where now >= retryAt:
            resolve(packet, waiting: waiting, into: &effects)
        case .closed, .opening, .marking, .ready, .inFlight, .waiting, .resolving, .fenced:
            return
        }
    }

    /// Finds out from the tape whether the packet is stored.
    private mutating func resolve(
        _ packet: SealedPacket, waiting: SealedPacket?, into effects: inout [Effect]
    ) {
        state = .resolving(packet, retryAt: nil, waiting: waiting)
        effects.append(.readLast)
    }

    /// Makes the present read again after a wait.
    private mutating func readLater(now: MonotonicTime) {
        switch state {
        case .opening(_, let packet):
            state = .opening(retryAt: now + retryWait(), carrying: packet)
        case .resolving(let packet, _, let waiting):
            state = .resolving(packet, retryAt: now + retryWait(), waiting: waiting)
        case .closed, .marking, .ready, .inFlight, .waiting, .fenced: return
        }
    }

    /// Counts a failure and returns the wait before the next attempt, which doubles with each
    /// failure in a row.
    private mutating func retryWait(first: Int64 = retryNanosecondsFirst) -> Int64 {
        failures = min(failures + 1, 16)
        return min(Self.retryNanosecondsMax, first << (failures - 1))
    }

    // MARK: outcomes

    /// Handles the proof that the packet is on the tape.
    private mutating func landed(
        _ packet: SealedPacket, sequence: UInt64, waiting: SealedPacket?, now: MonotonicTime,
        into effects: inout [Effect]
    ) {
        failures = 0
        endDoubt.end()
        lastSequence = sequence
        lastIdentity = packet.identity
        nextOrdinal = packet.header.nextOrdinal
        effects.append(.acknowledged(packet, sequence: sequence))
        state = .ready
        if isRaised {
            readAgain(carrying: waiting, into: &effects)
            return
        }
        // The packet was the marker. The waiting one was sealed before the new epoch was known.
        guard var next = waiting else { return }
        next.reseal(epoch: epoch, firstOrdinal: nextOrdinal)
        send(next, waiting: nil, now: now, into: &effects)
    }

    /// Handles the subject's last packet, which was read to open an epoch or to settle a packet.
    private mutating func read(
        _ last: LastPacket?, isReplicated: Bool, now: MonotonicTime, into effects: inout [Effect]
    ) {
        let read = Read(last: last, isReplicated: isReplicated, now: now)
        switch state {
        case .opening(_, let packet): open(behind: read, carrying: packet, into: &effects)
        case .resolving(let packet, _, let waiting):
            settle(packet, waiting: waiting, read, into: &effects)
        case .closed, .marking, .ready, .inFlight, .waiting, .fenced: return
        }
    }

    /// A read of the subject's last packet.
    private struct Read {
        let last: LastPacket?
        let isReplicated: Bool
        let now: MonotonicTime
    }

    /// Decides about a packet whose fate was unknown. The tape has it; or the tape is as before, so
    /// the packet is sent again; or another packet is there, so that this lane is fenced or opens a
    /// new epoch with the packet.
    private mutating func settle(
        _ packet: SealedPacket, waiting: SealedPacket?, _ read: Read,
        into effects: inout [Effect]
    ) {
        if let last = read.last, last.identity == packet.identity, last.sequence > lastSequence {
            landed(
                packet, sequence: last.sequence, waiting: waiting, now: read.now, into: &effects)
        } else if isAsKnown(read.last) {
            endDoubt.end()
            send(packet, waiting: waiting, now: read.now, into: &effects)
        } else {
            let carried = packet.header.flags.contains(.epochMarker) ? waiting : packet
            open(behind: read, carrying: carried, into: &effects)
        }
    }

    /// Returns whether the tape ends where this lane knows it to end.
    private func isAsKnown(_ last: LastPacket?) -> Bool {
        (last?.sequence ?? 0) == lastSequence && last?.identity == lastIdentity
    }

    /// Opens an epoch after the subject's last packet, unless that is a successor's. Ordinals never
    /// go back: those between the last one on the tape and the last one known to be given out were
    /// acknowledged once, and are lost. `EndDoubt` decides when this is believed; until then the
    /// state stays, and the subject is read again.
    private mutating func open(
        behind read: Read, carrying packet: SealedPacket?, into effects: inout [Effect]
    ) {
        let last = read.last
        // Before the first epoch, any packet there is a predecessor's.
        if epoch > 0, let last, last.epoch > epoch {
            state = .fenced(epoch: last.epoch)
            effects.append(.fenced(ours: epoch, theirs: last.epoch))
            return
        }
        let previous = max(epoch, last?.epoch ?? 0, epochFloor)
        guard previous < UInt64.max else {
            // No epoch can follow the largest one. Only damage looks like this.
            state = .fenced(epoch: previous)
            effects.append(.fenced(ours: epoch, theirs: previous))
            return
        }
        // The tape ends earlier than it did, or with another packet at the same place.
        let isRestored = !isAsKnown(last) && (last?.sequence ?? 0) <= lastSequence
        let standing = last?.nextOrdinal ?? 1
        let next = max(nextOrdinal, standing, ordinalFloor)
        let missing = max(standing, (stored?.lastOrdinal ?? 0) + 1)
        let lost = missing < next ? missing...(next - 1) : nil
        if isRestored || lost != nil {
            guard endDoubt.isBelieved(isReplicated: read.isReplicated, now: read.now) else {
                readLater(now: read.now)
                return
            }
            effects.append(.rolledBack(lost: lost, sequence: last?.sequence ?? 0))
        }
        precondition(next >= nextOrdinal && previous >= epoch, "ordinals and epochs go back")
        endDoubt.end()
        failures = 0
        lastSequence = last?.sequence ?? 0
        lastIdentity = last?.identity
        nextOrdinal = next
        epoch = previous + 1
        state = .marking(waiting: packet)
        effects.append(
            .makeMarker(
                EpochMarker(
                    startOrdinal: nextOrdinal, previousEpoch: previous,
                    previousSequence: lastSequence,
                    definition: marking.definition, generation: marking.generation),
                lost: lost))
    }
}
