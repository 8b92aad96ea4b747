import MarketModel
import Primitives
import TapeCodec
import TapeProtocol

/// A reader, its consumers at the server, and the lossy link between them.
struct SimulatedReader {
    /// One consumer at the server.
    struct Consumer {
        var consumerNumber: UInt64
        var nextSequence: UInt64
        var delivered: UInt64 = 0
        var pulls: [(number: UInt64, remaining: Int, expires: Int, beat: Int)] = []
        /// True if it sends nothing more, not even that it was removed.
        var isMute = false
    }

    enum Message {
        case packet(SimulatedStream.Message, ReaderLane.Delivery)
        case status(Int, String, pull: UInt64, consumerNumber: UInt64)
    }

    struct Faults {
        var lost = 0
        var doubled = 0
        var late = 0
        var consumerDies = 0
        var linkBreaks = 0
        var callFails = 0
        var restarts = 0

        static let none = Faults()
    }

    var lane = ReaderLane()
    var effects: [ReaderLane.Effect] = []
    var consumers: [Consumer] = []
    var wire: [(message: Message, due: Int)] = []
    /// The step at which the link comes back. `nil` while it is up.
    var linkUp: Int?
    var step = 0

    var delivered: [SimulatedStream.Message] = []
    var holes: [ClosedRange<UInt64>] = []
    var problem: ReaderProblem?
    /// The position from which a restarted process begins.
    var stored: TapePosition?
    /// The time from which it begins while it has no position. `nil` for the start.
    var from: Timestamp?
    var doubts: [String: Int] = [:]

    /// Time passes in steps of 100 ms.
    var now: MonotonicTime { MonotonicTime(nanoseconds: Int64(step) * 100_000_000) }

    mutating func open() {
        if stored == nil, let from {
            lane.open(from: .time(from), into: &effects)
        } else {
            lane.open(at: stored, into: &effects)
        }
    }

    /// A person has accepted another position. The process starts again from it.
    mutating func restart(at position: TapePosition?, from time: Timestamp? = nil) {
        stored = position
        from = time
        delivered = []
        holes = []
        problem = nil
        restart()
    }

    private mutating func restart() {
        lane = ReaderLane()
        effects = []
        wire = []
        consumers = []
        linkUp = nil
        open()
    }

    // MARK: one step

    mutating func turn(
        _ stream: SimulatedStream, _ faults: Faults, using random: inout SeededRandom
    ) {
        step += 1
        misfortune(faults, using: &random)
        if let up = linkUp, step >= up {
            linkUp = nil
            lane.reconnected(now: now, into: &effects)
        }
        carryOut(stream, faults, using: &random)
        serve(stream, faults, using: &random)
        if wire.contains(where: { $0.due <= step }) {
            let due = wire.filter { $0.due <= step }
            wire.removeAll { $0.due <= step }
            for arrival in due {
                receive(arrival.message)
                carryOut(stream, faults, using: &random)
            }
        }
        lane.timePassed(now: now, into: &effects)
        carryOut(stream, faults, using: &random)
    }

    private func chance(_ perMille: Int, _ random: inout SeededRandom) -> Bool {
        perMille > 0 && Int.random(in: 0..<1_000, using: &random) < perMille
    }

    private mutating func misfortune(_ faults: Faults, using random: inout SeededRandom) {
        if chance(faults.linkBreaks, &random) {
            cut(for: Int.random(in: 1...50, using: &random))
        }
        if chance(faults.consumerDies, &random), let index = consumers.indices.last {
            if chance(500, &random) {
                consumers[index].isMute = true
            } else {
                for pull in consumers[index].pulls {
                    let status = Message.status(
                        409, "Consumer Deleted", pull: pull.number,
                        consumerNumber: consumers[index].consumerNumber)
                    if !chance(faults.lost, &random) { wire.append((status, step + 1)) }
                }
                consumers.remove(at: index)
            }
        }
        if chance(faults.restarts, &random) { restart() }
    }

    /// Breaks the link. Messages under way are lost, although the server counts them as delivered.
    mutating func cut(for steps: Int) {
        wire = []
        linkUp = step + steps
        for index in consumers.indices { consumers[index].pulls = [] }
    }

    // MARK: the server

    private mutating func serve(
        _ stream: SimulatedStream, _ faults: Faults, using random: inout SeededRandom
    ) {
        guard linkUp == nil else { return }
        for index in consumers.indices where !consumers[index].isMute {
            while let pull = consumers[index].pulls.first,
                let message = stream.message(from: consumers[index].nextSequence)
            {
                consumers[index].nextSequence = message.sequence + 1
                consumers[index].delivered += 1
                consumers[index].pulls[0].remaining -= 1
                if pull.beat < Int.max { consumers[index].pulls[0].beat = step + 10 }
                let delivery = ReaderLane.Delivery(
                    consumerNumber: consumers[index].consumerNumber, sequence: message.sequence,
                    consumerSequence: consumers[index].delivered)
                send(.packet(message, delivery), faults, using: &random)
                // A pull may end at any message because of its byte limit.
                if pull.remaining == 1 {
                    end(index, 409, "Batch Completed", faults, using: &random)
                } else if chance(20, &random) {
                    end(index, 409, "Message Size Exceeds MaxBytes", faults, using: &random)
                }
            }
            while let pull = consumers[index].pulls.first, step >= pull.expires {
                end(index, 408, "Request Timeout", faults, using: &random)
            }
            for pull in consumers[index].pulls.indices
            where step >= consumers[index].pulls[pull].beat {
                consumers[index].pulls[pull].beat = step + 10
                let number = consumers[index].pulls[pull].number
                send(
                    .status(
                        100, "Idle Heartbeat", pull: number,
                        consumerNumber: consumers[index].consumerNumber),
                    faults, using: &random)
            }
        }
    }

    private mutating func end(
        _ index: Int, _ code: Int, _ text: String, _ faults: Faults,
        using random: inout SeededRandom
    ) {
        let pull = consumers[index].pulls.removeFirst()
        send(
            .status(code, text, pull: pull.number, consumerNumber: consumers[index].consumerNumber),
            faults,
            using: &random)
    }

    private mutating func send(
        _ message: Message, _ faults: Faults, using random: inout SeededRandom
    ) {
        if chance(faults.lost, &random) { return }
        let late = chance(faults.late, &random) ? Int.random(in: 1...40, using: &random) : 0
        wire.append((message, step + late))
        if chance(faults.doubled, &random) {
            wire.append((message, step + Int.random(in: 0...40, using: &random)))
        }
    }

    // MARK: the reader

    private mutating func receive(_ message: Message) {
        switch message {
        case .status(let code, let text, let pull, let consumerNumber):
            lane.status(
                code, text, pull: pull, consumerNumber: consumerNumber, now: now, into: &effects)
        case .packet(let packet, let delivery):
            let verdict = lane.packet(packet.header, delivery, now: now, into: &effects)
            guard verdict == .deliver else { return }
            delivered.append(packet)
            stored = lane.position
        }
    }

    private mutating func carryOut(
        _ stream: SimulatedStream, _ faults: Faults, using random: inout SeededRandom
    ) {
        var index = 0
        while index < effects.count {
            let effect = effects[index]
            index += 1
            switch effect {
            case .readStream:
                if linkUp != nil || chance(faults.callFails, &random) {
                    lane.openFailed(now: now)
                } else {
                    lane.streamRead(stream.bounds, now: now, into: &effects)
                }
            case .createConsumer(let consumerNumber, let start):
                create(consumerNumber, start, stream, faults, using: &random)
            case .pull(let consumerNumber, let number):
                guard linkUp == nil, !chance(faults.lost, &random),
                    let consumer = consumers.firstIndex(where: {
                        $0.consumerNumber == consumerNumber
                    })
                else { continue }
                let beat = lane.asksForHeartbeats(pull: number) ? step + 10 : Int.max
                consumers[consumer].pulls.append(
                    (number, ReaderLane.pullMessages, step + 300, beat))
            case .doubted(let doubt): doubts[doubt.label, default: 0] += 1
            case .hole(_, let ordinals, _): holes.append(ordinals)
            case .letGo: preconditionFailure("no lane here may be let go")
            case .stopped(let problem): self.problem = problem
            }
        }
        effects.removeAll(keepingCapacity: true)
    }

    private mutating func create(
        _ consumerNumber: UInt64, _ start: ReaderLane.Start, _ stream: SimulatedStream,
        _ faults: Faults,
        using random: inout SeededRandom
    ) {
        guard linkUp == nil, !chance(faults.callFails, &random) else {
            lane.openFailed(now: now)
            return
        }
        let first: UInt64
        switch start {
        case .first: first = 0
        case .sequence(let sequence): first = sequence
        case .time(let time):
            first = stream.messages.first { $0.time >= time }?.sequence ?? stream.lastSequence + 1
        case .end: first = stream.lastSequence + 1
        }
        consumers.append(Consumer(consumerNumber: consumerNumber, nextSequence: first))
        // The call may have succeeded although its answer is lost.
        if chance(faults.callFails, &random) {
            lane.openFailed(now: now)
        } else {
            lane.consumerCreated(consumerNumber: consumerNumber, now: now, into: &effects)
        }
    }
}
